//! Parts that are started again when they fail.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Who ran this long has recovered.
const RECOVERED: Duration = Duration::from_secs(60);

/// Keeps parts running until the process stops.
pub(crate) struct Supervisor {
    parts: JoinSet<()>,
    stop: watch::Receiver<bool>,
}

impl Supervisor {
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { parts: JoinSet::new(), stop }
    }

    /// Starts a part, which should never end; when it does, even in a panic, it is made anew.
    pub(crate) fn keep<F>(&mut self, name: &'static str, make: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.parts.spawn(async move {
            let mut wait = FIRST_WAIT;
            loop {
                let begun = Instant::now();
                let ended = AbortOnDropHandle::new(tokio::spawn(make())).await;
                if begun.elapsed() > RECOVERED {
                    wait = FIRST_WAIT;
                }
                let panicked = ended.is_err();
                tracing::error!(
                    controller = name,
                    panicked,
                    retry_ms = wait.as_millis(),
                    "A controller ended"
                );
                tokio::time::sleep(wait).await;
                wait = LONGEST_WAIT.min(wait.saturating_mul(2));
            }
        });
    }

    /// Resolves when the process stops; the parts have ended then.
    pub(crate) async fn stopped(mut self) {
        // A sender that is gone can tell nothing more: that is a stop too.
        let _ = self.stop.wait_for(|stop| *stop).await;
        self.parts.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_panics_is_started_again_and_stops_with_the_process() {
        let (stop, stopping) = watch::channel(false);
        let starts = Arc::new(AtomicUsize::new(0));
        let mut supervisor = Supervisor::new(stopping);
        let count = starts.clone();
        supervisor.keep("broken", move || {
            let count = count.clone();
            async move {
                assert!(count.fetch_add(1, Ordering::SeqCst) > 100, "broken");
            }
        });
        let stopped = tokio::spawn(supervisor.stopped());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 4, "at 0, 100, 300 and 700 ms");
        stop.send_replace(true);
        stopped.await.unwrap();
    }
}
