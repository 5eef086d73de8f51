//! This crate's metrics. Labels are words of closed sets, never what somebody sent.

use std::fmt;
use std::sync::OnceLock;

use metrics::{Counter, counter, describe_counter};
use portcullis_api::{ApiError, Reason};

use crate::attempt::{Identity, Method};

const ATTEMPTS: &str = "authentication_attempts";
const METHODS: &str = "portcullis_authenticated_requests_total";

/// Handles, made at the first request: by then the process has its recorder.
#[derive(Default)]
pub(crate) struct Metrics(OnceLock<Handles>);

struct Handles {
    success: Counter,
    failure: Counter,
    error: Counter,
    methods: [(Method, Counter); 11],
}

impl Metrics {
    pub(crate) fn count(&self, outcome: &Result<Identity, ApiError>) {
        let handles = self.0.get_or_init(Handles::new);
        match outcome {
            Ok(identity) => {
                handles.success.increment(1);
                let of_method = handles.methods.iter().find(|(method, _)| *method == identity.method);
                of_method.iter().for_each(|(_, counter)| counter.increment(1));
            }
            Err(refusal) if refusal.reason() == Reason::Unauthorized => handles.failure.increment(1),
            Err(_) => handles.error.increment(1),
        }
    }
}

impl Handles {
    fn new() -> Self {
        describe_counter!(
            ATTEMPTS,
            "Authentication attempts by result: success, failure (401), error (bad request)"
        );
        describe_counter!(METHODS, "Authenticated requests by the scheme that verified them");
        let attempts = |result: &'static str| counter!(ATTEMPTS, "result" => result);
        let of_method = |method: Method| (method, counter!(METHODS, "method" => method.as_str()));
        Self {
            success: attempts("success"),
            failure: attempts("failure"),
            error: attempts("error"),
            methods: [
                Method::InProcess,
                Method::FrontProxy,
                Method::X509,
                Method::TokenFile,
                Method::ServiceAccount,
                Method::BootstrapToken,
                Method::UserToken,
                Method::Oidc,
                Method::Webhook,
                Method::Token,
                Method::Anonymous,
            ]
            .map(of_method),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
