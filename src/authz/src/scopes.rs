//! Scoped user tokens: whoever comes with one may do no more than its scope says, whatever policy grants.
//!
//! The scope travels with the user, by the token's name in an extra attribute. Forging the attribute
//! (through a front proxy, impersonation, a webhook) only takes rights away. Acting as somebody else
//! must be in the scope itself: the `impersonate` verb is asked for like any other.

use std::sync::Arc;

use portcullis_api::UserInfo;
use portcullis_authn::{Scope, TOKEN_EXTRA, UserTokens};

use crate::attributes::{Attributes, Resource, Subject};
use crate::chain::Guard;
use crate::decision::Reason;

/// What clients ask before they know anything; it says nothing about objects.
const DISCOVERY: &[&str] = &[
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/openapi",
    "/openapi/*",
    "/version",
    "/version/",
    "/livez",
    "/readyz",
    "/healthz",
];
/// Questions about oneself.
const SELF_REVIEWS: &[(&str, &str)] = &[
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
];

/// The guard.
#[derive(Clone, Debug)]
pub struct TokenScopes(UserTokens);

impl TokenScopes {
    /// Holds the users of these tokens to their scopes.
    pub fn new(tokens: UserTokens) -> Self {
        Self(tokens)
    }
}

impl Guard for TokenScopes {
    fn name(&self) -> &'static str {
        "TokenScopes"
    }

    fn objection(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Option<Reason> {
        // Nearly nobody has extra attributes of this name: most requests end here.
        let names = user.extra.get(TOKEN_EXTRA)?;
        names.iter().find_map(|name| self.objection_of(name, attributes))
    }

    fn generation(&self) -> u64 {
        self.0.generation()
    }

    fn concerns(&self, user: &UserInfo) -> bool {
        user.extra.contains_key(TOKEN_EXTRA)
    }
}

impl TokenScopes {
    fn objection_of(&self, name: &str, attributes: &Attributes<'_>) -> Option<Reason> {
        let said = |why: &str| Some(Reason::Said(Arc::from(format!("user token \"{name}\" {why}"))));
        let Some(scopes) = self.0.scopes(name) else { return said("is revoked") };
        if scopes.is_empty() || is_common(attributes) || scopes.iter().any(|scope| covers(scope, attributes))
        {
            return None;
        }
        said("is not scoped for this")
    }
}

fn is_common(attributes: &Attributes<'_>) -> bool {
    match &attributes.subject {
        Subject::Path(path) => {
            attributes.verb == "get" && DISCOVERY.iter().any(|known| path_matches(known, path))
        }
        Subject::Resource(resource) => {
            attributes.verb == "create" && SELF_REVIEWS.contains(&(resource.group, resource.resource))
        }
    }
}

fn covers(scope: &Scope, attributes: &Attributes<'_>) -> bool {
    contains(&scope.verbs, attributes.verb)
        && match &attributes.subject {
            Subject::Path(path) => scope.non_resource_urls.iter().any(|known| path_matches(known, path)),
            Subject::Resource(resource) => covers_resource(scope, resource),
        }
}

fn covers_resource(scope: &Scope, resource: &Resource<'_>) -> bool {
    let named = |names: &[String], one: &str| names.is_empty() || names.iter().any(|name| name == one);
    contains(&scope.api_groups, resource.group)
        && scope.resources.iter().any(|known| resource_matches(known, resource))
        && named(&scope.resource_names, resource.name)
        && named(&scope.namespaces, resource.namespace)
}

/// `pods` is pods alone, `pods/log` their log, `*/log` every log, `*` everything.
fn resource_matches(known: &str, resource: &Resource<'_>) -> bool {
    match known.split_once('/') {
        None if known == "*" => true,
        None => known == resource.resource && resource.subresource.is_empty(),
        Some((main, sub)) => (main == "*" || main == resource.resource) && sub == resource.subresource,
    }
}

fn path_matches(known: &str, path: &str) -> bool {
    match known.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => known == path,
    }
}

fn contains(list: &[String], one: &str) -> bool {
    list.iter().any(|known| known == "*" || known == one)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portcullis_api::Object;
    use serde_json::{Value, json};

    use super::*;

    fn guard(scopes: Value) -> TokenScopes {
        let tokens = UserTokens::new(&[1; 32]).unwrap();
        let token = json!({
            "metadata": {"name": "t"}, "spec": {"user": "jane", "scopes": scopes},
            "status": {"digest": "d", "expirationTimestamp": "2100-01-01T00:00:00Z"},
        });
        tokens.upsert(&Object::new(token.as_object().unwrap().clone()));
        TokenScopes::new(tokens)
    }

    fn user(token: &str) -> UserInfo {
        let extra = BTreeMap::from([(TOKEN_EXTRA.to_owned(), vec![token.to_owned()])]);
        UserInfo { extra: Arc::new(extra), ..UserInfo::new("jane", ["dev"]) }
    }

    fn pods<'a>(namespace: &'a str, subresource: &'a str) -> Resource<'a> {
        Resource { namespace, resource: "pods", subresource, ..Resource::default() }
    }

    #[track_caller]
    fn check(guard: &TokenScopes, verb: &str, resource: Resource<'_>, fine: bool) {
        let objection = guard.objection(&user("t"), &Attributes::resource(verb, resource));
        assert_eq!(objection.is_none(), fine, "{verb} {resource:?}: {objection:?}");
    }

    #[test]
    fn a_scope_is_all_a_token_is_for() {
        let scope = json!([{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["a"]}]);
        let guard = guard(scope);
        check(&guard, "get", pods("a", ""), true);
        check(&guard, "get", pods("b", ""), false);
        check(&guard, "list", pods("", ""), false);
        check(&guard, "delete", pods("a", ""), false);
        check(&guard, "get", pods("a", "log"), false);
        check(
            &guard,
            "impersonate",
            Resource { resource: "users", name: "root", ..Resource::default() },
            false,
        );
        let own = Resource {
            group: "authorization.k8s.io",
            resource: "selfsubjectaccessreviews",
            ..Resource::default()
        };
        check(&guard, "create", own, true);
        for (path, fine) in [("/api", true), ("/apis/apps", true), ("/metrics", false), ("/apix", false)] {
            let objection = guard.objection(&user("t"), &Attributes::path("get", path));
            assert_eq!(objection.is_none(), fine, "{path}");
        }
    }

    #[test]
    fn stars_and_subresources() {
        let guard = guard(json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*/log"]}]));
        check(&guard, "get", pods("a", "log"), true);
        check(&guard, "get", pods("a", ""), false);
    }

    #[test]
    fn without_a_scope_policy_alone_decides() {
        let guard = guard(json!([]));
        check(&guard, "delete", pods("a", ""), true);
        let nobody = UserInfo::new("jane", ["dev"]);
        assert!(guard.objection(&nobody, &Attributes::path("get", "/metrics")).is_none());
    }

    #[test]
    fn a_revoked_token_is_good_for_nothing() {
        let guard = guard(json!([]));
        let attributes = Attributes::resource("get", pods("a", ""));
        assert!(guard.objection(&user("gone"), &attributes).is_some());
    }
}
