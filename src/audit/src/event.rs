//! An event as plain data. `json` writes it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use jiff::Timestamp;
use portcullis_api::{ApiError, RequestInfo, UserInfo, Value};

use crate::level::{Level, Stage};
use crate::note::Note;
use crate::outbox::Ticket;

/// How many addresses a client may claim to be forwarded from.
const MAX_FORWARDED: usize = 16;

/// What is known when a request arrives.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What is asked.
    pub info: Arc<RequestInfo>,
    /// The request target as sent.
    pub uri: Uri,
    /// The id in the `Audit-Id` header of the answer.
    pub audit_id: Arc<str>,
    /// The address of the connection's other end; none in process.
    pub source: Option<IpAddr>,
    /// The addresses that the request claims to be forwarded from, as [`forwarded`] reads them.
    pub forwarded: Vec<IpAddr>,
    /// The user agent as sent.
    pub user_agent: Option<HeaderValue>,
    /// When it arrived.
    pub received: Timestamp,
}

impl Opening {
    /// All addresses, as upstream lists them: claims first, the connection's own last.
    pub(crate) fn source_ips(&self) -> impl Iterator<Item = IpAddr> {
        let own = self.source.filter(|own| self.forwarded.last() != Some(own));
        self.forwarded.iter().copied().chain(own)
    }
}

/// The addresses in `X-Forwarded-For` and `X-Real-Ip`, which anybody can claim.
pub fn forwarded(headers: &HeaderMap) -> Vec<IpAddr> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut claimed: Vec<IpAddr> = Vec::new();
    if let Some(list) = text("x-forwarded-for") {
        claimed.extend(
            list.split(',').filter_map(|part| part.trim().parse::<IpAddr>().ok()).take(MAX_FORWARDED),
        );
    }
    if let Some(address) = text("x-real-ip").and_then(|part| part.parse().ok())
        && !claimed.contains(&address)
    {
        claimed.push(address);
    }
    claimed
}

/// What the gates add.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Who asks, once verified.
    pub user: Option<UserInfo>,
    /// Whom the user acts as.
    pub impersonated: Option<UserInfo>,
    /// Under which verb of constrained impersonation; empty for the plain kind.
    pub constraint: String,
    /// The `Status` of success that the client is told instead of an object.
    pub status: Option<Value>,
    /// What the body of a write said of its object; its name counts where the path does not tell it.
    pub object: ObjectRef,
    /// The request's body, masked.
    pub request: Option<Arc<Value>>,
    /// Whether the object in question wants something of it masked.
    pub masks: bool,
    /// The response's body, masked.
    pub response: Option<Arc<Value>>,
    /// Notes, such as the authorization decision and its reason.
    pub annotations: Vec<(Cow<'static, str>, Note)>,
}

impl Story {
    /// What was noted under a key.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.iter().find(|(noted, _)| noted == key).map(|(_, value)| &**value)
    }

    pub(crate) fn annotate(&mut self, key: Cow<'static, str>, value: Note) {
        match self.annotations.iter_mut().find(|(noted, _)| *noted == key) {
            Some((_, noted)) => *noted = value,
            None => self.annotations.push((key, value)),
        }
    }
}

/// The parts of an object's identity that a path does not hold. Empty text means unknown.
#[derive(Clone, Debug, Default)]
pub struct ObjectRef {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The HTTP code.
    pub code: StatusCode,
    /// The `Status` the client was told, if it was told one.
    pub status: Option<Value>,
}

impl Outcome {
    /// An answer that is no refusal.
    pub fn answered(code: StatusCode) -> Self {
        Self { code, status: None }
    }

    /// A refusal. Words that may quote the body stay out unless the body itself is recorded, as it is.
    pub(crate) fn refused(error: &ApiError, story: &Story, level: Level) -> Self {
        let mut status = error.to_status();
        if (level < Level::Request || story.masks)
            && crate::mask::may_quote(error.reason(), story)
            && let Some(map) = status.as_object_mut()
        {
            map.remove("message");
            if let Some(details) = map.get_mut("details").and_then(Value::as_object_mut) {
                details.remove("causes");
            }
        }
        Self { code: error.code(), status: Some(status) }
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// What was known at arrival.
    pub opening: Arc<Opening>,
    /// What the gates added so far.
    pub story: Story,
    /// How much is recorded.
    pub level: Level,
    /// The stage.
    pub stage: Stage,
    /// When the stage was reached.
    pub at: Timestamp,
    /// How it ended, from ResponseStarted on.
    pub outcome: Option<Outcome>,
    /// What waits in the store's outbox until this event is on record.
    pub ticket: Option<Arc<Ticket>>,
}

impl Event {
    /// The event as one line of JSON, without the line's end.
    pub fn to_json(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(1024);
        crate::json::write(self, &mut line);
        line
    }
}
