//! The two limits of a policy: what stays on record whatever it says, and which bodies stay out.

use http::StatusCode;
use portcullis_api::{RequestInfo, UserInfo};

/// The group that no authorizer refuses.
const MASTERS: &str = "system:masters";

/// Resources whose bodies hold what must not be copied, as `(group, resource, subresource)`; `*` is any.
const SEALED: [(&str, &str, &str); 6] = [
    ("", "secrets", "*"),
    ("", "configmaps", "*"),
    ("", "serviceaccounts", "token"),
    ("authentication.k8s.io", "tokenreviews", "*"),
    ("certificates.k8s.io", "certificatesigningrequests", "*"),
    ("identity.portcullis.io", "*", "*"),
];

/// Whether no policy may record the bodies of this request.
pub(super) fn bodies_stay_out(info: &RequestInfo) -> bool {
    let Some(target) = info.resource() else { return false };
    let fits = |pattern: &str, text: &str| pattern == "*" || pattern == text;
    SEALED.iter().any(|(group, resource, subresource)| {
        *group == &*target.group && fits(resource, &target.resource) && fits(subresource, &target.subresource)
    })
}

/// Whether a request stays on record even where a rule says None: refusals, paths that lead nowhere (which
/// may be odd spellings of others), changes made by those whom nothing can refuse, and everything done in
/// another's name.
pub(super) fn must_be_seen(
    info: &RequestInfo,
    user: Option<&UserInfo>,
    impersonates: bool,
    code: Option<StatusCode>,
) -> bool {
    let refused = matches!(code, Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN));
    let nowhere = code == Some(StatusCode::NOT_FOUND) && info.resource().is_none();
    let unbound = !info.verb.is_read_only() && user.is_some_and(|user| user.in_group(MASTERS));
    refused || nowhere || unbound || impersonates
}
