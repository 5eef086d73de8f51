//! What of the API a pod refers to. A mirror pod may refer to nothing: its node would be given it.

use portcullis_api::Value;
use portcullis_api::field::go_quote;

use portcullis_api::tree::{at, has, items, text};

const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// Volume sources that need nothing of the API.
const PLAIN: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "cephfs",
    "cinder",
    "downwardAPI",
    "emptyDir",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];
/// Volume sources that do, with what they need.
const NEEDY: &[(&str, &str)] = &[
    ("configMap", "configmaps (via configmap volumes)"),
    ("secret", "secrets (via secret volumes)"),
    ("csi", "csidrivers (via CSI volumes)"),
    ("glusterfs", "endpoints (via glusterFS volumes)"),
    ("persistentVolumeClaim", "persistentvolumeclaims"),
    ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
    ("azureFile", "secrets (via azureFile volumes)"),
];
const PROJECTED: &[(&str, &str)] = &[
    ("configMap", "configmaps (via projected volumes)"),
    ("secret", "secrets (via projected volumes)"),
    ("serviceAccountToken", "serviceaccounts (via projected volumes)"),
    ("clusterTrustBundle", "clustertrustbundles"),
    ("podCertificate", "podcertificates"),
];
/// Where volume sources name a secret.
const VOLUME_SECRETS: &[&[&str]] = &[
    &["azureFile", "secretName"],
    &["cephfs", "secretRef", "name"],
    &["cinder", "secretRef", "name"],
    &["flexVolume", "secretRef", "name"],
    &["rbd", "secretRef", "name"],
    &["secret", "secretName"],
    &["scaleIO", "secretRef", "name"],
    &["iscsi", "secretRef", "name"],
    &["storageos", "secretRef", "name"],
    &["csi", "nodePublishSecretRef", "name"],
];

/// The first kind of API object a pod's spec refers to, in upstream's words.
///
/// # Errors
/// What is unknown and hence not allowed either.
pub(super) fn first(spec: &Value) -> Result<Option<&'static str>, String> {
    if !text(spec, "serviceAccountName").is_empty() {
        return Ok(Some("serviceaccounts"));
    }
    if names_secret(spec) {
        return Ok(Some("secrets"));
    }
    if names_config_map(spec) {
        return Ok(Some("configmaps"));
    }
    if !items(spec, "resourceClaims").is_empty() {
        return Ok(Some("resourceclaims"));
    }
    for volume in items(spec, "volumes") {
        if let Some(what) = of_volume(volume)? {
            return Ok(Some(what));
        }
    }
    Ok(None)
}

fn of_volume(volume: &Value) -> Result<Option<&'static str>, String> {
    if PLAIN.iter().any(|source| has(volume, source)) {
        return Ok(None);
    }
    if let Some((_, what)) = NEEDY.iter().find(|(source, _)| has(volume, source)) {
        return Ok(Some(what));
    }
    let name = go_quote(text(volume, "name"));
    let Some(projected) = volume.get("projected") else {
        return Err(format!("unknown volume type for volume  {name}"));
    };
    for source in items(projected, "sources") {
        if let Some((_, what)) = PROJECTED.iter().find(|(kind, _)| has(source, kind)) {
            return Ok(Some(what));
        }
        if !has(source, "downwardAPI") {
            return Err(format!("unknown source for projected volume {name}"));
        }
    }
    Ok(None)
}

/// The secrets a volume names.
pub(super) fn secrets_of_volume(volume: &Value) -> impl Iterator<Item = &str> {
    let direct = VOLUME_SECRETS.iter().filter_map(|path| at(volume, path)?.as_str());
    let sources = volume.get("projected").map_or(&[][..], |projected| items(projected, "sources"));
    let projected = sources.iter().filter_map(|source| at(source, &["secret", "name"])?.as_str());
    direct.chain(projected).filter(|name| !name.is_empty())
}

/// Whether a pod names a secret anywhere.
pub(super) fn names_secret(spec: &Value) -> bool {
    items(spec, "imagePullSecrets").iter().any(|secret| !text(secret, "name").is_empty())
        || names_in_environment(spec, "secretRef", "secretKeyRef")
        || items(spec, "volumes").iter().any(|volume| secrets_of_volume(volume).next().is_some())
}

fn names_config_map(spec: &Value) -> bool {
    names_in_environment(spec, "configMapRef", "configMapKeyRef")
        || items(spec, "volumes")
            .iter()
            .any(|volume| is_named(volume, &["configMap", "name"]) || is_projected(volume, "configMap"))
}

fn names_in_environment(spec: &Value, whole: &str, key: &str) -> bool {
    CONTAINERS.iter().flat_map(|field| items(spec, field)).any(|container| {
        items(container, "envFrom").iter().any(|source| is_named(source, &[whole, "name"]))
            || items(container, "env").iter().any(|variable| is_named(variable, &["valueFrom", key, "name"]))
    })
}

fn is_projected(volume: &Value, source: &str) -> bool {
    let Some(projected) = volume.get("projected") else { return false };
    items(projected, "sources").iter().any(|one| is_named(one, &[source, "name"]))
}

fn is_named(value: &Value, path: &[&str]) -> bool {
    at(value, path).and_then(Value::as_str).is_some_and(|name| !name.is_empty())
}
