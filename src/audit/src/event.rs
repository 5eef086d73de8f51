//! An event as plain data, and its `audit.k8s.io/v1` JSON at level Metadata.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, StatusCode, Uri};
use jiff::Timestamp;
use portcullis_api::attributes::query;
use portcullis_api::{Extra, Reason, RequestInfo, UserInfo, time};
use serde::{Serialize, Serializer};

/// The longest user agent and annotation kept, in characters, as upstream's.
const MAX_TEXT: usize = 1024;
/// The longest request URI kept, in characters.
const MAX_URI: usize = 4096;

/// When in the life of a request an event was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Stage {
    /// The request passed authentication and nothing else was done with it.
    RequestReceived,
    /// The head of a stream was sent.
    ResponseStarted,
    /// Nothing more will be sent.
    ResponseComplete,
    /// A bug ended the request.
    Panic,
}

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
    /// The user agent as sent.
    pub user_agent: Option<HeaderValue>,
    /// When it arrived.
    pub received: Timestamp,
}

/// What the gates add.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Who asks, once verified.
    pub user: Option<UserInfo>,
    /// Whom the user acts as.
    pub impersonated: Option<UserInfo>,
    /// The object a write made or changed, where the path does not name it.
    pub object: ObjectRef,
    /// Notes, such as the authorization decision and its reason.
    pub annotations: Vec<(&'static str, String)>,
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
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The HTTP code.
    pub code: StatusCode,
    /// The reason of a refusal. Never its message, which may quote the object.
    pub reason: Option<Reason>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// What was known at arrival.
    pub opening: Arc<Opening>,
    /// What the gates added so far.
    pub story: Story,
    /// The stage.
    pub stage: Stage,
    /// When the stage was reached.
    pub at: Timestamp,
    /// How it ended, from ResponseStarted on.
    pub outcome: Option<Outcome>,
}

impl Event {
    /// The event as one line of JSON, without the line's end.
    pub fn to_json(&self) -> Vec<u8> {
        // Every field is text, a number or a list of them; none of that can fail to serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Opening { info, uri, audit_id, source, user_agent, received } = &*self.opening;
        let annotations = self.story.annotations.iter();
        Line {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: "Metadata",
            audit_id,
            stage: self.stage,
            request_uri: redacted(uri),
            verb: info.verb.as_str(),
            user: self.story.user.as_ref().map(User::of).unwrap_or_default(),
            impersonated_user: self.story.impersonated.as_ref().map(User::of),
            source_ips: source.iter().map(ToString::to_string).collect(),
            user_agent: user_agent.as_ref().map(|agent| bounded_lossy(agent.as_bytes())),
            object_ref: Reference::of(info, &self.story.object),
            response_status: self.outcome.as_ref().map(ResponseStatus::of),
            request_received_timestamp: time::micros(*received),
            stage_timestamp: time::micros(self.at),
            annotations: annotations.map(|(key, value)| (*key, bounded(value, MAX_TEXT))).collect(),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'e> {
    kind: &'static str,
    api_version: &'static str,
    level: &'static str,
    #[serde(rename = "auditID")]
    audit_id: &'e str,
    stage: Stage,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: &'static str,
    user: User<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_user: Option<User<'e>>,
    #[serde(rename = "sourceIPs", skip_serializing_if = "Vec::is_empty")]
    source_ips: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_ref: Option<Reference<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<ResponseStatus>,
    request_received_timestamp: String,
    stage_timestamp: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, &'e str>,
}

#[derive(Serialize, Default)]
struct User<'e> {
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'e str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<&'e Extra>,
}

impl<'e> User<'e> {
    fn of(user: &'e UserInfo) -> Self {
        let extra = Some(&*user.extra).filter(|extra| !extra.is_empty());
        Self {
            username: &user.name,
            uid: &user.uid,
            groups: user.groups.iter().map(|g| &**g).collect(),
            extra,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'e> {
    resource: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_group: &'e str,
    api_version: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    resource_version: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subresource: &'e str,
}

impl<'e> Reference<'e> {
    fn of(info: &'e RequestInfo, object: &'e ObjectRef) -> Option<Self> {
        let target = info.resource()?;
        let name = if target.name.is_empty() { object.name.as_str() } else { &target.name };
        Some(Self {
            resource: &target.resource,
            namespace: &target.namespace,
            name,
            uid: &object.uid,
            api_group: &target.group,
            api_version: &target.version,
            resource_version: &object.resource_version,
            subresource: &target.subresource,
        })
    }
}

#[derive(Serialize)]
struct ResponseStatus {
    metadata: BTreeMap<(), ()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    code: u16,
}

impl ResponseStatus {
    fn of(outcome: &Outcome) -> Self {
        Self {
            metadata: BTreeMap::new(),
            status: outcome.reason.map(|_| "Failure"),
            reason: outcome.reason.map(Reason::as_str).filter(|word| !word.is_empty()),
            code: outcome.code.as_u16(),
        }
    }
}

/// The request target with the value of anything that may be a credential blanked.
fn redacted(uri: &Uri) -> String {
    let path = uri.path();
    let Some(text) = uri.query() else { return bounded(path, MAX_URI).to_owned() };
    let secret = |pair: &&str| {
        let name = query::pairs(pair).next().map_or(String::new(), |(name, _)| name.to_ascii_lowercase());
        ["token", "password", "secret"].iter().any(|word| name.contains(word))
    };
    let mut line = format!("{path}?");
    for (at, pair) in text.split('&').enumerate() {
        if at > 0 {
            line.push('&');
        }
        match pair.split_once('=').filter(|_| secret(&pair)) {
            Some((name, _)) => line.extend([name, "=***"]),
            None => line.push_str(pair),
        }
    }
    bounded(&line, MAX_URI).to_owned()
}

fn bounded(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn bounded_lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(bounded(text, MAX_TEXT)),
        Err(_) => Cow::Owned(bounded(&String::from_utf8_lossy(bytes), MAX_TEXT).to_owned()),
    }
}
