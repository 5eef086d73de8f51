//! What came back.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{CallError, Cause};

/// The longest pause another server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// As much of a text answer as client-go shows.
const MAX_SHOWN: usize = 2048;

/// An answer: whole, and within its bounds.
#[derive(Debug)]
pub struct Reply {
    pub(crate) method: Method,
    pub(crate) url: String,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// The answer if it is a success; any other status as client-go's error.
    pub fn success(self) -> Result<Self, CallError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let message = self.status_message().unwrap_or_else(|| self.generic_message());
        let retry_after = self.retry_after();
        let cause = Cause::Status { code: self.status, message, retry_after };
        Err(self.error(cause))
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Only the place is told: the words around it are the body's.
            let why = format!(
                "the response is no JSON of the expected form, at line {} column {}",
                error.line(),
                error.column()
            );
            self.error(Cause::Malformed(why))
        })
    }

    /// An error about this answer.
    pub fn error(&self, cause: Cause) -> CallError {
        CallError { method: go_method(&self.method), url: self.url.clone(), cause }
    }

    /// What the answer says of how long it may be kept: `Cache-Control: max-age`.
    pub fn max_age(&self) -> Option<Duration> {
        let control = self.headers.get(http::header::CACHE_CONTROL)?.to_str().ok()?;
        let mut words = control.split(',').map(str::trim);
        if words
            .clone()
            .any(|word| word.eq_ignore_ascii_case("no-store") || word.eq_ignore_ascii_case("no-cache"))
        {
            return None;
        }
        let age = words.find_map(|word| word.strip_prefix("max-age="))?;
        age.parse().ok().map(Duration::from_secs)
    }

    /// Clamped; garbage and negative numbers are no request to wait.
    fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
    }

    /// The words of a Kubernetes `Status`.
    fn status_message(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let is_status = text("kind") == Some("Status")
            && text("apiVersion") == Some("v1")
            && text("status") != Some("Success");
        let message = text("message").filter(|message| !message.is_empty())?;
        is_status.then(|| message.chars().take(MAX_SHOWN).collect())
    }

    fn generic_message(&self) -> String {
        let own = self.text();
        let fixed = match self.status.as_u16() {
            409 => "the server reported a conflict",
            404 => "the server could not find the requested resource",
            400 => "the server rejected our request for an unknown reason",
            401 => "the server has asked for the client to provide credentials",
            403 | 415 => return own,
            406 if own.is_empty() || own == "unknown" => {
                "the server was unable to respond with a content type that the client supports"
            }
            406 => return own,
            405 => "the server does not allow this method on the requested resource",
            422 => "the server rejected our request due to an error in our request",
            503 => "the server is currently unable to handle the request",
            504 => {
                "the server was unable to return a response in the time allotted, but may still be processing the request"
            }
            429 => "the server has received too many requests and has asked us to try again later",
            code if code >= 500 => {
                return format!("an error on the server ({own:?}) has prevented the request from succeeding");
            }
            code => {
                return format!(
                    "the server responded with the status code {code} but did not return more information"
                );
            }
        };
        fixed.to_owned()
    }

    /// The body if it is text, else `unknown`.
    fn text(&self) -> String {
        let textual = match self.headers.get(CONTENT_TYPE) {
            None => true,
            Some(value) => value.to_str().is_ok_and(|value| value.trim_start().starts_with("text/")),
        };
        if !textual {
            return "unknown".to_owned();
        }
        let shown = self.body.get(..MAX_SHOWN).unwrap_or(&self.body);
        String::from_utf8_lossy(shown).trim().to_owned()
    }
}

/// A method as Go's client spells it in errors.
pub(crate) fn go_method(method: &Method) -> &'static str {
    if *method == Method::POST { "Post" } else { "Get" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, headers: &[(&'static str, &str)], body: &'static str) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Reply {
            method: Method::POST,
            url: "https://h/".into(),
            status: StatusCode::from_u16(code).unwrap(),
            headers: map,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[track_caller]
    fn words(reply: Reply) -> String {
        reply.success().unwrap_err().cause().to_string()
    }

    #[test]
    fn errors_have_client_gos_words() {
        assert_eq!(words(reply(404, &[], "x")), "the server could not find the requested resource");
        assert_eq!(
            words(reply(500, &[("content-type", "text/plain")], " bad \"x\"\n")),
            "an error on the server (\"bad \\\"x\\\"\") has prevented the request from succeeding"
        );
        assert_eq!(
            words(reply(502, &[("content-type", "application/json")], "{}")),
            "an error on the server (\"unknown\") has prevented the request from succeeding"
        );
        assert_eq!(
            words(reply(302, &[], "")),
            "the server responded with the status code 302 but did not return more information"
        );
        let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no"}"#;
        assert_eq!(words(reply(500, &[], status)), "no");
    }

    #[test]
    fn b044_retry_after_is_clamped() {
        let asked = |text| reply(503, &[("retry-after", text)], "").success().unwrap_err().retry_after();
        assert_eq!(asked("-1"), None);
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("3"), Some(Duration::from_secs(3)));
        assert_eq!(asked("1000000000"), Some(MAX_RETRY_AFTER));
    }

    #[test]
    fn an_unreadable_body_is_not_quoted() {
        let error = reply(200, &[], "{\"token\":\"canary\"").json::<Value>().unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn ages_are_read() {
        let age = |text| reply(200, &[("cache-control", text)], "").max_age();
        assert_eq!(age("public, max-age=60"), Some(Duration::from_secs(60)));
        assert_eq!(age("no-store, max-age=60"), None);
        assert_eq!(age("max-age=x"), None);
    }
}
