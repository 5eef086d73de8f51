//! From a path that is no resource to what answers for it.

use http::Response;
use portcullis_api::Body;
use serde_json::json;

use crate::discovery::{Discovery, Document};
use crate::health::Endpoint;
use crate::policy::Question;
use crate::respond;

/// A path that the bootstrap policy opens to everybody, and why. Even these pass every gate: closing
/// one is a matter of policy, not of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public {
    /// The path; one that ends in `*` stands for all that begin so.
    pub path: &'static str,
    /// Why everybody may ask.
    pub because: &'static str,
}

/// All of them.
pub const PUBLIC: [Public; 7] = [
    Public { path: "/livez", because: "load balancers and kubelets probe without credentials" },
    Public { path: "/livez/*", because: "a probe may ask for one check" },
    Public { path: "/readyz", because: "load balancers probe without credentials" },
    Public { path: "/readyz/*", because: "a probe may ask for one check" },
    Public { path: "/healthz", because: "older probes use this name" },
    Public { path: "/healthz/*", because: "a probe may ask for one check" },
    Public { path: "/version", because: "clients choose what they speak before they have credentials" },
];

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Health(Endpoint),
    HealthCheck(Endpoint, &'p str),
    Version,
    Metrics,
    Policy(Question<'p>),
    Posture,
    OidcConfiguration,
    Jwks,
    OpenApi,
    Discovery(Document<'p>),
    /// `/`
    Index,
    /// Something below a group's or version's path that no resource path has.
    BelowGroup(&'p str),
    Nothing,
}

/// Looks a path up.
pub(super) fn route(path: &str) -> Route<'_> {
    match path {
        "/" => return Route::Index,
        "/version" | "/version/" => return Route::Version,
        "/metrics" => return Route::Metrics,
        "/portcullis/posture" => return Route::Posture,
        "/.well-known/openid-configuration" => return Route::OidcConfiguration,
        "/openid/v1/jwks" | "/openid/v1/jwks/" => return Route::Jwks,
        _ => {}
    }
    if let Some(question) = Question::parse(path) {
        return Route::Policy(question);
    }
    let trimmed = path.strip_prefix('/').unwrap_or(path);
    if let Some(health) = health(trimmed) {
        return health;
    }
    let segments: Vec<&str> = trimmed.strip_suffix('/').unwrap_or(trimmed).splitn(5, '/').collect();
    match *segments.as_slice() {
        ["openapi", ..] => Route::OpenApi,
        ["api"] => Route::Discovery(Document::Core),
        ["api", version] => Route::Discovery(Document::Version("", version)),
        ["api", ..] => Route::BelowGroup(""),
        ["apis"] => Route::Discovery(Document::Groups),
        ["apis", group] => Route::Discovery(Document::Group(group)),
        ["apis", group, version] => Route::Discovery(Document::Version(group, version)),
        ["apis", group, ..] => Route::BelowGroup(group),
        _ => Route::Nothing,
    }
}

/// Health paths are exact: no trailing slash.
fn health(path: &str) -> Option<Route<'_>> {
    match path.split_once('/') {
        None => Endpoint::parse(path).map(Route::Health),
        Some((endpoint, name)) => Some(Route::HealthCheck(Endpoint::parse(endpoint)?, name)),
    }
}

/// The paths there are, for people who look around.
pub(super) fn index(discovery: &Discovery) -> Response<Body> {
    let fixed = [
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/openid/v1/jwks",
        "/readyz",
        "/version",
    ];
    let mut paths: Vec<String> = fixed.into_iter().map(str::to_owned).chain(discovery.paths()).collect();
    paths.sort();
    respond::json(json!({ "paths": paths }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_upstreams_lead() {
        let table = [
            ("/livez", Route::Health(Endpoint::Livez)),
            ("/readyz/ping", Route::HealthCheck(Endpoint::Readyz, "ping")),
            ("/readyz/poststarthook/x", Route::HealthCheck(Endpoint::Readyz, "poststarthook/x")),
            ("/api/", Route::Discovery(Document::Core)),
            ("/api/v2", Route::Discovery(Document::Version("", "v2"))),
            ("/apis/nope.io", Route::Discovery(Document::Group("nope.io"))),
            ("/apis/apps/v1", Route::Discovery(Document::Version("apps", "v1"))),
            ("/api/v1/watch", Route::BelowGroup("")),
            ("/apis/apps/v1/proxy/x", Route::BelowGroup("apps")),
            ("/portcullis/policy", Route::Policy(Question::Report)),
            ("/portcullis/posture", Route::Posture),
            ("/portcullis/posture/x", Route::Nothing),
            ("/metrics/none", Route::Nothing),
            ("/logs", Route::Nothing),
            ("/livezz", Route::Nothing),
            ("/", Route::Index),
        ];
        for (path, want) in table {
            assert_eq!(route(path), want, "{path}");
        }
    }

    /// A change of this list is a change of who may ask; review it as one.
    #[test]
    fn the_public_routes_are_these() {
        let list: Vec<&str> = PUBLIC.iter().map(|public| public.path).collect();
        assert_eq!(
            list,
            ["/livez", "/livez/*", "/readyz", "/readyz/*", "/healthz", "/healthz/*", "/version"]
        );
        for public in PUBLIC {
            assert!(!public.because.is_empty());
            assert_ne!(route(public.path.trim_end_matches('*')), Route::Nothing, "{}", public.path);
        }
    }
}
