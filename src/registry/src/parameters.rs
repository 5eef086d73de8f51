//! Who makes a policy look at objects must be able to read them: a refusal tells what they hold.

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::{GroupVersion, Gvk, Object, UserInfo, Value};
use portcullis_authz::Attributes;
use portcullis_authz::attributes::Resource as Asked;

use crate::call::Call;
use crate::kinds::check::text;

/// Refuses a policy or binding that refers to parameters its writer may not read.
pub(crate) fn check(call: &Call<'_>, new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    if &*call.resource.gr.group != "admissionregistration.k8s.io" || !call.target.subresource.is_empty() {
        return;
    }
    match &*call.resource.gr.resource {
        "validatingadmissionpolicies" | "mutatingadmissionpolicies" => policy(call, new, old, errors),
        "validatingadmissionpolicybindings" => binding(call, new, "validatingadmissionpolicies", errors),
        "mutatingadmissionpolicybindings" => binding(call, new, "mutatingadmissionpolicies", errors),
        _ => {}
    }
}

fn policy(call: &Call<'_>, new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let kind = |object: &Object| object.at(&["spec", "paramKind"]).filter(|kind| !kind.is_null()).cloned();
    let Some(kind) = kind(new).filter(|new| old.and_then(kind).as_ref() != Some(new)) else { return };
    let named = Named::of(call, &kind);
    if allowed(call, "get", &named, "*", "*") {
        return;
    }
    let (user, kind, version) = (go_user(call.user), text(&kind, "kind"), text(&kind, "apiVersion"));
    forbid(
        "paramKind",
        format!(
            "user {user} must have \"get\" permission on all objects of the referenced paramKind (kind={kind}, \
             apiVersion={version})"
        ),
        errors,
    );
}

fn binding(call: &Call<'_>, new: &Object, policies: &str, errors: &mut ErrorList) {
    let Some(reference) = new.at(&["spec", "paramRef"]).filter(|reference| !reference.is_null()) else {
        return;
    };
    let policy = new.str_at(&["spec", "policyName"]);
    let found = call.registry.resources().get("admissionregistration.k8s.io", "v1", policies);
    let found = found.and_then(|resource| call.registry.object(resource, "", policy));
    let kind =
        found.as_ref().and_then(|policy| policy.at(&["spec", "paramKind"])).filter(|kind| !kind.is_null());
    let named = kind.map_or(Named::ALL, |kind| Named::of(call, kind));
    let (name, namespace) = (text(reference, "name"), text(reference, "namespace"));
    let verb = if name.is_empty() { "list" } else { "get" };
    if allowed(call, verb, &named, namespace, name) {
        return;
    }
    let user = go_user(call.user);
    let everything = format!("does not have \"{verb}\" permission for all groups, versions and resources");
    let why = match kind {
        None if found.is_none() => {
            format!(
                "unable to get policy {policy} to determine minimum required permissions and user {user} {everything}"
            )
        }
        Some(kind) if named.resource.is_none() => {
            let kind = format!("&{{{} {}}}", text(kind, "apiVersion"), text(kind, "kind"));
            format!(
                "unable to resolve paramKind {kind} to determine minimum required permissions and user {user} {everything}"
            )
        }
        _ => format!("user {user} does not have \"{verb}\" permission on the object referenced by paramRef"),
    };
    forbid("paramRef", why, errors);
}

/// What a permission is asked for; what is not known must be permitted for all.
struct Named {
    group: String,
    version: String,
    resource: Option<String>,
}

impl Named {
    const ALL: Self = Self { group: String::new(), version: String::new(), resource: None };

    fn of(call: &Call<'_>, kind: &Value) -> Self {
        let Some(gv) = GroupVersion::parse(text(kind, "apiVersion")) else { return Self::ALL };
        let (group, version) = (gv.group.to_string(), gv.version.to_string());
        let found = call.registry.resources().of_kind(&Gvk::new(gv, text(kind, "kind")));
        Self { group, version, resource: found.map(|resource| resource.gr.resource.to_string()) }
    }
}

fn allowed(call: &Call<'_>, verb: &str, named: &Named, namespace: &str, name: &str) -> bool {
    let known = named.resource.is_some() || !named.version.is_empty();
    let asked = Asked {
        group: if known { &named.group } else { "*" },
        version: if known { &named.version } else { "*" },
        resource: named.resource.as_deref().unwrap_or("*"),
        namespace,
        name,
        ..Asked::default()
    };
    call.registry.authorizer.decide(call.user, &Attributes::resource(verb, asked)).is_allowed()
}

fn forbid(field: &str, why: String, errors: &mut ErrorList) {
    errors.push(Error::forbidden(&Path::new("spec").child(field), why));
}

/// A user as Go prints one.
fn go_user(user: &UserInfo) -> String {
    let groups: Vec<&str> = user.groups.iter().map(|group| &**group).collect();
    let extra: Vec<String> =
        user.extra.iter().map(|(key, values)| format!("{key}:[{}]", values.join(" "))).collect();
    format!("&{{{} {} [{}] map[{}]}}", user.name, user.uid, groups.join(" "), extra.join(" "))
}
