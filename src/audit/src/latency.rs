//! What held a request up, told of those that took long, by upstream's annotations.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::event::Story;

/// Requests that take longer have the annotations, as upstream's.
const LONG: Duration = Duration::from_millis(500);
const TOTAL: &str = "apiserver.latency.k8s.io/total";

/// Something that takes its time. What upstream tells besides is decoding, transforming, serialising and writing of
/// answers, which are no steps of their own here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Latency {
    /// Finding out who asks.
    Authentication,
    /// Deciding whether they may act as somebody else.
    Impersonation,
    /// Waiting for a seat.
    QueueWait,
    /// Deciding whether they may.
    Authorization,
    /// Mutating webhooks, one after the other.
    MutatingWebhook,
    /// Validating webhooks, all at once.
    ValidatingWebhook,
    /// Commits of the store, whichever it is; the key is upstream's.
    Store,
}

impl Latency {
    const ALL: [Self; 7] = [
        Self::Authentication,
        Self::Impersonation,
        Self::QueueWait,
        Self::Authorization,
        Self::MutatingWebhook,
        Self::ValidatingWebhook,
        Self::Store,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Authentication => "apiserver.latency.k8s.io/authentication",
            Self::Impersonation => "apiserver.latency.k8s.io/impersonation",
            Self::QueueWait => "apiserver.latency.k8s.io/apf-queue-wait",
            Self::Authorization => "apiserver.latency.k8s.io/authorization",
            Self::MutatingWebhook => "apiserver.latency.k8s.io/mutating-webhook",
            Self::ValidatingWebhook => "apiserver.latency.k8s.io/validating-webhook",
            Self::Store => "apiserver.latency.k8s.io/etcd",
        }
    }
}

/// The times of one request, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Latencies([AtomicU64; Latency::ALL.len()]);

impl Latencies {
    pub(crate) fn add(&self, what: Latency, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        for (one, held) in Latency::ALL.iter().zip(&self.0) {
            if *one == what {
                held.fetch_add(nanos, Ordering::Relaxed);
            }
        }
    }

    /// Tells them, if the request took long.
    pub(crate) fn annotate(&self, total: Duration, story: &mut Story) {
        if total <= LONG {
            return;
        }
        for (what, held) in Latency::ALL.iter().zip(&self.0) {
            let nanos = held.load(Ordering::Relaxed);
            if nanos > 0 {
                story.annotate(Cow::Borrowed(what.key()), shown(Duration::from_nanos(nanos)).into());
            }
        }
        story.annotate(Cow::Borrowed(TOTAL), shown(total).into());
    }
}

/// A duration as Go writes it: `652ns`, `321.102µs`, `1m2.5s`.
fn shown(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000, 6)),
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = decimal(rest, 1_000_000_000, 9);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// So many units, with what is left of one behind the point, without zeros at the end.
fn decimal(nanos: u128, unit: u128, digits: usize) -> String {
    let text = format!("{}.{:0digits$}", nanos / unit, nanos % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let cases = [
            (0, "0s"),
            (652, "652ns"),
            (1_000, "1µs"),
            (321_102, "321.102µs"),
            (2_000_000, "2ms"),
            (666_818_317, "666.818317ms"),
            (1_000_000_000, "1s"),
            (20_617_900_178, "20.617900178s"),
            (62_500_000_000, "1m2.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(shown(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn only_long_requests_tell_what_held_them_up() {
        let latencies = Latencies::default();
        latencies.add(Latency::Store, Duration::from_millis(400));
        latencies.add(Latency::Store, Duration::from_millis(300));
        let mut story = Story::default();
        latencies.annotate(LONG, &mut story);
        assert!(story.annotations.is_empty());
        latencies.annotate(Duration::from_millis(701), &mut story);
        let told: Vec<_> = story.annotations.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(
            told,
            [("apiserver.latency.k8s.io/etcd", "700ms"), ("apiserver.latency.k8s.io/total", "701ms")]
        );
    }
}
