//! Roles and their bindings.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use super::kind::Kind;
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, items, one_of, required_name, text};
use crate::kinds::core::internal;
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "clusterrolebindings", "", &CLUSTER_ROLE_BINDING),
    (GROUP, "clusterroles", "", &CLUSTER_ROLE),
    (GROUP, "rolebindings", "", &ROLE_BINDING),
    (GROUP, "roles", "", &ROLE),
];

const GROUP: &str = "rbac.authorization.k8s.io";

static ROLE: Kind = Kind::namespaced(name, |new, errors| rules(new, true, errors)).creates_on_update();
static CLUSTER_ROLE: Kind = Kind::cluster(name, cluster_role)
    .only_change(|new, old, errors| {
        meta::object_meta(new, false, name, errors);
        rules(new, false, errors);
        aggregation(new, aggregation_is_odd(old), errors);
        meta::object_meta_update(new, old, errors);
    })
    .creates_on_update();
static ROLE_BINDING: Kind = Kind::namespaced(name, |new, errors| binding(new, true, errors))
    .new_and_change(same_role)
    .creates_on_update();
static CLUSTER_ROLE_BINDING: Kind = Kind::cluster(name, |new, errors| binding(new, false, errors))
    .new_and_change(same_role)
    .creates_on_update();

/// Names only have to fit into a path, whether they are whole or not.
fn name(name: &str, _prefix: bool) -> Vec<String> {
    names::path_segment_name(name)
}

fn cluster_role(new: &Object, errors: &mut ErrorList) {
    rules(new, false, errors);
    aggregation(new, false, errors);
}

fn rules(role: &Object, namespaced: bool, errors: &mut ErrorList) {
    let at = At::root("rules");
    let list = role.get("rules").and_then(Value::as_array);
    for (i, rule) in list.into_iter().flatten().enumerate() {
        self::rule(rule, namespaced, &at.index(i), errors);
    }
}

fn rule(rule: &Value, namespaced: bool, at: &At<'_>, errors: &mut ErrorList) {
    let missing = |field| items(rule, field).is_empty();
    if missing("verbs") {
        at.child("verbs").required(errors, "verbs must contain at least one value");
    }
    if !missing("nonResourceURLs") {
        let here = at.child("nonResourceURLs");
        let urls = rule.get("nonResourceURLs");
        if namespaced {
            here.invalid(errors, urls, "namespaced rules cannot apply to non-resource URLs");
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|field| !missing(field)) {
            here.invalid(errors, urls, "rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if missing("apiGroups") {
        at.child("apiGroups").required(errors, "resource rules must supply at least one api group");
    }
    if missing("resources") {
        at.child("resources").required(errors, "resource rules must supply at least one resource");
    }
}

fn aggregation(role: &Object, odd_values: bool, errors: &mut ErrorList) {
    let Some(rule) = role.get("aggregationRule") else { return };
    let at = At::root("aggregationRule");
    let at = at.child("clusterRoleSelectors");
    let selectors = items(rule, "clusterRoleSelectors");
    if selectors.is_empty() {
        at.required(errors, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for (i, selector) in selectors.iter().enumerate() {
        let here = at.index(i);
        meta::selector_with(Some(selector), odd_values, here, errors);
        if super::tree::selects(Some(selector), None).is_none() {
            here.invalid(errors, None::<&str>, "invalid label selector.");
        }
    }
}

/// Whether a role already has selectors with values that would not be taken today.
fn aggregation_is_odd(old: &Object) -> bool {
    let mut errors = ErrorList::new();
    let selectors = old.at(&["aggregationRule", "clusterRoleSelectors"]).and_then(Value::as_array);
    for selector in selectors.into_iter().flatten() {
        meta::label_selector(Some(selector), At::root("selector"), &mut errors);
    }
    !errors.is_empty()
}

fn binding(new: &Object, namespaced: bool, errors: &mut ErrorList) {
    let role = part(new, "roleRef");
    let at = At::root("roleRef");
    one_of(text(role, "apiGroup"), &[GROUP], at.child("apiGroup"), errors);
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    one_of(text(role, "kind"), kinds, at.child("kind"), errors);
    required_name(role, "name", names::path_segment_name, &at, errors);
    let at = At::root("subjects");
    let subjects = new.get("subjects").and_then(Value::as_array);
    for (i, subject) in subjects.into_iter().flatten().enumerate() {
        self::subject(subject, namespaced, &at.index(i), errors);
    }
}

fn subject(subject: &Value, namespaced: bool, at: &At<'_>, errors: &mut ErrorList) {
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    if name.is_empty() {
        at.child("name").required(errors, "");
    }
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                at.child("name").rule(errors, name, names::dns1123_subdomain);
            }
            if !group.is_empty() {
                at.child("apiGroup").not_supported(errors, group, &[""]);
            }
            if !namespaced && text(subject, "namespace").is_empty() {
                at.child("namespace").required(errors, "");
            }
        }
        "User" | "Group" => one_of(group, &[GROUP], at.child("apiGroup"), errors),
        other => at.child("kind").not_supported(errors, other, &["ServiceAccount", "User", "Group"]),
    }
}

fn same_role(new: &Object, old: &Object, errors: &mut ErrorList) {
    if part(new, "roleRef") != part(old, "roleRef") {
        At::root("roleRef").invalid(errors, internal("RoleRef", new.get("roleRef")), "cannot change roleRef");
    }
}
