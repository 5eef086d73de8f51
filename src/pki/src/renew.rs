//! Renewal at two thirds of a certificate's lifetime, in a running process.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{error, info};

use crate::{Leaf, LiveCertificate, Pki, Result};

/// How often the clock is compared even if nothing seems due: it may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
const RETRY: Duration = Duration::from_secs(60);

/// When a certificate should be renewed: at two thirds of its lifetime.
pub fn renew_at(leaf: &Leaf) -> Timestamp {
    let lifetime = leaf.not_after.duration_since(leaf.not_before);
    leaf.not_before.saturating_add(lifetime / 3 * 2).unwrap_or(leaf.not_after)
}

/// Whether a certificate should be renewed now.
pub fn due(leaf: &Leaf, now: Timestamp) -> bool {
    now >= renew_at(leaf)
}

/// Renews the certificates of a [`Pki`] when they are due and swaps them where they are in use.
pub struct Renewer {
    pki: Arc<Pki>,
    live: Vec<(&'static str, Arc<LiveCertificate>)>,
}

impl Renewer {
    /// A renewer with no certificate in use yet.
    pub fn new(pki: Arc<Pki>) -> Self {
        Self { pki, live: Vec::new() }
    }

    /// Swaps this certificate whenever its profile is renewed.
    #[must_use]
    pub fn swapping(mut self, profile: &'static str, certificate: Arc<LiveCertificate>) -> Self {
        self.live.push((profile, certificate));
        self
    }

    /// Runs until dropped.
    pub async fn run(self) {
        let this = Arc::new(self);
        loop {
            let turn = this.clone();
            let sleep = match tokio::task::spawn_blocking(move || turn.turn(Timestamp::now())).await {
                Ok(Ok(next)) => until(next, Timestamp::now()),
                Ok(Err(cause)) => {
                    error!(cause = %cause, "Certificate renewal failed");
                    RETRY
                }
                Err(_) => RETRY,
            };
            tokio::time::sleep(sleep).await;
        }
    }

    /// Renews what is due and says when to come again.
    pub fn turn(&self, now: Timestamp) -> Result<Timestamp> {
        for name in self.pki.renew_due(now)? {
            info!(certificate = %name, "Renewed a certificate");
            for (profile, certificate) in &self.live {
                if *profile == name {
                    let (chain, key) = self.pki.stored(profile)?;
                    certificate.replace(&chain, key.expose())?;
                }
            }
        }
        self.pki.next_renewal()
    }
}

fn until(next: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(next.duration_since(now)).unwrap_or_default();
    left.clamp(Duration::from_secs(1), LONGEST_SLEEP)
}
