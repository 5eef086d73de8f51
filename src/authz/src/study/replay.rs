//! What policies would have decided about requests of an audit log.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_api::attributes::query::first;
use portcullis_api::{UserInfo, Value};

use crate::attributes::{Attributes, Resource};
use crate::authorities::Authorities;

const DECISION: &str = "authorization.k8s.io/decision";

/// Requests that would end otherwise, counted together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Flipped {
    /// Who asked.
    pub user: String,
    /// The verb.
    pub verb: String,
    /// The resource with group and subresource, or the path.
    pub what: String,
    /// The namespace.
    pub namespace: String,
    /// Whether it would be allowed.
    pub would_allow: bool,
}

/// What came of a log.
#[derive(Default, Debug)]
pub struct Replay {
    /// Requests whose outcome would change, with how many there were.
    pub flips: BTreeMap<Flipped, u64>,
    /// Decided requests.
    pub requests: u64,
    /// Lines that are no events.
    pub unread: u64,
}

impl Replay {
    /// Weighs an event of the log, a line of JSON. Only completed requests count, each once.
    pub fn weigh(&mut self, authorities: &Authorities, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            self.unread = self.unread.saturating_add(1);
            return;
        };
        let Some(request) = Request::of(&event) else { return };
        self.requests = self.requests.saturating_add(1);
        let allowed = authorities.chain.decide(&request.user, &request.asked()).is_allowed();
        if allowed != request.allowed {
            let flip = Flipped::of(&request.user, &request.asked(), request.path, allowed);
            let count = self.flips.entry(flip).or_default();
            *count = count.saturating_add(1);
        }
    }
}

/// A decided request of an audit log.
pub(super) struct Request<'e> {
    /// Whose rights counted.
    pub(super) user: UserInfo,
    pub(super) allowed: bool,
    event: &'e Value,
    path: &'e str,
    labels: Cow<'e, str>,
    fields: Cow<'e, str>,
}

impl<'e> Request<'e> {
    /// The request of an event, if it is the last one of a request that was decided.
    pub(super) fn of(event: &'e Value) -> Option<Self> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let decision = event.get("annotations")?.get(DECISION)?.as_str()?;
        if text("/stage") != "ResponseComplete" {
            return None;
        }
        let (path, query) = text("/requestURI").split_once('?').unwrap_or((text("/requestURI"), ""));
        let (user, allowed) = (user_of(event), decision == "allow");
        let selector = |name: &str| first(query, name).unwrap_or_default();
        let (labels, fields) = (selector("labelSelector"), selector("fieldSelector"));
        Some(Self { user, allowed, event, path, labels, fields })
    }

    /// What was asked.
    pub(super) fn asked(&self) -> Attributes<'_> {
        let text = |pointer: &str| self.event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if self.event.get("objectRef").is_none() {
            return Attributes::path(text("/verb"), self.path);
        }
        let resource = Resource {
            group: text("/objectRef/apiGroup"),
            version: text("/objectRef/apiVersion"),
            namespace: text("/objectRef/namespace"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            name: text("/objectRef/name"),
            label_selector: &self.labels,
            field_selector: &self.fields,
        };
        Attributes::resource(text("/verb"), resource)
    }
}

impl Flipped {
    fn of(user: &UserInfo, asked: &Attributes<'_>, path: &str, would_allow: bool) -> Self {
        let what = match &asked.subject {
            crate::attributes::Subject::Path(_) => path.to_owned(),
            crate::attributes::Subject::Resource(resource) => {
                let parts = [resource.resource, resource.subresource].map(str::to_owned);
                let whole = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
                if resource.group.is_empty() { whole } else { format!("{whole}.{}", resource.group) }
            }
        };
        Self {
            user: user.name.to_string(),
            verb: asked.verb.to_owned(),
            what,
            namespace: asked.namespace().to_owned(),
            would_allow,
        }
    }
}

/// Whose rights counted: the impersonated user's, if there is one.
fn user_of(event: &Value) -> UserInfo {
    let user = event.get("impersonatedUser").or_else(|| event.get("user")).unwrap_or(&Value::Null);
    let groups = user.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    UserInfo::new(user.get("username").and_then(Value::as_str).unwrap_or_default(), groups)
}
