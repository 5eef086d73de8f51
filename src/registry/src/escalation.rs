//! Nobody grants more than they hold: asked before a role or binding is validated.

use portcullis_api::{Object, Result};
use portcullis_authz::rbac::{check_binding_escalation, check_role_escalation};

use crate::call::Call;

/// Refuses a write to RBAC's objects, or a token, that would give the writer, or anybody, new power.
///
/// # Errors
/// 403 in upstream's words, with the missing rules.
pub(crate) fn check(call: &Call<'_>, new: &Object, old: Option<&Object>) -> Result<()> {
    crate::user_token::check(call, new)?;
    if &*call.resource.gr.group != "rbac.authorization.k8s.io" {
        return Ok(());
    }
    let (asking, index) = (call.asking(), &call.registry.rbac);
    match &*call.resource.gr.resource {
        "roles" | "clusterroles" => check_role_escalation(asking, index, call.user, &call.info, new, old),
        _ => check_binding_escalation(asking, index, call.user, &call.info, new, old),
    }
}
