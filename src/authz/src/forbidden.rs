//! How a refusal is told.

use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, GroupResource, Reason, UserInfo};

use crate::attributes::{Attributes, Resource, Subject};
use crate::decision::Receipt;

/// The 403 of an action that was not allowed; `why` may be empty.
pub fn forbidden(user: &UserInfo, attributes: &Attributes<'_>, why: &str) -> ApiError {
    let mut words = without_markup(&refusal(user, attributes));
    if !why.is_empty() {
        words.push_str(": ");
        words.push_str(why);
    }
    match &attributes.subject {
        Subject::Path(_) => nameless(&words),
        Subject::Resource(resource) if resource.resource.is_empty() => nameless(&words),
        Subject::Resource(resource) => {
            ApiError::forbidden(&GroupResource::new(resource.group, resource.resource), resource.name, &words)
        }
    }
}

/// The answer to a decision that did not allow: 403, or 500 where authorizers failed to decide.
pub(crate) fn refused(user: &UserInfo, attributes: &Attributes<'_>, receipt: &Receipt) -> ApiError {
    let grounds = receipt.decision().grounds();
    if grounds.errors.is_empty() {
        forbidden(user, attributes, &grounds.reason())
    } else {
        ApiError::internal(format!("authorizers failed: {}", grounds.error()))
    }
}

fn nameless(words: &str) -> ApiError {
    ApiError::new(Reason::Forbidden, format!("forbidden: {words}")).with_causes(Vec::new())
}

fn refusal(user: &UserInfo, attributes: &Attributes<'_>) -> String {
    let (user, verb) = (go_quote(&user.name), attributes.verb);
    match &attributes.subject {
        Subject::Path(path) => format!("User {user} cannot {verb} path {}", go_quote(path)),
        Subject::Resource(resource) => {
            let group = go_quote(resource.group);
            let (what, scope) = (go_quote(&combined(resource)), scope(resource.namespace));
            format!("User {user} cannot {verb} resource {what} in API group {group} {scope}")
        }
    }
}

fn combined(resource: &Resource<'_>) -> String {
    if resource.subresource.is_empty() {
        resource.resource.to_owned()
    } else {
        format!("{}/{}", resource.resource, resource.subresource)
    }
}

fn scope(namespace: &str) -> String {
    if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {}", go_quote(namespace))
    }
}

/// A refusal repeats what the client sent; it must not look like a web page.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(attributes: &Attributes<'_>, why: &str) -> String {
        forbidden(&UserInfo::new("u", [""; 0]), attributes, why).message().to_owned()
    }

    #[test]
    fn refusals_are_worded_as_upstream() {
        let pod = Resource { resource: "pods", namespace: "n", name: "x", ..Resource::default() };
        assert_eq!(
            told(&Attributes::resource("get", Resource { subresource: "status", ..pod }), ""),
            r#"pods "x" is forbidden: User "u" cannot get resource "pods/status" in API group "" in the namespace "n""#
        );
        let list = Resource { group: "apps", resource: "deployments", ..Resource::default() };
        assert_eq!(
            told(&Attributes::resource("list", list), "RBAC: y"),
            r#"deployments.apps is forbidden: User "u" cannot list resource "deployments" in API group "apps" at the cluster scope: RBAC: y"#
        );
        let path = told(&Attributes::path("get", "/<api>&"), "");
        assert_eq!(path, r#"forbidden: User "u" cannot get path "/&lt;api&gt;&amp;""#);
    }

    #[test]
    fn a_refused_path_has_empty_details() {
        let status = forbidden(&UserInfo::default(), &Attributes::path("get", "/x"), "").to_status();
        assert_eq!(status.get("details"), Some(&serde_json::json!({})));
    }
}
