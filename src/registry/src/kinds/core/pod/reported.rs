//! What a kubelet reports of containers, their users and devices, and of the claims of a pod.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use super::super::super::check::{At, int, items, text};

const LISTS: [&str; 3] = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
const HEALTH: [&str; 3] = ["Healthy", "Unhealthy", "Unknown"];
const MESSAGE_MAX: usize = 1024;

/// Fields behind feature gates that are off are dropped, as upstream drops them.
pub(super) fn drop_unserved(pod: &mut Object) {
    let Some(status) = pod.map_mut().get_mut("status").and_then(Value::as_object_mut) else { return };
    status.remove("nodeAllocatableResourceClaimStatuses");
    for list in LISTS {
        for container in status.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let mounts = container.get_mut("volumeMounts").and_then(Value::as_array_mut);
            for mount in mounts.into_iter().flatten().filter_map(Value::as_object_mut) {
                mount.remove("volumeStatus");
            }
        }
    }
}

/// The claims that were made for the pod are those it asks for.
pub(super) fn claims(status: &Value, spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let here = at.child("resourceClaimStatuses");
    let list = items(status, "resourceClaimStatuses");
    for (i, claim) in list.iter().enumerate() {
        let (here, name) = (here.index(i), text(claim, "name"));
        if !items(spec, "resourceClaims").iter().any(|asked| text(asked, "name") == name) {
            let words = "must match the name of an entry in `spec.resourceClaims`";
            here.child("name").invalid(errors, name, words);
        }
        if list.iter().take(i).any(|earlier| text(earlier, "name") == name) {
            here.child("name").duplicate(errors, name);
        }
        if let Some(made) = claim.get("resourceClaimName").and_then(Value::as_str) {
            here.child("resourceClaimName").rule(errors, made, names::dns1123_subdomain);
        }
    }
    if let Some(extended) = status.get("extendedResourceClaimStatus").filter(|claim| !claim.is_null()) {
        self::extended(extended, spec, at.child("extendedResourceClaimStatus"), errors);
    }
}

/// The claim that stands for extended resources maps requests of containers.
fn extended(claim: &Value, spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (mappings, here) = (items(claim, "requestMappings"), at.child("requestMappings"));
    if mappings.is_empty() {
        here.required(errors, "at least one request mapping is required");
    }
    const FIELDS: [&str; 3] = ["containerName", "resourceName", "requestName"];
    let key = |mapping: &'_ Value| FIELDS.map(|field| text(mapping, field).to_owned());
    for (i, mapping) in mappings.iter().enumerate() {
        let here = here.index(i);
        mapped(mapping, spec, &here, errors);
        at.child("requestName").rule(errors, text(mapping, "requestName"), names::dns1123_label);
        if mappings.iter().take(i).any(|earlier| key(earlier) == key(mapping)) {
            FIELDS.iter().for_each(|field| here.child(field).duplicate(errors, text(mapping, field)));
        }
    }
    match text(claim, "resourceClaimName") {
        "" => at.child("resourceClaimName").required(errors, ""),
        name => at.child("resourceClaimName").rule(errors, name, names::dns1123_subdomain),
    }
}

fn mapped(mapping: &Value, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (name, resource) = (text(mapping, "containerName"), text(mapping, "resourceName"));
    let mut containers = ["containers", "initContainers"].into_iter().flat_map(|list| items(spec, list));
    match containers.find(|container| text(container, "name") == name) {
        None => {
            let words = "must match the name of an entry in spec.initContainers.name or spec.containers.name";
            at.child("containerName").invalid(errors, name, words);
        }
        Some(container) if !requests(container, resource) => {
            let words = "must match the extended resource name of an entry in spec.initContainers.resources.requests \
                         or spec.containers.resources.requests";
            at.child("resourceName").invalid(errors, resource, words);
        }
        Some(_) => {}
    }
}

fn requests(container: &Value, resource: &str) -> bool {
    let requests = container.get("resources").and_then(|resources| resources.get("requests"));
    requests.is_some_and(|requests| requests.get(resource).is_some())
}

/// The users that containers run as.
pub(super) fn users(status: &Value, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let os = spec.get("os").map_or("linux", |os| text(os, "name"));
    for list in LISTS {
        let here = at.child(list);
        for (i, container) in items(status, list).iter().enumerate() {
            let Some(linux) = container.get("user").and_then(|user| user.get("linux")) else { continue };
            let here = here.index(i);
            let here = here.child("user.linux");
            match os {
                "windows" => here.forbidden(errors, "cannot be set for a windows pod"),
                "linux" => linux_user(linux, &here, errors),
                _ => {}
            }
        }
    }
}

fn linux_user(user: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for field in ["uid", "gid"] {
        id(int(user, field), at.child(field), errors);
    }
    let groups = at.child("supplementalGroups");
    for (i, group) in items(user, "supplementalGroups").iter().enumerate() {
        id(group.as_i64().unwrap_or_default(), groups.index(i), errors);
    }
}

fn id(id: i64, at: At<'_>, errors: &mut ErrorList) {
    for message in names::user_or_group_id(id) {
        at.invalid(errors, id, message);
    }
}

/// The devices that containers got, and how they are.
pub(super) fn devices(status: &Value, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let pairs = [("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")];
    for (list, containers) in pairs {
        let here = at.child(list);
        for (i, reported) in items(status, list).iter().enumerate() {
            let here = here.index(i);
            let here = here.child("allocatedResourcesStatus");
            let name = text(reported, "name");
            let container = items(spec, containers).iter().find(|container| text(container, "name") == name);
            for (j, allocated) in items(reported, "allocatedResourcesStatus").iter().enumerate() {
                self::allocated(allocated, container, &here.index(j), errors);
            }
        }
    }
    let here = at.child("ephemeralContainerStatuses");
    for (i, reported) in items(status, "ephemeralContainerStatuses").iter().enumerate() {
        if !items(reported, "allocatedResourcesStatus").is_empty() {
            let here = here.index(i);
            here.child("allocatedResourcesStatus")
                .forbidden(errors, "must not be specified in container status");
        }
    }
}

/// What is reported of a container that the pod does not have is not looked up.
fn allocated(allocated: &Value, container: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    let name = text(allocated, "name");
    if let Some(container) = container {
        let (found, words) = if name.starts_with("claim:") {
            let words = "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' \
                         or 'claim:<claimName>' if request is empty";
            (claimed(container, name), words)
        } else {
            (requests(container, name), "must match one of the container's resource requests")
        };
        if !found {
            at.child("name").invalid(errors, name, words);
        }
    }
    let (list, here) = (items(allocated, "resources"), at.child("resources"));
    for (i, resource) in list.iter().enumerate() {
        let here = here.index(i);
        health(resource, &here, errors);
        let id = text(resource, "resourceID");
        if list.iter().take(i).any(|earlier| text(earlier, "resourceID") == id) {
            here.child("resourceID").duplicate(errors, id);
        }
    }
}

fn claimed(container: &Value, name: &str) -> bool {
    let resources = container.get("resources").unwrap_or(&Value::Null);
    items(resources, "claims").iter().any(|claim| {
        let (claim, request) = (text(claim, "name"), text(claim, "request"));
        let slash = if request.is_empty() { "" } else { "/" };
        name.strip_prefix("claim:") == Some(format!("{claim}{slash}{request}").as_str())
    })
}

fn health(resource: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let health = text(resource, "health");
    if !HEALTH.contains(&health) {
        at.child("health").not_supported(errors, health, &HEALTH);
    }
    match resource.get("message").and_then(Value::as_str) {
        Some("") => at.child("message").required(errors, "must be non-empty if specified"),
        Some(message) if message.len() > MESSAGE_MAX => at.child("message").too_long(errors, MESSAGE_MAX),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(rules: impl Fn(&At<'_>, &mut ErrorList)) -> Vec<String> {
        let mut errors = ErrorList::new();
        rules(&At::root("status"), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn claims_are_those_of_the_spec() {
        let spec = json!({
            "resourceClaims": [{ "name": "a" }],
            "containers": [{ "name": "c", "resources": { "requests": { "x.io/gpu": "1" } } }],
        });
        let status = json!({
            "resourceClaimStatuses": [{ "name": "a" }, { "name": "a" }, { "name": "b" }],
            "extendedResourceClaimStatus": {
                "resourceClaimName": "made",
                "requestMappings": [
                    { "containerName": "c", "resourceName": "x.io/gpu", "requestName": "r" },
                    { "containerName": "d", "resourceName": "x.io/gpu", "requestName": "r" },
                    { "containerName": "c", "resourceName": "cpu", "requestName": "r" },
                ],
            },
        });
        let errors = told(|at, errors| claims(&status, &spec, *at, errors));
        let starts = [
            "status.resourceClaimStatuses[1].name: Duplicate value: \"a\"",
            "status.resourceClaimStatuses[2].name: Invalid value: \"b\": must match the name",
            "status.extendedResourceClaimStatus.requestMappings[1].containerName: Invalid value: \"d\": must match",
            "status.extendedResourceClaimStatus.requestMappings[2].resourceName: Invalid value: \"cpu\": must match",
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        assert!(errors.iter().zip(starts).all(|(error, start)| error.starts_with(start)), "{errors:#?}");
    }

    #[test]
    fn devices_belong_to_requests_and_are_healthy_or_not() {
        let spec = json!({ "containers": [{ "name": "c", "resources": {
            "requests": { "x.io/gpu": "1" }, "claims": [{ "name": "a", "request": "r" }],
        } }] });
        let device =
            |name: &str| json!({ "name": name, "resources": [{ "resourceID": "1", "health": "Healthy" }] });
        let status = |devices: Value| json!({ "containerStatuses": [{ "name": "c", "allocatedResourcesStatus": devices }] });
        let errors = |status: Value| told(|at, errors| devices(&status, &spec, at, errors));
        assert!(errors(status(json!([device("x.io/gpu"), device("claim:a/r")]))).is_empty());
        assert_eq!(errors(status(json!([device("claim:a"), device("cpu")]))).len(), 2);
        let odd = json!([{ "name": "x.io/gpu", "resources": [{ "resourceID": "1" }, { "resourceID": "1", "health": "Healthy", "message": "" }] }]);
        assert_eq!(
            errors(status(odd)),
            [
                "status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health: Unsupported value: \"\": \
                 supported values: \"Healthy\", \"Unhealthy\", \"Unknown\"",
                "status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].message: Required value: must be \
                 non-empty if specified",
                "status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].resourceID: Duplicate value: \"1\"",
            ]
        );
        let ephemeral =
            json!({ "ephemeralContainerStatuses": [{ "name": "e", "allocatedResourcesStatus": [{}] }] });
        assert_eq!(
            errors(ephemeral),
            [
                "status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container status"
            ]
        );
    }

    #[test]
    fn users_are_numbers_that_linux_has() {
        let status = json!({ "containerStatuses": [
            { "user": { "linux": { "uid": -1, "gid": 0, "supplementalGroups": [2_147_483_648_i64] } } },
        ] });
        let errors =
            |os: &str| told(|at, errors| users(&status, &json!({ "os": { "name": os } }), at, errors));
        assert_eq!(errors("linux").len(), 2);
        assert_eq!(errors("windows").len(), 1);
    }
}
