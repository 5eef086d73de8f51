//! What is counted of conversions, under upstream's names.

use std::sync::Once;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};

const DURATION: &str = "apiserver_conversion_webhook_duration_seconds";
const REQUESTS: &str = "apiserver_conversion_webhook_request_total";

/// Why a conversion failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// The webhook could not be called.
    Call,
    /// Its answer is none.
    Malformed,
    /// It lost objects, or made some.
    Partial,
    /// An object is not what it was made from.
    Invalid,
}

impl Failure {
    fn as_str(self) -> &'static str {
        match self {
            Self::Call => "conversion_webhook_call_failure",
            Self::Malformed => "conversion_webhook_malformed_response_failure",
            Self::Partial => "conversion_webhook_partial_response_failure",
            Self::Invalid => "conversion_webhook_invalid_converted_object_failure",
        }
    }
}

/// Counts a call.
pub(super) fn converted(took: Duration, failure: Option<Failure>) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_histogram!(DURATION, "Time that calls of conversion webhooks took, in seconds.");
        describe_counter!(REQUESTS, "Calls of conversion webhooks.");
    });
    let result = if failure.is_some() { "failure" } else { "success" };
    let kind = failure.map_or("", Failure::as_str);
    counter!(REQUESTS, "result" => result, "failure_type" => kind).increment(1);
    histogram!(DURATION, "result" => result, "failure_type" => kind).record(took.as_secs_f64());
}
