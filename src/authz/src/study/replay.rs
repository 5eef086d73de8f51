//! What policies would have decided about requests of an audit log.

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
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let decision = event.get("annotations").and_then(|all| all.get(DECISION)).and_then(Value::as_str);
        let Some(decision) = decision.filter(|_| text("/stage") == "ResponseComplete") else { return };
        self.requests = self.requests.saturating_add(1);
        let user = user_of(&event);
        let (path, query) = text("/requestURI").split_once('?').unwrap_or((text("/requestURI"), ""));
        let (labels, fields) = (first(query, "labelSelector"), first(query, "fieldSelector"));
        let asked = if event.get("objectRef").is_some() {
            let resource = Resource {
                group: text("/objectRef/apiGroup"),
                version: text("/objectRef/apiVersion"),
                namespace: text("/objectRef/namespace"),
                resource: text("/objectRef/resource"),
                subresource: text("/objectRef/subresource"),
                name: text("/objectRef/name"),
                label_selector: labels.as_deref().unwrap_or_default(),
                field_selector: fields.as_deref().unwrap_or_default(),
            };
            Attributes::resource(text("/verb"), resource)
        } else {
            Attributes::path(text("/verb"), path)
        };
        let allowed = authorities.chain.decide(&user, &asked).is_allowed();
        if allowed != (decision == "allow") {
            let count = self.flips.entry(Flipped::of(&user, &asked, path, allowed)).or_default();
            *count = count.saturating_add(1);
        }
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
