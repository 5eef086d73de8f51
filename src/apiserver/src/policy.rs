//! What those may read who review access: how policies fare, a decision explained, who may do something.
//!
//! These are paths, not resources: reading them is a matter of policy as for any path, and nobody but
//! `system:masters` may until a role says so.

use http::{Response, StatusCode};
use metrics::gauge;
use portcullis_api::attributes::query::{first, pairs};
use portcullis_api::{ApiError, Body, Reason, UserInfo};
use portcullis_authz::attributes::Resource;
use portcullis_authz::{Attributes, Authorities, Authorizer as _, Shadow};
use serde_json::Value;

use crate::respond;

/// Below here.
const ROOT: &str = "/portcullis/policy";

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question<'p> {
    /// How the chain and its files fare.
    Report,
    /// The policy files that decide.
    Sources,
    /// How often everything was used that allows something.
    Uses,
    /// What the user of the query may do.
    Can,
    /// Who may do what the query says.
    WhoCan,
    /// Why a decision was made.
    Explain(&'p str),
}

impl<'p> Question<'p> {
    /// The question of a path.
    pub(crate) fn parse(path: &'p str) -> Option<Self> {
        match path.strip_prefix(ROOT)? {
            "" => Some(Self::Report),
            "/sources" => Some(Self::Sources),
            "/uses" => Some(Self::Uses),
            "/can" => Some(Self::Can),
            "/who-can" => Some(Self::WhoCan),
            rest => rest.strip_prefix("/decisions/").filter(|id| !id.contains('/')).map(Self::Explain),
        }
    }

    /// The answer.
    pub(crate) async fn answer(
        self,
        authorities: &Authorities,
        query: &str,
    ) -> Result<Response<Body>, ApiError> {
        let told = match self {
            Self::Report => authorities.report(),
            Self::Sources => authorities.sources(),
            Self::Uses => authorities.uses(),
            Self::Can => can(authorities, query)?,
            Self::WhoCan => who_can(authorities, query)?,
            Self::Explain(id) => authorities.explain(id).await.ok_or_else(not_kept)?,
        };
        Ok(respond::json(told.to_string()))
    }
}

fn not_kept() -> ApiError {
    ApiError::new(Reason::NotFound, "no such decision is kept: it is too long ago, or of another process")
        .with_code(StatusCode::NOT_FOUND)
}

fn can(authorities: &Authorities, query: &str) -> Result<Value, ApiError> {
    let field = |name: &str| first(query, name).map(|text| text.to_string()).unwrap_or_default();
    if field("user").is_empty() {
        return Err(ApiError::bad_request("user is needed"));
    }
    let groups: Vec<String> =
        pairs(query).filter(|(name, _)| name == "group").map(|(_, group)| group.to_string()).collect();
    Ok(authorities.can(&UserInfo::new(&field("user"), groups), &field("namespace")))
}

fn who_can(authorities: &Authorities, query: &str) -> Result<Value, ApiError> {
    let field = |name: &str| first(query, name).map(|text| text.to_string()).unwrap_or_default();
    let (verb, path, resource) = (field("verb"), field("path"), field("resource"));
    if verb.is_empty() || path.is_empty() == resource.is_empty() {
        return Err(ApiError::bad_request("verb and either resource or path are needed"));
    }
    if !path.is_empty() {
        return Ok(authorities.who_can(&Attributes::path(&verb, &path)));
    }
    let (base, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
    let (group, namespace, name) = (field("group"), field("namespace"), field("name"));
    let (labels, fields) = (field("labelSelector"), field("fieldSelector"));
    let asked = Resource {
        group: &group,
        version: "*",
        namespace: &namespace,
        resource: base,
        subresource,
        name: &name,
        label_selector: &labels,
        field_selector: &fields,
    };
    Ok(authorities.who_can(&Attributes::resource(&verb, asked)))
}

/// Brings the gauges of policy files up to date.
pub(crate) fn measure(authorities: &Authorities) {
    let number = |count: u64| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    for files in &authorities.files {
        let (set, status) = (files.name(), files.status());
        gauge!("portcullis_policy_rules", "set" => set)
            .set(number(u64::try_from(status.rules).unwrap_or(u64::MAX)));
        gauge!("portcullis_policy_loads", "set" => set).set(number(status.loads));
        gauge!("portcullis_policy_load_failures", "set" => set).set(number(status.failures));
        gauge!("portcullis_policy_stale", "set" => set).set(if status.error.is_some() { 1.0 } else { 0.0 });
    }
    let shadow = authorities.chain.shadowing().map(Shadow::counts);
    if let Some((refuse, allow)) = shadow {
        gauge!("portcullis_policy_shadow_flips", "would" => "refuse").set(number(refuse));
        gauge!("portcullis_policy_shadow_flips", "would" => "allow").set(number(allow));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_paths() {
        let table = [
            ("/portcullis/policy", Some(Question::Report)),
            ("/portcullis/policy/uses", Some(Question::Uses)),
            ("/portcullis/policy/decisions/a-1", Some(Question::Explain("a-1"))),
            ("/portcullis/policy/decisions/a/1", None),
            ("/portcullis/policyx", None),
            ("/portcullis", None),
        ];
        for (path, want) in table {
            assert_eq!(Question::parse(path), want, "{path}");
        }
    }

    #[test]
    fn who_can_needs_to_know_what() {
        let authorities = Authorities::built_in();
        assert!(who_can(&authorities, "verb=get").is_err());
        assert!(who_can(&authorities, "verb=get&resource=pods&path=/x").is_err());
        let told = who_can(&authorities, "verb=get&resource=pods%2Flog&namespace=n").unwrap();
        assert_eq!(told["subjects"][0]["name"], "system:masters");
    }
}
