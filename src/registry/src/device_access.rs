//! Who may claim devices for administration, say which devices a claim got, and report for a driver.
//!
//! A claim's status has three writers, and the right to update it is not enough for any of them: the scheduler says what
//! is allocated and for whom (`resourceclaims/binding`), each driver reports on its own devices
//! (`resourceclaims/driver`, by the driver's name), from the devices' node or from anywhere.

use std::collections::BTreeSet;

use portcullis_api::field::{Error, Path};
use portcullis_api::{GroupResource, Object, Value, names};
use portcullis_authz::attributes::Resource;
use portcullis_authz::{Attributes, forbidden};

use crate::call::Call;

const GROUP: &str = "resource.k8s.io";
const CLAIMS: &str = "resourceclaims";
const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";
const REQUESTS: [&str; 3] = ["spec", "devices", "requests"];
const NODE_EXTRA: &str = "authentication.kubernetes.io/node-name";

/// Refuses a write to a claim or a template whose writer, or namespace, lacks what it takes; told before what
/// is wrong with the object itself.
pub(crate) fn check(call: &Call<'_>, new: &Object, old: Option<&Object>, errors: &mut Vec<Error>) {
    let gr = &call.resource.gr;
    if &*gr.group != GROUP {
        return;
    }
    match (&*gr.resource, &*call.target.subresource, old) {
        (CLAIMS, "status", Some(old)) => status(call, new, old, errors),
        (CLAIMS, "", None) => administration(call, list(new, &REQUESTS), errors),
        ("resourceclaimtemplates", "", None) => {
            // Upstream tells the place in the claims that are made of the template.
            let requests = list(new, &["spec", "spec", "devices", "requests"]);
            administration(call, requests, errors);
        }
        _ => {}
    }
}

fn status(call: &Call<'_>, new: &Object, old: &Object, errors: &mut Vec<Error>) {
    const RESULTS: [&str; 4] = ["status", "allocation", "devices", "results"];
    let granted = |claim| list(claim, &RESULTS).iter().any(|result| *field(result, "adminAccess") == true);
    if !granted(old) && granted(new) {
        administration_of(call, list(new, &RESULTS), &RESULTS, |result| field(result, "adminAccess"), errors);
    }
    let same = |field| new.at(&["status", field]) == old.at(&["status", field]);
    if !same("allocation") || !same("reservedFor") {
        binding(call, errors);
    }
    if new.at(&["status", "allocation"]).is_some() {
        drivers(call, new, old, errors);
    }
}

fn list<'a>(object: &'a Object, path: &[&str]) -> &'a [Value] {
    object.at(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Devices are given out for administration only in namespaces that are labelled for it.
fn administration(call: &Call<'_>, requests: &[Value], errors: &mut Vec<Error>) {
    administration_of(
        call,
        requests,
        &REQUESTS,
        |request| field(field(request, "exactly"), "adminAccess"),
        errors,
    );
}

fn administration_of(
    call: &Call<'_>,
    list: &[Value],
    path: &[&str],
    wanted: fn(&Value) -> &Value,
    errors: &mut Vec<Error>,
) {
    let Some(index) = list.iter().position(|one| *wanted(one) == true) else { return };
    let namespaces = call.registry.resources().of_group(&GroupResource::new("", "namespaces"));
    let namespace = namespaces.and_then(|kind| call.registry.object(&kind, "", &call.target.namespace));
    if namespace.is_some_and(|namespace| namespace.str_at(&["metadata", "labels", ADMIN_LABEL]) == "true") {
        return;
    }
    let at = path.iter().fold(Path::root(), |at, step| at.child(step)).index(index).child("adminAccess");
    let words = format!(
        "admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
    );
    errors.push(Error::forbidden(&at, words));
}

fn binding(call: &Call<'_>, errors: &mut Vec<Error>) {
    let verb = call.info.verb.as_str();
    let asked = Resource { subresource: "binding", ..claims() };
    if let Err(refusal) = may(call, verb, asked) {
        let words = format!(
            "changing status.allocation or status.reservedFor requires resource=\"resourceclaims/binding\", \
             verb=\"{verb}\" permission: {refusal}"
        );
        errors.push(Error::forbidden(&Path::new("status").child("allocation"), words));
    }
}

fn drivers(call: &Call<'_>, new: &Object, old: &Object, errors: &mut Vec<Error>) {
    let (now, before) = (list(new, &["status", "devices"]), list(old, &["status", "devices"]));
    let changed = now.iter().filter(|one| !before.contains(one));
    let gone = before.iter().filter(|one| !now.contains(one));
    let drivers: BTreeSet<&str> =
        changed.chain(gone).map(|one| field(one, "driver").as_str().unwrap_or_default()).collect();
    if drivers.is_empty() {
        return;
    }
    let verb = call.info.verb.as_str();
    let mut verbs = vec![format!("arbitrary-node:{verb}")];
    if comes_from_its_node(call, new) {
        verbs.insert(0, format!("associated-node:{verb}"));
    }
    for driver in drivers {
        let asked = || Resource {
            subresource: "driver",
            namespace: &call.target.namespace,
            name: driver,
            ..claims()
        };
        let mut refusals = verbs.iter().map(|verb| may(call, verb, asked()).err());
        let Some(Some(first)) = refusals.next() else { continue };
        if refusals.any(|refusal| refusal.is_none()) {
            continue;
        }
        let words = format!(
            "changing status.devices requires resource=\"resourceclaims/driver\", verb=\"[{}]\" permission: {first}",
            verbs.join(" ")
        );
        errors.push(Error::forbidden(&Path::new("status").child("devices"), words));
    }
}

fn claims<'a>() -> Resource<'a> {
    Resource { group: GROUP, version: "v1", resource: CLAIMS, ..Resource::default() }
}

/// Why the caller may not, if so.
fn may(call: &Call<'_>, verb: &str, what: Resource<'_>) -> std::result::Result<(), String> {
    let attributes = Attributes::resource(verb, what);
    if call.registry.authorizer.decide(call.user, &attributes).is_allowed() {
        return Ok(());
    }
    Err(forbidden(call.user, &attributes, "").message().to_owned())
}

/// Whether the caller is a service account on the one node that the claim's devices are on.
fn comes_from_its_node(call: &Call<'_>, claim: &Object) -> bool {
    let Some([here]) = call.user.extra.get(NODE_EXTRA).map(|nodes| nodes.as_slice()) else { return false };
    let [term] = list(claim, &["status", "allocation", "nodeSelector", "nodeSelectorTerms"]) else {
        return false;
    };
    let (fields, labels) = (field(term, "matchFields"), field(term, "matchExpressions"));
    let ([node], true) =
        (fields.as_array().map_or(&[][..], Vec::as_slice), labels.as_array().is_none_or(Vec::is_empty))
    else {
        return false;
    };
    call.user.name.starts_with("system:serviceaccount:")
        && names::dns1123_subdomain(here).is_empty()
        && *field(node, "key") == "metadata.name"
        && *field(node, "operator") == "In"
        && field(node, "values")
            .as_array()
            .is_some_and(|nodes| nodes.len() == 1 && nodes.iter().all(|node| *node == **here))
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}
