//! The volumes of a pod.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{At, entries, int, items, opt_int, quantity, required_text, text};
use super::super::super::meta;
use super::super::claim;
use super::super::source::{self, Source};
use super::container::pull_policy;
use super::env::{resource_selector, volume_field};
use super::options::Options;

pub(super) use super::super::source::{no_back_steps, relative_path};

const MORE_THAN_ONE: &str = "may not specify more than 1 volume type";
const MODE_WORDS: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const KEY_TYPES: [&str; 6] = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
const TEN_MINUTES: i64 = 600;

/// Checks all volumes; returns the good ones by name.
pub(super) fn volumes<'a>(
    spec: &'a Value,
    metadata: Option<&Value>,
    at: At<'_>,
    options: Options,
    errors: &mut ErrorList,
) -> Vec<(&'a str, &'a Value)> {
    let volumes = items(spec, "volumes");
    let pod = metadata.map(|m| text(m, "name")).unwrap_or_default();
    let mut good: Vec<(&str, &Value)> = Vec::with_capacity(volumes.len());
    for (i, volume) in volumes.iter().enumerate() {
        let here = at.index(i);
        let name = text(volume, "name");
        let before = errors.len();
        sources(volume, pod, here, options, errors);
        match name {
            "" => here.child("name").required(errors, ""),
            name => here.child("name").rule(errors, name, names::dns1123_label),
        }
        if good.iter().any(|(other, _)| *other == name) {
            here.child("name").duplicate(errors, name);
        }
        if errors.len() == before {
            good.push((name, volume));
        }
        made_claim(volume, volumes, pod, &here, errors);
    }
    good
}

/// A volume cannot use a claim that the pod itself makes for another volume.
fn made_claim(volume: &Value, volumes: &[Value], pod: &str, at: &At<'_>, errors: &mut ErrorList) {
    let Some(claim) = volume.get("persistentVolumeClaim").map(|c| text(c, "claimName")) else { return };
    let made = |other: &Value| {
        other.get("ephemeral").is_some()
            && claim.strip_prefix(pod).and_then(|rest| rest.strip_prefix('-')) == Some(text(other, "name"))
    };
    if !pod.is_empty() && volumes.iter().any(made) {
        let words = "must not reference a PVC that gets created for an ephemeral volume";
        at.child("persistentVolumeClaim").child("claimName").invalid(errors, claim, words);
    }
}

/// The sources in the order they are looked at: the field, the place told when it is one too many,
/// the place of its own mistakes, its rules.
const SOURCES: [Source; 30] = [
    ("emptyDir", "emptyDir", "emptyDir", empty_dir),
    ("hostPath", "hostPath", "hostPath", source::host_path),
    ("gitRepo", "gitRepo", "gitRepo", git_repo),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", source::gce_disk),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", source::aws_store),
    ("secret", "secret", "secret", secret),
    ("nfs", "nfs", "nfs", source::nfs),
    ("iscsi", "iscsi", "iscsi", source::iscsi),
    ("glusterfs", "glusterfs", "glusterfs", source::glusterfs),
    ("flocker", "flocker", "flocker", source::flocker),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim", claim_reference),
    ("rbd", "rbd", "rbd", source::rbd),
    ("cinder", "cinder", "cinder", source::cinder),
    ("cephfs", "cephFS", "cephfs", source::cephfs),
    ("quobyte", "quobyte", "quobyte", source::quobyte),
    ("downwardAPI", "downwarAPI", "downwardAPI", downward),
    ("fc", "fc", "fc", source::fibre_channel),
    ("flexVolume", "flexVolume", "flexVolume", source::flex),
    ("configMap", "configMap", "configMap", config_map),
    ("azureFile", "azureFile", "azureFile", source::azure_file),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", source::vsphere),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", source::photon),
    ("portworxVolume", "portworxVolume", "portworxVolume", source::portworx),
    ("azureDisk", "azureDisk", "azureDisk", source::azure_disk),
    ("storageos", "storageos", "storageos", source::storage_os),
    ("projected", "projected", "projected", ignore),
    ("scaleIO", "scaleIO", "scaleIO", source::scale_io),
    ("csi", "csi", "csi", csi),
    ("ephemeral", "ephemeral", "ephemeral", ephemeral),
    ("image", "image", "image", ignore),
];

fn sources(volume: &Value, pod: &str, at: At<'_>, options: Options, errors: &mut ErrorList) {
    let mut found = false;
    for (field, extra, place, rules) in SOURCES {
        let Some(source) = volume.get(field) else { continue };
        if found {
            at.child(extra).forbidden(errors, MORE_THAN_ONE);
            continue;
        }
        found = true;
        let here = at.child(place);
        rules(source, here, errors);
        match field {
            "iscsi" => source::iscsi_name(source, text(volume, "name"), at.child("name"), errors),
            "projected" => projected(source, options, here, errors),
            "image" => image(source, options, here, errors),
            "ephemeral" => claim_name(text(volume, "name"), pod, at.child("name"), errors),
            _ => {}
        }
    }
    if !found {
        at.required(errors, "must specify a volume type");
    }
}

fn ignore(_source: &Value, _at: At<'_>, _errors: &mut ErrorList) {}

fn empty_dir(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    let limit = text(source, "sizeLimit");
    if !limit.is_empty() && quantity(limit).signum() < 0 {
        at.child("sizeLimit").forbidden(errors, "SizeLimit field must be a valid resource quantity");
    }
}

fn git_repo(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "repository", &at, errors);
    relative_path(text(source, "directory"), at.child("directory"), errors);
}

fn secret(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "secretName", &at, errors);
    keys(source, at, errors);
}

fn config_map(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "name", &at, errors);
    keys(source, at, errors);
}

fn keys(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    mode(source, "defaultMode", &at, errors);
    let list = at.child("items");
    for (i, item) in items(source, "items").iter().enumerate() {
        key_to_path(item, list.index(i), errors);
    }
}

fn key_to_path(item: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(item, "key", &at, errors);
    required_text(item, "path", &at, errors);
    free_path(text(item, "path"), at.child("path"), errors);
    mode(item, "mode", &at, errors);
}

fn mode(holder: &Value, field: &str, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(mode) = opt_int(holder, field).filter(|mode| !(0..=0o777).contains(mode)) {
        at.child(field).invalid(errors, mode, MODE_WORDS);
    }
}

/// A path inside the volume that does not look like the volume's own bookkeeping.
fn free_path(path: &str, at: At<'_>, errors: &mut ErrorList) {
    relative_path(path, at, errors);
    if path.starts_with("..") && !path.starts_with("../") {
        at.invalid(errors, path, "must not start with '..'");
    }
}

fn claim_reference(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "claimName", &at, errors);
}

fn downward(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    mode(source, "defaultMode", &at, errors);
    items(source, "items").iter().for_each(|file| downward_file(file, at, errors));
}

fn downward_file(file: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(file, "path", &at, errors);
    free_path(text(file, "path"), at.child("path"), errors);
    match (file.get("fieldRef"), file.get("resourceFieldRef")) {
        (Some(field), resource) => {
            volume_field(field, at.child("fieldRef"), errors);
            if resource.is_some() {
                let words = "fieldRef and resourceFieldRef can not be specified simultaneously";
                at.invalid(errors, "resource", words);
            }
        }
        (None, Some(resource)) => resource_selector(resource, true, at.child("resourceFieldRef"), errors),
        (None, None) => at.required(errors, "one of fieldRef and resourceFieldRef is required"),
    }
    mode(file, "mode", &at, errors);
}

fn csi(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    source::csi_driver(text(source, "driver"), at.child("driver"), errors);
    if let Some(secret) = source.get("nodePublishSecretRef") {
        match text(secret, "name") {
            "" => at.child("nodePublishSecretRef").child("name").required(errors, ""),
            name => at.child("name").rule(errors, name, names::dns1123_subdomain),
        }
    }
}

fn image(source: &Value, options: Options, at: At<'_>, errors: &mut ErrorList) {
    if options.is_pod {
        required_text(source, "reference", &at, errors);
    }
    pull_policy(text(source, "pullPolicy"), at.child("pullPolicy"), errors);
}

fn ephemeral(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    let here = at.child("volumeClaimTemplate");
    match source.get("volumeClaimTemplate") {
        Some(template) => claim::template(template, here, errors),
        None => here.required(errors, ""),
    }
}

fn claim_name(volume: &str, pod: &str, at: At<'_>, errors: &mut ErrorList) {
    if pod.is_empty() || volume.is_empty() {
        return;
    }
    let claim = format!("{pod}-{volume}");
    for message in names::dns1123_subdomain(&claim) {
        at.invalid(errors, volume, format!("PVC name \"{claim}\": {message}"));
    }
}

/// Several sources shown in one directory; no two may claim the same path.
fn projected(volume: &Value, options: Options, at: At<'_>, errors: &mut ErrorList) {
    mode(volume, "defaultMode", &at, errors);
    let list = at.child("sources");
    let mut paths: Vec<&str> = Vec::new();
    for (i, source) in items(volume, "sources").iter().enumerate() {
        let here = list.index(i);
        for field in ["secret", "configMap"] {
            if let Some(part) = source.get(field) {
                projected_keys(part, &mut paths, here.child(field), &at, errors);
            }
        }
        if let Some(part) = source.get("downwardAPI") {
            let here = here.child("downwardAPI");
            for file in items(part, "items") {
                downward_file(file, here, errors);
                claim_path(text(file, "path"), text(file, "path"), &mut paths, &at, errors);
            }
        }
        if let Some(part) = source.get("serviceAccountToken") {
            token(part, options, here.child("serviceAccountToken"), &at, errors);
        }
        if let Some(part) = source.get("clusterTrustBundle") {
            trust_bundle(part, here.child("clusterTrustBundle"), errors);
            conflict(text(part, "path"), text(part, "path"), &mut paths, &at, errors);
        }
        if let Some(part) = source.get("podCertificate") {
            certificate(part, &mut paths, here.child("podCertificate"), &at, errors);
        }
        if source.as_object().is_some_and(|map| map.len() > 1) {
            here.forbidden(errors, "may not specify more than 1 volume type per source");
        }
    }
}

fn projected_keys<'a>(
    part: &'a Value,
    paths: &mut Vec<&'a str>,
    at: At<'_>,
    volume: &At<'_>,
    errors: &mut ErrorList,
) {
    required_text(part, "name", &at, errors);
    let list = at.child("items");
    for (i, item) in items(part, "items").iter().enumerate() {
        key_to_path(item, list.index(i), errors);
        claim_path(text(item, "path"), text(part, "name"), paths, volume, errors);
    }
}

fn claim_path<'a>(
    path: &'a str,
    shown: &str,
    paths: &mut Vec<&'a str>,
    volume: &At<'_>,
    errors: &mut ErrorList,
) {
    if !path.is_empty() {
        conflict(path, shown, paths, volume, errors);
    }
}

fn conflict<'a>(
    path: &'a str,
    shown: &str,
    paths: &mut Vec<&'a str>,
    volume: &At<'_>,
    errors: &mut ErrorList,
) {
    if paths.contains(&path) {
        volume.invalid(errors, shown, "conflicting duplicate paths");
    } else {
        paths.push(path);
    }
}

fn token(part: &Value, options: Options, at: At<'_>, volume: &At<'_>, errors: &mut ErrorList) {
    let seconds = int(part, "expirationSeconds");
    let here = at.child("expirationSeconds");
    if seconds < TEN_MINUTES {
        here.invalid(errors, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > 1 << 32 {
        here.invalid(errors, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    match text(part, "path") {
        "" => volume.child("path").required(errors, ""),
        path if !options.outside_token_paths => free_path(path, volume.child("path"), errors),
        _ => {}
    }
}

fn trust_bundle(part: &Value, at: At<'_>, errors: &mut ErrorList) {
    let set = |field: &str| part.get(field).and_then(Value::as_str);
    match (set("name"), set("signerName")) {
        (Some(_), Some(_)) => at.invalid(errors, part, "only one of name and signerName may be used"),
        (Some(name), None) => {
            if name.is_empty() {
                at.child("name").required(errors, "must be a valid object name");
            }
            for message in names::dns1123_subdomain(name.rsplit(':').next().unwrap_or(name)) {
                let words = format!("not a valid clustertrustbundlename: {message}");
                at.child("name").invalid(errors, name, words);
            }
            if part.get("labelSelector").is_some() {
                let words = "labelSelector must be unset if name is specified";
                at.child("labelSelector").invalid(errors, part.get("labelSelector"), words);
            }
        }
        (None, Some(signer)) => {
            if signer.is_empty() {
                at.child("signerName").required(errors, "must be a valid signer name");
            }
            source::signer_name(signer, at.child("signerName"), errors);
            meta::label_selector(part.get("labelSelector"), at.child("labelSelector"), errors);
        }
        (None, None) => at.required(errors, "either name or signerName must be specified"),
    }
    required_text(part, "path", &at, errors);
    free_path(text(part, "path"), at.child("path"), errors);
}

fn certificate<'a>(
    part: &'a Value,
    paths: &mut Vec<&'a str>,
    at: At<'_>,
    volume: &At<'_>,
    errors: &mut ErrorList,
) {
    let signer = text(part, "signerName");
    source::signer_name(signer, at.child("signerName"), errors);
    for (key, _) in entries(part, "userAnnotations") {
        at.child("userAnnotations").rule(errors, &key.to_lowercase(), names::qualified_name);
    }
    let kind = text(part, "keyType");
    if !KEY_TYPES.contains(&kind) {
        at.child("keyType").not_supported(errors, kind, &KEY_TYPES);
    }
    if let Some(seconds) = opt_int(part, "maxExpirationSeconds") {
        let here = at.child("maxExpirationSeconds");
        let most = if signer.starts_with("kubernetes.io/") { 86_400 } else { 7_862_400 };
        if seconds < 3600 {
            here.invalid(errors, seconds, "if provided, maxExpirationSeconds must be >= 3600");
        }
        if seconds > most {
            here.invalid(errors, seconds, format!("if provided, maxExpirationSeconds must be <= {most}"));
        }
    }
    let mut any = false;
    for field in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
        let path = text(part, field);
        if !path.is_empty() {
            any = true;
            free_path(path, at.child(field), errors);
            conflict(path, path, paths, volume, errors);
        }
    }
    if !any {
        let words = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath";
        at.required(errors, words);
    }
}
