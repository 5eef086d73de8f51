//! What is counted of webhooks, under upstream's names.
//!
//! The name of a webhook is a label, as upstream has it. Names come from those who may configure admission; more
//! than a ceiling of them count as one.

use std::collections::HashSet;
use std::sync::{LazyLock, Once};
use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};
use parking_lot::Mutex;

const DURATION: &str = "apiserver_admission_webhook_admission_duration_seconds";
const REQUESTS: &str = "apiserver_admission_webhook_request_total";
const REJECTIONS: &str = "apiserver_admission_webhook_rejection_count";
const FAILED_OPEN: &str = "apiserver_admission_webhook_fail_open_count";
const EXCLUSIONS: &str = "apiserver_admission_match_condition_exclusions_total";

const MAX_NAMES: usize = 256;

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// The hook lets the write pass.
    Allowed,
    /// The hook refuses.
    Rejected,
    /// The call failed, and the write with it.
    Failed,
    /// The call failed, and the write goes on.
    FailedOpen,
    /// The request could not be put to the hook.
    Internal,
}

impl Ending {
    /// The kind of error of a rejection.
    fn error_type(self) -> Option<&'static str> {
        match self {
            Self::Allowed | Self::FailedOpen => None,
            Self::Rejected => Some("no_error"),
            Self::Failed => Some("calling_webhook_error"),
            Self::Internal => Some("apiserver_internal_error"),
        }
    }
}

/// Counts a call.
pub(super) fn called(
    hook: &str,
    stage: &'static str,
    operation: &'static str,
    took: Duration,
    ending: Ending,
    code: u16,
) {
    describe();
    let name = label(hook);
    let rejected = if ending.error_type().is_some() { "true" } else { "false" };
    // As upstream: what is above belongs together.
    let code = code.min(600).to_string();
    histogram!(DURATION, "name" => name.clone(), "type" => stage, "operation" => operation, "rejected" => rejected)
        .record(took.as_secs_f64());
    counter!(REQUESTS, "name" => name.clone(), "type" => stage, "operation" => operation,
        "code" => code.clone(), "rejected" => rejected)
    .increment(1);
    if let Some(error_type) = ending.error_type() {
        counter!(REJECTIONS, "name" => name.clone(), "type" => stage, "operation" => operation,
            "error_type" => error_type, "rejection_code" => code)
        .increment(1);
    }
    if ending == Ending::FailedOpen {
        counter!(FAILED_OPEN, "name" => name, "type" => stage).increment(1);
    }
}

/// Counts a write that conditions kept from a hook.
pub(super) fn excluded(hook: &str, stage: &'static str, operation: &'static str) {
    describe();
    counter!(EXCLUSIONS, "name" => label(hook), "kind" => "webhook", "type" => stage, "operation" => operation)
        .increment(1);
}

/// The name, as long as there are not too many.
fn label(name: &str) -> String {
    static NAMES: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock();
    if names.contains(name) {
        return name.to_owned();
    }
    if names.len() >= MAX_NAMES {
        return "OTHER".to_owned();
    }
    names.insert(name.to_owned());
    name.to_owned()
}

fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_histogram!(DURATION, "Time that calls of admission webhooks took, in seconds.");
        describe_counter!(REQUESTS, "Calls of admission webhooks.");
        describe_counter!(REJECTIONS, "Writes refused by admission webhooks, or because of them.");
        describe_counter!(FAILED_OPEN, "Calls that failed and were passed over.");
        describe_counter!(EXCLUSIONS, "Writes that match conditions kept from a webhook.");
    });
}
