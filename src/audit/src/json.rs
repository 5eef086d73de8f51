//! An event's `audit.k8s.io/v1` JSON: upstream's fields in upstream's order.
//!
//! Text is escaped as Go does (`<`, `>`, `&`, U+2028, U+2029), and control characters beyond ASCII and
//! those that turn the direction of text too: whatever a client sends, a line stays one line, in a
//! terminal as well.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use http::Uri;
use portcullis_api::attributes::query;
use portcullis_api::{Extra, RequestInfo, UserInfo, Value, time};
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::event::{Event, ObjectRef, Outcome};
use crate::level::{Level, Stage};
use crate::stored::{Person, Stored, StoredObject};

/// The longest user agent and annotation kept, in bytes, as upstream's user agent.
const MAX_TEXT: usize = 1024;
/// The longest request URI kept, in bytes.
const MAX_URI: usize = 4096;
/// The longest list of names kept, in bytes.
const MAX_NAMES: usize = 64 << 10;
/// The annotation that lists which objects a delete of many removed.
pub(crate) const DELETED: &str = "portcullis.io/deleted";
/// What follows a user agent that was cut, as upstream.
const CUT: &str = "...TRUNCATED";

/// Appends an event without a line's end.
pub(crate) fn write(event: &Event, line: &mut Vec<u8>) {
    append(&Line::of(event), line);
}

/// Appends the event that a record speaks of.
pub(crate) fn write_stored(stored: &Stored<'_>, line: &mut Vec<u8>) {
    append(&Line::of_stored(stored), line);
}

fn append(event: &Line<'_>, line: &mut Vec<u8>) {
    let start = line.len();
    let mut serializer = serde_json::Serializer::with_formatter(&mut *line, Plain);
    if event.serialize(&mut serializer).is_err() {
        // Every field is text, a number or a tree of them, and memory takes all bytes: not reached.
        line.truncate(start);
        line.extend_from_slice(b"{}");
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'e> {
    kind: &'static str,
    api_version: &'static str,
    level: Level,
    #[serde(rename = "auditID")]
    audit_id: &'e str,
    stage: Stage,
    #[serde(rename = "requestURI")]
    request_uri: Cow<'e, str>,
    verb: &'e str,
    user: User<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_user: Option<User<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_metadata: Option<Authentication<'e>>,
    #[serde(rename = "sourceIPs", skip_serializing_if = "Vec::is_empty")]
    source_ips: Vec<std::net::IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_ref: Option<Reference<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<ResponseStatus<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_object: Option<&'e Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_object: Option<&'e Value>,
    request_received_timestamp: String,
    stage_timestamp: String,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    annotations: Vec<(&'e str, &'e str)>,
}

impl<'e> Line<'e> {
    fn of(event: &'e Event) -> Self {
        let (opening, story) = (&*event.opening, &event.story);
        let annotations = story.annotations.iter();
        let annotations = annotations.map(|(key, value)| (&**key, shown_note(key, value))).collect();
        Self {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: event.level,
            audit_id: &opening.audit_id,
            stage: event.stage,
            request_uri: shown_uri(&opening.uri),
            verb: opening.info.verb.as_str(),
            user: story.user.as_ref().map(User::of).unwrap_or_default(),
            impersonated_user: story.impersonated.as_ref().map(User::of),
            authentication_metadata: Authentication::of(&story.constraint),
            source_ips: opening.source_ips().collect(),
            user_agent: opening.user_agent.as_ref().map(|agent| shown_agent(agent.as_bytes())),
            object_ref: Reference::of(&opening.info, &story.object),
            response_status: event.outcome.as_ref().map(ResponseStatus::of),
            request_object: story.request.as_deref(),
            response_object: story.response.as_deref(),
            request_received_timestamp: time::micros(opening.received),
            stage_timestamp: time::micros(event.at),
            annotations: sorted(annotations),
        }
    }

    fn of_stored(stored: &'e Stored<'e>) -> Self {
        Self {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: stored.level,
            audit_id: stored.audit_id,
            stage: Stage::ResponseComplete,
            request_uri: Cow::Borrowed(stored.uri),
            verb: stored.verb,
            user: stored.user.as_ref().map(User::of_stored).unwrap_or_default(),
            impersonated_user: stored.impersonated.as_ref().map(User::of_stored),
            authentication_metadata: Authentication::of(stored.constraint),
            source_ips: stored.source_ips.clone(),
            user_agent: stored.agent.map(Cow::Borrowed),
            object_ref: stored.object.as_ref().map(Reference::of_stored),
            response_status: Some(ResponseStatus { code: stored.code, ..ResponseStatus::default() }),
            request_object: None,
            response_object: None,
            request_received_timestamp: time::micros(stored.received),
            stage_timestamp: time::micros(stored.at),
            annotations: sorted(stored.annotations.clone()),
        }
    }
}

fn sorted<'e>(mut annotations: Vec<(&'e str, &'e str)>) -> Vec<(&'e str, &'e str)> {
    annotations.sort_unstable_by_key(|(key, _)| *key);
    annotations
}

fn as_map<S: Serializer>(pairs: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
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
            groups: user.groups.iter().map(|group| &**group).collect(),
            extra,
        }
    }

    fn of_stored(user: &'e Person<'e>) -> Self {
        let extra = Some(&user.extra).filter(|extra| !extra.is_empty());
        Self { username: user.name, uid: user.uid, groups: user.groups.clone(), extra }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Authentication<'e> {
    impersonation_constraint: &'e str,
}

impl<'e> Authentication<'e> {
    fn of(constraint: &'e str) -> Option<Self> {
        (!constraint.is_empty()).then_some(Self { impersonation_constraint: constraint })
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

    fn of_stored(object: &'e StoredObject<'e>) -> Self {
        Self {
            resource: object.resource,
            namespace: object.namespace,
            name: object.name,
            uid: object.uid,
            api_group: object.group,
            api_version: object.version,
            resource_version: "",
            subresource: object.subresource,
        }
    }
}

#[derive(Serialize, Default)]
struct ResponseStatus<'e> {
    metadata: BTreeMap<(), ()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'e Value>,
    code: u16,
}

impl<'e> ResponseStatus<'e> {
    fn of(outcome: &'e Outcome) -> Self {
        let said = |key: &str| outcome.status.as_ref().and_then(|status| status.get(key));
        let text = |key: &str| said(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        Self {
            metadata: BTreeMap::new(),
            status: text("status"),
            message: text("message"),
            reason: text("reason"),
            details: said("details"),
            code: outcome.code.as_u16(),
        }
    }
}

/// The request target with the value of anything that may be a credential blanked.
pub(crate) fn shown_uri(uri: &Uri) -> Cow<'_, str> {
    let path = uri.path();
    let Some(text) = uri.query() else { return Cow::Borrowed(bounded(path, MAX_URI)) };
    let mut line = String::with_capacity(path.len() + text.len() + 1);
    line.extend([path, "?"]);
    for (at, pair) in text.split('&').enumerate() {
        if at > 0 {
            line.push('&');
        }
        match pair.split_once('=').filter(|_| is_secret(pair)) {
            Some((name, _)) => line.extend([name, "=***"]),
            None => line.push_str(pair),
        }
    }
    line.truncate(bounded(&line, MAX_URI).len());
    Cow::Owned(line)
}

fn is_secret(pair: &str) -> bool {
    query::pairs(pair).next().is_some_and(|(name, _)| crate::mask::names_a_secret(&name))
}

/// An annotation's value, cut to its length.
pub(crate) fn shown_note<'v>(key: &str, value: &'v str) -> &'v str {
    bounded(value, if key == DELETED { MAX_NAMES } else { MAX_TEXT })
}

/// At most so many bytes, cut between characters.
fn bounded(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    // A character has at most four bytes.
    (0..4).find_map(|back| text.get(..bytes.checked_sub(back)?)).unwrap_or_default()
}

pub(crate) fn shown_agent(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    match bounded(&text, MAX_TEXT) {
        cut if cut.len() < text.len() => Cow::Owned(format!("{cut}{CUT}")),
        _ => text,
    }
}

/// Compact JSON whose texts hold nothing that a terminal or a line reader could obey.
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| needs_escape(*c)) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.get(c.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

fn needs_escape(c: char) -> bool {
    match c {
        '<' | '>' | '&' | '\u{7f}' => true,
        c if c.is_ascii() => false,
        // Line and paragraph separators, marks and overrides of direction, the byte order mark.
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        c => c.is_control(),
    }
}
