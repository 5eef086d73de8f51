//! The sources of storage that pods and persistent volumes share.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::check::{At, entries, flag, int, items, one_of, opt_int, required_text, text};

/// A source: its field, the place told when it is one too many, the place of its own mistakes, its rules.
pub(crate) type Source = (&'static str, &'static str, &'static str, fn(&Value, At<'_>, &mut ErrorList));

const PARTITION_WORDS: &str = "must be between 1 and 255, inclusive";
const ISCSI_NAME_MAX: usize = 64;
const HOST_PATH_TYPES: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// A path must stay below where it starts.
pub(crate) fn no_back_steps(path: &str, at: At<'_>, errors: &mut ErrorList) {
    if path.split('/').any(|part| part == "..") {
        at.invalid(errors, path, "must not contain '..'");
    }
}

/// A path must be relative and stay below where it starts.
pub(crate) fn relative_path(path: &str, at: At<'_>, errors: &mut ErrorList) {
    if path.starts_with('/') {
        at.invalid(errors, path, "must be a relative path");
    }
    no_back_steps(path, at, errors);
}

pub(crate) fn host_path(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    match text(source, "path") {
        "" => at.child("path").required(errors, ""),
        path => {
            no_back_steps(path, at.child("path"), errors);
            if let Some(kind) = source.get("type").and_then(Value::as_str) {
                one_of(kind, &HOST_PATH_TYPES, at.child("type"), errors);
            }
        }
    }
}

pub(crate) fn gce_disk(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "pdName", &at, errors);
    partition(source, at.child("partition"), errors);
}

pub(crate) fn aws_store(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "volumeID", &at, errors);
    partition(source, at.child("partition"), errors);
}

fn partition(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    let partition = int(source, "partition");
    if !(0..=255).contains(&partition) {
        at.invalid(errors, partition, PARTITION_WORDS);
    }
}

pub(crate) fn nfs(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "server", &at, errors);
    required_text(source, "path", &at, errors);
    let path = text(source, "path");
    if !path.starts_with('/') {
        at.child("path").invalid(errors, path, "must be an absolute path");
    }
}

/// An iSCSI target as a pod names it.
pub(crate) fn iscsi(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "targetPortal", &at, errors);
    iscsi_rest(source, "must be valid format starting with iqn, eui, or naa", at, errors);
}

/// An iSCSI target as a persistent volume names it.
pub(crate) fn iscsi_persistent(source: &Value, volume: &str, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "targetPortal", &at, errors);
    let portal = text(source, "targetPortal");
    if source.get("initiatorName").is_some() && volume.len() + 1 + portal.len() > ISCSI_NAME_MAX {
        at.child("targetportal").invalid(errors, portal, ISCSI_LENGTH_WORDS);
    }
    iscsi_rest(source, "must be valid format", at, errors);
    if let Some(secret) = source.get("secretRef") {
        required_text(secret, "name", &at.child("secretRef"), errors);
    }
}

const ISCSI_LENGTH_WORDS: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";

/// The name of the volume and its portal must fit together.
pub(crate) fn iscsi_name(source: &Value, volume: &str, at: At<'_>, errors: &mut ErrorList) {
    let length = volume.len() + 1 + text(source, "targetPortal").len();
    if source.get("initiatorName").is_some() && length > ISCSI_NAME_MAX {
        at.invalid(errors, volume, ISCSI_LENGTH_WORDS);
    }
}

fn iscsi_rest(source: &Value, prefix_words: &str, at: At<'_>, errors: &mut ErrorList) {
    match text(source, "iqn") {
        "" => at.child("iqn").required(errors, ""),
        iqn => iscsi_qualified(iqn, prefix_words, at.child("iqn"), errors),
    }
    let lun = int(source, "lun");
    if !(0..=255).contains(&lun) {
        at.child("lun").invalid(errors, lun, names::inclusive_range_error(0, 255));
    }
    let authenticates = flag(source, "chapAuthDiscovery") || flag(source, "chapAuthSession");
    if authenticates && source.get("secretRef").is_none() {
        at.child("secretRef").required(errors, "");
    }
    if let Some(initiator) = source.get("initiatorName").and_then(Value::as_str) {
        iscsi_qualified(initiator, prefix_words, at.child("initiatorname"), errors);
    }
}

fn iscsi_qualified(name: &str, prefix_words: &str, at: At<'_>, errors: &mut ErrorList) {
    let alnum =
        |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let fits = match name.get(..3) {
        Some("iqn") => is_iqn(name),
        Some("eui") => name.get(4..).is_some_and(|rest| alnum(rest, 16)),
        Some("naa") => name.get(4..).is_some_and(|rest| alnum(rest, 32)),
        _ => {
            at.invalid(errors, name, prefix_words);
            return;
        }
    };
    if !fits {
        at.invalid(errors, name, "must be valid format");
    }
}

/// `iqn.yyyy-mm.reversed.domain:name`
fn is_iqn(name: &str) -> bool {
    let Some((head, unique)) = name.split_once(':') else { return false };
    let mut parts = head.splitn(3, '.');
    let date = (parts.next(), parts.next(), parts.next());
    let (Some("iqn"), Some(date), Some(domain)) = date else { return false };
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    date.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2))
        && !domain.is_empty()
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        && !unique.is_empty()
        && !unique.contains([',', ';', '*', '&', '$', '|'])
        && !unique.contains(char::is_whitespace)
}

pub(crate) fn glusterfs(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "endpoints", &at, errors);
    required_text(source, "path", &at, errors);
}

pub(crate) fn flocker(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (name, uuid) = (text(source, "datasetName"), text(source, "datasetUUID"));
    match (name, uuid) {
        ("", "") => at.required(errors, "one of datasetName and datasetUUID is required"),
        ("", _) | (_, "") => {}
        _ => {
            at.invalid(errors, "resource", "datasetName and datasetUUID can not be specified simultaneously")
        }
    }
    if name.contains('/') {
        at.child("datasetName").invalid(errors, name, "must not contain '/'");
    }
}

pub(crate) fn rbd(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    cephfs(source, at, errors);
    required_text(source, "image", &at, errors);
}

pub(crate) fn cephfs(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    if items(source, "monitors").is_empty() {
        at.child("monitors").required(errors, "");
    }
}

pub(crate) fn cinder(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "volumeID", &at, errors);
    if let Some(secret) = source.get("secretRef") {
        required_text(secret, "name", &at.child("secretRef"), errors);
    }
}

pub(crate) fn quobyte(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    let words = "must be a host:port pair or multiple pairs separated by commas";
    let registry = text(source, "registry");
    if registry.is_empty() {
        at.child("registry").required(errors, words);
    } else if text(source, "tenant").len() >= 65 {
        at.child("tenant").required(errors, "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for _ in registry.split(',').filter(|pair| !is_host_port(pair)) {
            at.child("registry").invalid(errors, registry, words);
        }
    }
    required_text(source, "volume", &at, errors);
}

fn is_host_port(pair: &str) -> bool {
    match pair.strip_prefix('[') {
        Some(v6) => v6.split_once("]:").is_some_and(|(_, port)| !port.contains(':')),
        None => pair.matches(':').count() == 1,
    }
}

pub(crate) fn fibre_channel(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (names, ids) = (items(source, "targetWWNs").len(), items(source, "wwids").len());
    let here = at.child("targetWWNs");
    if names == 0 && ids == 0 {
        here.required(errors, "must specify either targetWWNs or wwids, but not both");
    }
    if names > 0 && ids > 0 {
        let words = "targetWWNs and wwids can not be specified simultaneously";
        here.invalid(errors, source.get("targetWWNs"), words);
    }
    if names == 0 {
        return;
    }
    match opt_int(source, "lun") {
        None => at.child("lun").required(errors, "lun is required if targetWWNs is specified"),
        Some(lun) if !(0..=255).contains(&lun) => {
            at.child("lun").invalid(errors, lun, names::inclusive_range_error(0, 255));
        }
        Some(_) => {}
    }
}

pub(crate) fn flex(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "driver", &at, errors);
    let options = at.child("options");
    for (key, _) in entries(source, "options") {
        let domain = format!(".{}", key.split('/').next().unwrap_or(key).to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            options.key(key).invalid(errors, key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

pub(crate) fn azure_file(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "secretName", &at, errors);
    required_text(source, "shareName", &at, errors);
}

pub(crate) fn vsphere(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "volumePath", &at, errors);
}

pub(crate) fn photon(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "pdID", &at, errors);
}

pub(crate) fn portworx(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "volumeID", &at, errors);
}

pub(crate) fn azure_disk(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    const MANAGED: &str =
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
    const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
    required_text(source, "diskName", &at, errors);
    required_text(source, "diskURI", &at, errors);
    if let Some(mode) = source.get("cachingMode").and_then(Value::as_str) {
        one_of(mode, &["None", "ReadOnly", "ReadWrite"], at.child("cachingMode"), errors);
    }
    let Some(kind) = source.get("kind").and_then(Value::as_str) else { return };
    one_of(kind, &["Dedicated", "Managed", "Shared"], at.child("kind"), errors);
    let uri = text(source, "diskURI");
    if kind == "Managed" && !uri.starts_with("/subscriptions/") {
        at.child("diskURI").not_supported(errors, uri, &[MANAGED]);
    }
    if kind != "Managed" && !uri.starts_with("https://") {
        at.child("diskURI").not_supported(errors, uri, &[BLOB]);
    }
}

pub(crate) fn storage_os(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    match text(source, "volumeName") {
        "" => at.child("volumeName").required(errors, ""),
        name => at.child("volumeName").rule(errors, name, names::dns1123_label),
    }
    let namespace = text(source, "volumeNamespace");
    if !namespace.is_empty() {
        at.child("volumeNamespace").rule(errors, namespace, names::dns1123_label);
    }
    if let Some(secret) = source.get("secretRef") {
        required_text(secret, "name", &at.child("secretRef"), errors);
    }
}

pub(crate) fn scale_io(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    for field in ["gateway", "system", "volumeName"] {
        required_text(source, field, &at, errors);
    }
}

/// The name of a CSI driver.
pub(crate) fn csi_driver(driver: &str, at: At<'_>, errors: &mut ErrorList) {
    if driver.is_empty() {
        at.required(errors, "");
        return;
    }
    if driver.len() > names::DNS_LABEL_MAX {
        at.too_long(errors, names::DNS_LABEL_MAX);
    }
    at.messages(errors, driver, names::dns1123_subdomain(&driver.to_lowercase()));
}

/// `domain/path` of who signs certificates.
pub(crate) fn signer_name(signer: &str, at: At<'_>, errors: &mut ErrorList) {
    const DOMAIN_MAX: usize = 253;
    const PATH_MAX: usize = 317;
    if signer.is_empty() {
        at.required(errors, "");
        return;
    }
    let segments: Vec<&str> = signer.split('/').collect();
    let [domain, path] = segments.as_slice() else {
        at.invalid(
            errors,
            signer,
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        );
        return;
    };
    at.messages(errors, domain, names::dns1123_subdomain(domain));
    let labels = domain.split('.').count();
    if labels < 2 {
        at.invalid(errors, *domain, "should be a domain with at least two segments separated by dots");
    }
    let path_labels = path.split('.');
    path_labels.for_each(|label| at.messages(errors, label, names::dns1123_subdomain(label)));
    if signer.len() > DOMAIN_MAX + 1 + PATH_MAX {
        at.too_long(errors, DOMAIN_MAX + 1 + PATH_MAX);
    }
}
