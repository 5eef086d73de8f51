//! This crate's metrics, under upstream's names. They are counted by batches or on failure, so that the
//! recorder is asked each time and may be installed late.

use metrics::counter;

const EVENTS: &str = "apiserver_audit_event_total";
const ERRORS: &str = "apiserver_audit_error_total";
const REJECTED: &str = "apiserver_audit_requests_rejected_total";

/// Events came on record.
pub(crate) fn recorded(count: u64) {
    counter!(EVENTS).increment(count);
}

/// Events could not be kept.
pub(crate) fn log_lost(count: u64) {
    counter!(ERRORS, "plugin" => "log").increment(count);
}

/// Events could not be sent.
pub(crate) fn webhook_lost(count: u64) {
    counter!(ERRORS, "plugin" => "webhook").increment(count);
}

/// A request was refused because its event could not be recorded.
pub(crate) fn rejected() {
    counter!(REJECTED).increment(1);
}
