//! The one error the API answers with, and the `Status` object it becomes.

mod reason;

use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::field;
use crate::kind::GroupResource;

pub use reason::Reason;

/// One cause in a `Status`'s details.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cause {
    /// Machine-readable reason; left out when empty.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// The field it concerns; left out when empty.
    pub field: String,
}

/// `metav1.StatusDetails`; empty members are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Details {
    name: String,
    group: String,
    kind: String,
    uid: String,
    causes: Vec<Cause>,
    retry_after_seconds: u32,
}

/// More causes of another's refusal are not passed on.
const MAX_CAUSES: usize = 256;

/// A refusal or failure as the client will read it, plus words that only the log sees.
///
/// It has no `Display`: the two audiences must not be mixed up.
pub struct ApiError(Box<Inner>);

struct Inner {
    code: StatusCode,
    reason: Reason,
    /// Another's word for the reason, which need not be one of ours.
    foreign: Option<String>,
    message: String,
    details: Option<Details>,
    log: Option<String>,
    /// `metadata.continue` of the status; empty for none.
    cont: String,
    /// `Warning` texts that go with the answer.
    warnings: Vec<String>,
    /// Further headers of the answer.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The answer of a fallible step on a request's path.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

impl ApiError {
    /// An error with a message of the caller's own.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code: reason.code(),
            reason,
            foreign: None,
            message: message.into(),
            details: None,
            log: None,
            cont: String::new(),
            warnings: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// 400 with a message.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// 500. Takes words for the log only: the client reads a fixed phrase.
    pub fn internal(log: impl Into<String>) -> Self {
        let mut error = Self::new(
            Reason::InternalError,
            "Internal error occurred: the server could not complete the request",
        );
        error.0.log = Some(log.into());
        error
    }

    /// 500 whose message upstream shows to clients; only for words free of server secrets.
    pub fn internal_said(message: &str) -> Self {
        let cause = Cause { message: message.to_owned(), ..Cause::default() };
        Self::new(Reason::InternalError, format!("Internal error occurred: {message}"))
            .with_causes(vec![cause])
    }

    /// 503 with words for the log only.
    pub fn unavailable(log: impl Into<String>) -> Self {
        let mut error =
            Self::new(Reason::ServiceUnavailable, "the server is currently unable to handle the request");
        error.0.log = Some(log.into());
        error
    }

    /// 404 for a path that no resource serves.
    pub fn no_such_path() -> Self {
        let mut error = Self::new(Reason::NotFound, "the server could not find the requested resource");
        error.0.details = Some(Details::default());
        error
    }

    /// 415 for a body in a format that no patch has.
    pub fn no_such_format() -> Self {
        let mut error = Self::new(Reason::UnsupportedMediaType, "415: Unsupported Media Type");
        error.0.details = Some(Details::default());
        error
    }

    /// 404 for an object.
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        Self::new(Reason::NotFound, format!("{resource} \"{name}\" not found")).about(resource, name)
    }

    /// 409: an object of this name exists.
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        Self::new(Reason::AlreadyExists, format!("{resource} \"{name}\" already exists"))
            .about(resource, name)
    }

    /// 409: the request was built on another state of the object.
    pub fn conflict(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::new(Reason::Conflict, message).about(resource, name)
    }

    /// 409 in the words an optimistic-lock failure has.
    pub fn modified(resource: &GroupResource, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// 403 for a resource; the name may be empty.
    pub fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{resource} is forbidden: {why}")
        } else {
            format!("{resource} \"{name}\" is forbidden: {why}")
        };
        Self::new(Reason::Forbidden, message).about(resource, name)
    }

    /// Another's refusal (a webhook's `Status`), passed on in its own words. What is no refusal by its code
    /// becomes a 400; what does not belong into a `Status` is left out.
    pub fn passed_on(status: &Map<String, Value>) -> Self {
        let text = |field: &str| status.get(field).and_then(Value::as_str).unwrap_or_default();
        let code = status.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let code = code.filter(|code| *code >= 400).and_then(|code| StatusCode::from_u16(code).ok());
        let mut error = Self::new(Reason::Unknown, text("message"));
        error.0.code = code.unwrap_or(StatusCode::BAD_REQUEST);
        error.0.foreign = Some(text("reason").to_owned());
        error.0.details = status.get("details").and_then(Value::as_object).map(Details::read);
        error
    }

    /// 401 in upstream's one phrase.
    pub fn unauthorized() -> Self {
        Self::new(Reason::Unauthorized, "Unauthorized")
    }

    /// 405 in upstream's one phrase.
    pub fn method_not_allowed() -> Self {
        Self::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
            .with_causes(Vec::new())
    }

    /// 410 for a revision that is no longer kept.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(Reason::Expired, message)
    }

    /// 429 with a time to wait.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut error = Self::new(Reason::TooManyRequests, message);
        error.0.details = Some(Details { retry_after_seconds, ..Details::default() });
        error
    }

    /// 422 for an object's mistakes. The details' kind is the object's kind, the group its group.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[field::Error]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let list = aggregate(errors);
        let message = format!("{qualified} \"{name}\" is invalid: {list}");
        let mut error = Self::new(Reason::Invalid, message);
        error.0.details = Some(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes: errors.iter().map(field::Error::cause).collect(),
            ..Details::default()
        });
        error
    }

    /// Adds what only the log shall see.
    #[must_use]
    pub fn with_log(mut self, log: impl Into<String>) -> Self {
        self.0.log = Some(log.into());
        self
    }

    /// Sets the causes in the details.
    #[must_use]
    pub fn with_causes(mut self, causes: Vec<Cause>) -> Self {
        self.0.details.get_or_insert_with(Details::default).causes = causes;
        self
    }

    /// Sets the seconds a client is to wait before it asks again.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.details.get_or_insert_with(Details::default).retry_after_seconds = seconds;
        self
    }

    /// Sets the resource (its plural goes where upstream writes `kind`) and name in the details.
    #[must_use]
    pub fn about(mut self, resource: &GroupResource, name: &str) -> Self {
        let details = self.0.details.get_or_insert_with(Details::default);
        name.clone_into(&mut details.name);
        resource.group.as_ref().clone_into(&mut details.group);
        resource.resource.as_ref().clone_into(&mut details.kind);
        self
    }

    /// Sets the uid in the details.
    #[must_use]
    pub fn with_uid(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.0.details.get_or_insert_with(Details::default).uid);
        self
    }

    /// Adds what the client is warned of beside the error.
    #[must_use]
    pub fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.0.warnings.extend(warnings);
        self
    }

    /// Sets a header that goes with the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The headers that go with the answer.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// What the client is warned of beside the error.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// Sets the token in the status's list metadata with which a client may go on.
    #[must_use]
    pub fn with_continue(mut self, token: &str) -> Self {
        token.clone_into(&mut self.0.cont);
        self
    }

    /// Gives another reason. The code stays.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.0.reason = reason;
        self
    }

    /// Gives other words to the client.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Answers with another HTTP code than the reason's.
    #[must_use]
    pub fn with_code(mut self, code: StatusCode) -> Self {
        self.0.code = code;
        self
    }

    /// The HTTP code.
    pub fn code(&self) -> StatusCode {
        self.0.code
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// What the client reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What only the log reads.
    pub fn log(&self) -> Option<&str> {
        self.0.log.as_deref()
    }

    /// Seconds to wait before a retry, 0 for none given.
    pub fn retry_after_seconds(&self) -> u32 {
        self.0.details.as_ref().map_or(0, |d| d.retry_after_seconds)
    }

    /// The `Status` object.
    pub fn to_status(&self) -> Value {
        let mut status = Map::new();
        status.insert("kind".into(), "Status".into());
        status.insert("apiVersion".into(), "v1".into());
        let metadata = if self.0.cont.is_empty() { json!({}) } else { json!({ "continue": self.0.cont }) };
        status.insert("metadata".into(), metadata);
        status.insert("status".into(), "Failure".into());
        put(&mut status, "message", &self.0.message);
        put(&mut status, "reason", self.0.foreign.as_deref().unwrap_or(self.0.reason.as_str()));
        if let Some(details) = &self.0.details {
            status.insert("details".into(), details.to_value());
        }
        status.insert("code".into(), self.0.code.as_u16().into());
        Value::Object(status)
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        f.debug_struct("ApiError")
            .field("code", &inner.code.as_u16())
            .field("reason", &inner.reason)
            .field("message", &inner.message)
            .field("log", &inner.log)
            .finish()
    }
}

impl Details {
    fn read(map: &Map<String, Value>) -> Self {
        let text = |map: &Map<String, Value>, field: &str| {
            map.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let causes = map.get("causes").and_then(Value::as_array).into_iter().flatten();
        let cause = |cause: &Map<String, Value>| Cause {
            reason: text(cause, "reason"),
            message: text(cause, "message"),
            field: text(cause, "field"),
        };
        let seconds = map.get("retryAfterSeconds").and_then(Value::as_u64);
        Self {
            name: text(map, "name"),
            group: text(map, "group"),
            kind: text(map, "kind"),
            uid: text(map, "uid"),
            causes: causes.filter_map(Value::as_object).take(MAX_CAUSES).map(cause).collect(),
            retry_after_seconds: seconds.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or_default(),
        }
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        put(&mut map, "name", &self.name);
        put(&mut map, "group", &self.group);
        put(&mut map, "kind", &self.kind);
        put(&mut map, "uid", &self.uid);
        if !self.causes.is_empty() {
            map.insert("causes".into(), self.causes.iter().map(Cause::to_value).collect());
        }
        if self.retry_after_seconds > 0 {
            map.insert("retryAfterSeconds".into(), self.retry_after_seconds.into());
        }
        Value::Object(map)
    }
}

impl Cause {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        put(&mut map, "reason", &self.reason);
        put(&mut map, "message", &self.message);
        put(&mut map, "field", &self.field);
        Value::Object(map)
    }
}

fn put(map: &mut Map<String, Value>, key: &str, value: &str) {
    if !value.is_empty() {
        map.insert(key.to_owned(), Value::String(value.to_owned()));
    }
}

/// Joins messages as Go's error aggregate does: each once, brackets around more than one.
fn aggregate(errors: &[field::Error]) -> String {
    let mut seen: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    match seen.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
