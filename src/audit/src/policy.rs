//! Which requests are worth an event.
//!
//! Metadata for everything by default, unlike upstream, whose default is nothing. Left out is only
//! what says nothing: successful reads of health, discovery and version.

use http::StatusCode;
use portcullis_api::{RequestInfo, Verb};

/// The rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Record even the noise.
    pub everything: bool,
}

impl Policy {
    /// Whether to record the intent before the work: for what may change something.
    pub(crate) fn wants_intent(self, info: &RequestInfo) -> bool {
        self.everything || !info.verb.is_read_only()
    }

    /// Whether to record how it ended.
    pub(crate) fn wants_outcome(self, info: &RequestInfo, code: StatusCode) -> bool {
        self.everything || !info.verb.is_read_only() || !code.is_success() || !is_noise(info)
    }
}

fn is_noise(info: &RequestInfo) -> bool {
    if info.resource().is_some() || !matches!(info.verb, Verb::Get | Verb::Head) {
        return false;
    }
    let first = info.path.split('/').nth(1).unwrap_or_default();
    matches!(first, "livez" | "readyz" | "healthz" | "api" | "apis" | "openapi" | "version" | "metrics")
}
