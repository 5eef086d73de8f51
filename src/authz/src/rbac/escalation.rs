//! Nobody grants what they do not hold.
//!
//! Asked by the registry before it validates a role or binding. Whoever may `escalate` the role or
//! `bind` it is free, as are masters.

use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, GroupResource, Object, Reason, RequestInfo, UserInfo, Value};

use super::binding::{MissingRole, RoleRef};
use super::cover::{described, piece_count, quoted, uncovered};
use super::index::RbacIndex;
use super::rule::Rule;
use crate::answers::Asking;
use crate::attributes::{Attributes, Resource};
use crate::chain::MASTERS;

/// The most permissions (verbs of resources of groups by name) that one write may grant.
const MAX_PIECES: usize = 100_000;

const AGGREGATION: &str = "must have cluster-admin privileges to use the aggregationRule";

/// Refuses a Role or ClusterRole with rules that its writer does not hold. `info` is the write's
/// request; `old` the object it replaces.
pub fn check_role_escalation(
    asking: Asking<'_>,
    index: &RbacIndex,
    user: &UserInfo,
    info: &RequestInfo,
    new: &Object,
    old: Option<&Object>,
) -> Result<(), ApiError> {
    let write = Write::new(user, info);
    if user.in_group(MASTERS)
        || write.may_escalate(asking)
        || old.is_some_and(|old| only_collection_changes(new, old))
    {
        return Ok(());
    }
    let refuse = |why: &str| ApiError::forbidden(&write.resource, new.name(), why);
    write.confirm(index, &Rule::list(new.get("rules"))).map_err(|why| refuse(&why))?;
    if aggregates(new) || old.is_some_and(aggregates) {
        write.confirm(index, &Rule::full_authority()).map_err(|_| refuse(AGGREGATION))?;
    }
    Ok(())
}

/// Refuses a binding to a role with rules that its writer does not hold. `info` is the write's
/// request; `old` the object it replaces.
pub fn check_binding_escalation(
    asking: Asking<'_>,
    index: &RbacIndex,
    user: &UserInfo,
    info: &RequestInfo,
    new: &Object,
    old: Option<&Object>,
) -> Result<(), ApiError> {
    let write = Write::new(user, info);
    let role = RoleRef::from_object(new);
    if user.in_group(MASTERS)
        || old.is_some_and(|old| only_collection_changes(new, old))
        || write.may_bind(asking, &role, new.str_at(&["roleRef", "apiGroup"]))
    {
        return Ok(());
    }
    let role = index.role(&role, write.namespace).map_err(|missing| write.role_not_found(&missing))?;
    write.confirm(index, role.rules()).map_err(|why| ApiError::forbidden(&write.resource, new.name(), &why))
}

/// Who writes, and where.
struct Write<'a> {
    user: &'a UserInfo,
    resource: GroupResource,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Write<'a> {
    fn new(user: &'a UserInfo, info: &'a RequestInfo) -> Self {
        let Some(target) = info.resource() else {
            let resource = GroupResource::new(super::GROUP, "");
            return Self { user, resource, namespace: "", name: "" };
        };
        let resource = GroupResource::new(target.group.clone(), target.resource.clone());
        Self { user, resource, namespace: &target.namespace, name: &target.name }
    }

    fn may_escalate(&self, asking: Asking<'_>) -> bool {
        if !matches!(&*self.resource.resource, "roles" | "clusterroles") {
            return false;
        }
        let (group, resource) = (&*self.resource.group, &*self.resource.resource);
        self.may(asking, "escalate", Resource { group, resource, name: self.name, ..Resource::default() })
    }

    fn may_bind(&self, asking: Asking<'_>, role: &RoleRef, group: &str) -> bool {
        let resource = match &*role.kind {
            "ClusterRole" => "clusterroles",
            "Role" => "roles",
            _ => return false,
        };
        self.may(asking, "bind", Resource { group, resource, name: &role.name, ..Resource::default() })
    }

    fn may(&self, asking: Asking<'_>, verb: &str, what: Resource<'_>) -> bool {
        let what = Resource { version: "*", namespace: self.namespace, ..what };
        asking.allows(self.user, &Attributes::resource(verb, what))
    }

    /// That the user holds rules in the namespace of the write.
    fn confirm(&self, index: &RbacIndex, wanted: &[Rule]) -> Result<(), String> {
        if piece_count(wanted) > MAX_PIECES {
            return Err(format!("more than {MAX_PIECES} permissions are granted at once"));
        }
        let (held, missing) = index.rules_for(self.user, self.namespace);
        let lacking = uncovered(&held, wanted);
        if lacking.is_empty() {
            return Ok(());
        }
        let mut why = format!(
            "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            go_quote(&self.user.name),
            quoted(self.user.groups.iter()),
            described(&lacking),
        );
        if !missing.is_empty() {
            let resource = self.resource.to_string();
            let errors = crate::decision::aggregate(missing.iter().map(|m| m.told_as(&resource)));
            why.push_str(&format!("; resolution errors: [{errors}]"));
        }
        Err(why)
    }

    fn role_not_found(&self, missing: &MissingRole) -> ApiError {
        match &*missing.role.kind {
            "Role" | "ClusterRole" => ApiError::not_found(&self.resource, missing.name()),
            _ => ApiError::new(Reason::Unknown, missing.told_as("")),
        }
    }
}

fn aggregates(role: &Object) -> bool {
    let selectors = role.at(&["aggregationRule", "clusterRoleSelectors"]).and_then(Value::as_array);
    selectors.is_some_and(|list| !list.is_empty())
}

/// Whether a write changes only what garbage collection needs: owners and finalizers.
fn only_collection_changes(new: &Object, old: &Object) -> bool {
    let without = |object: &Object| {
        let mut object = object.clone();
        for field in ["ownerReferences", "finalizers", "managedFields"] {
            object.metadata_mut().remove(field);
        }
        object
    };
    without(new) == without(old)
}

#[cfg(test)]
mod tests;
