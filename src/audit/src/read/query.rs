//! Which events somebody asks for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_api::time;
use serde::Deserialize;

use crate::slot::{NOT_IMPERSONATED, WROTE};

/// An event as far as queries look at it.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Seen<'l> {
    /// The request's id.
    #[serde(rename = "auditID", borrow)]
    pub audit_id: Cow<'l, str>,
    /// The stage.
    #[serde(borrow, default)]
    pub stage: Cow<'l, str>,
    /// The verb.
    #[serde(borrow, default)]
    pub verb: Cow<'l, str>,
    /// The target as sent.
    #[serde(rename = "requestURI", borrow, default)]
    pub request_uri: Cow<'l, str>,
    /// Who asked.
    #[serde(borrow, default)]
    pub user: Person<'l>,
    /// As whom.
    #[serde(borrow, default)]
    pub impersonated_user: Option<Person<'l>>,
    /// Of what.
    #[serde(borrow, default)]
    pub object_ref: Option<Reference<'l>>,
    /// How it ended.
    #[serde(default)]
    pub response_status: Option<Status>,
    /// When it reached its stage.
    #[serde(borrow, default)]
    pub stage_timestamp: Cow<'l, str>,
    /// What the gates noted.
    #[serde(borrow, default)]
    pub annotations: BTreeMap<Cow<'l, str>, Cow<'l, str>>,
}

/// A user of an event.
#[derive(Deserialize, Debug, Default)]
pub struct Person<'l> {
    /// The name.
    #[serde(borrow, default)]
    pub username: Cow<'l, str>,
    /// The groups.
    #[serde(borrow, default)]
    pub groups: Vec<Cow<'l, str>>,
}

/// The object of an event.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Reference<'l> {
    /// The plural.
    #[serde(borrow, default)]
    pub resource: Cow<'l, str>,
    /// The subresource.
    #[serde(borrow, default)]
    pub subresource: Cow<'l, str>,
    /// The group.
    #[serde(borrow, default)]
    pub api_group: Cow<'l, str>,
    /// The namespace.
    #[serde(borrow, default)]
    pub namespace: Cow<'l, str>,
    /// The name.
    #[serde(borrow, default)]
    pub name: Cow<'l, str>,
}

/// The answer of an event.
#[derive(Deserialize, Debug, Default)]
pub struct Status {
    /// The HTTP code.
    #[serde(default)]
    pub code: u16,
}

impl<'l> Seen<'l> {
    /// Reads a line.
    pub fn parse(line: &'l [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The object's name as the request gave it, and as the server did.
    fn names(&self) -> impl Iterator<Item = &str> {
        let given = self.object_ref.as_ref().map(|target| &*target.name);
        let made = self.annotations.get(WROTE).and_then(|object| object.strip_prefix("name="));
        given.into_iter().chain(made.and_then(|rest| rest.split(' ').next()))
    }

    /// What authorization decided, if it was asked.
    pub fn decision(&self) -> Option<&str> {
        self.annotations.get("authorization.k8s.io/decision").map(|decision| &**decision)
    }
}

/// What is asked for; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The user's name, own or impersonated, or whom somebody was refused to act as.
    pub user: Option<String>,
    /// A group of the user's.
    pub group: Option<String>,
    /// The verb.
    pub verb: Option<String>,
    /// The resource: `pods`, `pods/log`, `deployments.apps`.
    pub resource: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// What authorization decided: `allow` or `forbid`.
    pub decision: Option<String>,
    /// The HTTP code.
    pub code: Option<u16>,
    /// The request's id.
    pub audit_id: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

impl Query {
    /// Whether an event is asked for.
    pub fn wants(&self, event: &Seen<'_>) -> bool {
        let target = event.object_ref.as_ref();
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        self.wants_user(event)
            && self.wants_time(event)
            && is(&self.verb, Some(&event.verb))
            && is(&self.namespace, target.map(|target| &*target.namespace))
            && self.name.as_deref().is_none_or(|wanted| event.names().any(|name| name == wanted))
            && is(&self.decision, event.decision())
            && is(&self.audit_id, Some(&event.audit_id))
            && self.code.is_none_or(|code| event.response_status.as_ref().is_some_and(|s| s.code == code))
            && self.resource.as_deref().is_none_or(|wanted| target.is_some_and(|target| target.is(wanted)))
    }

    fn wants_user(&self, event: &Seen<'_>) -> bool {
        let mut people = std::iter::once(&event.user).chain(&event.impersonated_user);
        let tried = event.annotations.get(NOT_IMPERSONATED).map(|name| &**name);
        (self.group.is_none() && self.user.is_some() && self.user.as_deref() == tried)
            || people.any(|person| {
                self.user.as_deref().is_none_or(|user| user == person.username)
                    && self.group.as_deref().is_none_or(|group| person.groups.iter().any(|g| g == group))
            })
    }

    fn wants_time(&self, event: &Seen<'_>) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Some(at) = time::parse(&event.stage_timestamp) else { return false };
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
    }
}

impl Reference<'_> {
    fn is(&self, wanted: &str) -> bool {
        let (wanted, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
        let (resource, group) = match wanted.split_once('.') {
            Some((resource, group)) => (resource, Some(group)),
            None => (wanted, None),
        };
        resource == self.resource
            && subresource == self.subresource
            && group.is_none_or(|group| group == self.api_group)
    }
}
