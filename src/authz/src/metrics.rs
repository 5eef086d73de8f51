//! This crate's metrics. Labels are words of closed sets and the names that the configuration gives, never what somebody sent.

use std::time::Duration;

use metrics::{Counter, counter, histogram};

const DECISIONS: &str = "apiserver_authorization_decisions_total";
const CALLS: &str = "apiserver_authorization_webhook_evaluations_total";
const CALL_TIME: &str = "apiserver_authorization_webhook_duration_seconds";
const FAILED_OPEN: &str = "apiserver_authorization_webhook_evaluations_fail_open_total";
const EXCLUSIONS: &str = "apiserver_authorization_match_condition_exclusions_total";
const CONDITION_ERRORS: &str = "apiserver_authorization_match_condition_evaluation_errors_total";
const CONDITION_TIME: &str = "apiserver_authorization_match_condition_evaluation_seconds";
const RELOADS: &str = "apiserver_authorization_config_controller_automatic_reloads_total";
const WEBHOOK: &str = "Webhook";

/// What an authorizer settled.
pub(crate) struct Settled {
    pub(crate) allowed: Counter,
    pub(crate) denied: Counter,
}

impl Settled {
    /// The counters of one authorizer.
    pub(crate) fn of(kind: &'static str, name: &str) -> Self {
        let count = |decision: &'static str| counter!(DECISIONS, "type" => kind, "name" => name.to_owned(), "decision" => decision);
        Self { allowed: count("allowed"), denied: count("denied") }
    }
}

/// Counts a call to a webhook.
pub(crate) fn webhook_called(name: &str, result: &'static str, took: Duration) {
    counter!(CALLS, "name" => name.to_owned(), "result" => result).increment(1);
    histogram!(CALL_TIME, "name" => name.to_owned(), "result" => result).record(took.as_secs_f64());
}

/// Counts a question without answer that was left to the next authorizer.
pub(crate) fn webhook_failed_open(name: &str, result: &'static str) {
    counter!(FAILED_OPEN, "name" => name.to_owned(), "result" => result).increment(1);
}

/// Counts what match conditions came to.
pub(crate) fn conditions_judged(name: &str, took: Duration, verdict: &Result<bool, String>) {
    let labels = || [("type", WEBHOOK.to_owned()), ("name", name.to_owned())];
    histogram!(CONDITION_TIME, &labels()).record(took.as_secs_f64());
    match verdict {
        Ok(true) => {}
        Ok(false) => counter!(EXCLUSIONS, &labels()).increment(1),
        Err(_) => counter!(CONDITION_ERRORS, &labels()).increment(1),
    }
}

/// Counts the attempts to take up a changed configuration.
pub(crate) fn configuration_reloaded(taken: bool) {
    counter!(RELOADS, "status" => if taken { "success" } else { "failure" }).increment(1);
}
