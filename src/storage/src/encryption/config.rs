//! Upstream's `EncryptionConfiguration`, read strictly and checked in upstream's words.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_api::field::{Error, ErrorList, Path, go_quote};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::kms::{Kms, Pace};
use super::sealing::Scheme;

const API_VERSION: &str = "apiserver.config.k8s.io/v1";
const KIND: &str = "EncryptionConfiguration";
/// How long a plugin may take, if the file does not say.
const KMS_TIMEOUT: Duration = Duration::from_secs(3);

/// The file.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct File {
    api_version: String,
    kind: String,
    #[serde(default)]
    pub(super) resources: Vec<Entry>,
}

/// Some resources with what their values are sealed by.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) resources: Vec<String>,
    #[serde(default)]
    pub(super) providers: Vec<Provider>,
}

/// One provider; exactly one of its fields is set.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) aesgcm: Option<Keys>,
    pub(super) aescbc: Option<Keys>,
    pub(super) secretbox: Option<Keys>,
    pub(super) identity: Option<Identity>,
    pub(super) kms: Option<KmsPlugin>,
}

/// A KMS plugin.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct KmsPlugin {
    #[serde(default = "v1")]
    api_version: String,
    #[serde(default)]
    name: String,
    cachesize: Option<i32>,
    #[serde(default)]
    endpoint: String,
    timeout: Option<String>,
}

fn v1() -> String {
    "v1".to_owned()
}

impl KmsPlugin {
    /// What speaks to it, once the file was checked.
    pub(super) fn plugin(&self, pace: Pace) -> Result<Kms, String> {
        if self.api_version == "v1" {
            return Err("KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead."
                .to_owned());
        }
        let name = &self.name;
        let refused =
            |why: String| format!("could not configure KMSv2-Plugin's probe {name:?}, error: {why}");
        let path = self.socket().map_err(refused)?;
        let timeout = self.timeout().ok_or_else(|| refused("its timeout is no duration".to_owned()))?;
        Ok(Kms::new(name, path, timeout, pace))
    }

    /// `None` if it is no duration.
    fn timeout(&self) -> Option<Duration> {
        let Some(text) = &self.timeout else { return Some(KMS_TIMEOUT) };
        let parsed = text.parse::<jiff::SignedDuration>().ok()?;
        Some(Duration::try_from(parsed).unwrap_or_default())
    }

    /// The path of its socket; one of a single segment that begins with `@` is not in the file system.
    fn socket(&self) -> Result<PathBuf, String> {
        let unsupported =
            |scheme: &str| format!("unsupported scheme {scheme:?} for KMS provider, only unix is supported");
        let (scheme, rest) = self.endpoint.split_once(':').ok_or_else(|| unsupported(""))?;
        if scheme != "unix" {
            return Err(unsupported(scheme));
        }
        // What stands between `//` and the next slash would be a host, which upstream leaves out of the path.
        let path = rest
            .strip_prefix("//")
            .map_or(rest, |rest| rest.find('/').map_or("", |at| rest.get(at..).unwrap_or("")));
        Ok(path.strip_prefix('/').filter(|path| path.starts_with('@')).unwrap_or(path).into())
    }
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    #[serde(default)]
    pub(super) keys: Vec<NamedKey>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedKey {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    secret: SecretString,
}

impl NamedKey {
    /// The key itself; `None` if it is not base64.
    pub(super) fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        use base64::Engine as _;
        // Go's decoder takes line ends within.
        let text: Zeroizing<String> = Zeroizing::new(
            self.secret.expose_secret().chars().filter(|c| !matches!(c, '\n' | '\r')).collect(),
        );
        base64::engine::general_purpose::STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new)
    }
}

impl Provider {
    /// Its keys, if it has any.
    pub(super) fn keys(&self) -> Option<(Scheme, &Keys)> {
        let gcm = self.aesgcm.as_ref().map(|keys| (Scheme::AesGcm, keys));
        let cbc = || self.aescbc.as_ref().map(|keys| (Scheme::AesCbc, keys));
        gcm.or_else(cbc).or_else(|| self.secretbox.as_ref().map(|keys| (Scheme::Secretbox, keys)))
    }

    fn count(&self) -> usize {
        let set = [
            self.aesgcm.is_some(),
            self.aescbc.is_some(),
            self.secretbox.is_some(),
            self.identity.is_some(),
            self.kms.is_some(),
        ];
        set.into_iter().filter(|set| *set).count()
    }
}

/// Reads and checks a file; says all that is wrong with it.
pub(super) fn parse(text: &str) -> Result<File, String> {
    if text.trim().is_empty() {
        return Err("the file is empty".to_owned());
    }
    // The parser's words may hold a part of the file, and so of a key: only the place is told.
    let file: File = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map_or_else(String::new, |at| format!(" near line {}", at.line()));
        format!("it is not an {KIND} of {API_VERSION}{place}")
    })?;
    if file.kind != KIND || file.api_version != API_VERSION {
        return Err(format!("got unexpected config type: {}, Kind={}", file.api_version, file.kind));
    }
    let errors = validate(&file);
    let mut said = errors.iter().map(|error| format!("{}: {}", error.path, error.body()));
    match (said.next(), errors.len()) {
        (None, _) => Ok(file),
        (Some(only), 1) => Err(only),
        (Some(first), _) => {
            Err(format!("[{}]", std::iter::once(first).chain(said).collect::<Vec<_>>().join(", ")))
        }
    }
}

fn validate(file: &File) -> ErrorList {
    let root = Path::new("resources");
    let (mut errors, mut plugins) = (ErrorList::new(), HashSet::new());
    if file.resources.is_empty() {
        errors.push(Error::required(&root, "at least one resources is required"));
    }
    for (at, entry) in file.resources.iter().enumerate() {
        let (resources, providers) = (root.index(at).child("resources"), root.index(at).child("providers"));
        if entry.resources.is_empty() {
            errors.push(Error::required(&resources, format!("at least one {resources} is required")));
        }
        overlap(&entry.resources, &resources, &mut errors);
        names(&entry.resources, &resources, &mut errors);
        if entry.providers.is_empty() {
            errors.push(Error::required(&providers, format!("at least one {providers} is required")));
        }
        for (at, one) in entry.providers.iter().enumerate() {
            provider(one, &providers.index(at), &mut plugins, &mut errors);
        }
    }
    errors
}

/// A resource of the file, `resource` or `resource.group`, as group and resource.
pub(super) fn group_resource(text: &str) -> (&str, &str) {
    let (resource, group) = text.split_once('.').unwrap_or((text, ""));
    (group, resource)
}

fn overlap(resources: &[String], path: &Path, errors: &mut ErrorList) {
    let parsed: Vec<_> = resources.iter().map(|resource| group_resource(resource)).collect();
    let (mut twice, mut overlap) = (false, false);
    for (i, one) in parsed.iter().enumerate() {
        for other in parsed.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other) {
            if one == other && !twice {
                twice = true;
            } else if *one == ("*", "*") || (one.0 == other.0 && (one.1 == "*" || other.1 == "*")) {
                overlap = true;
            }
        }
    }
    let shown = || serde_json::Value::from(resources.to_vec());
    if twice {
        errors.push(Error::invalid(path, shown(), "the same resource cannot be specified multiple times"));
    }
    if overlap {
        let detail = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed \
                      as they will be masked";
        errors.push(Error::invalid(path, shown(), detail));
    }
}

fn names(resources: &[String], path: &Path, errors: &mut ErrorList) {
    for (at, resource) in resources.iter().enumerate() {
        if let Some(detail) = misnamed(resource) {
            errors.push(Error::invalid(&path.index(at), resource.as_str(), detail));
        }
    }
}

fn misnamed(resource: &str) -> Option<&'static str> {
    let (group, name) = group_resource(resource);
    if resource.chars().any(char::is_uppercase) {
        return Some("resource name should not contain capital letters");
    }
    match (resource, group) {
        ("*", _) => {
            Some("use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources")
        }
        ("apiserveripinfo" | "serviceipallocations" | "servicenodeportallocations", _) => {
            Some("resources which do not have REST API/s cannot be encrypted")
        }
        (_, "events.k8s.io") => Some(
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the \
             config file",
        ),
        (_, "extensions") => Some("'extensions' group has been removed and cannot be used for encryption"),
        (_, "*") if name != "*" => Some("encrypting the same resource across groups is not supported"),
        _ => None,
    }
}

fn provider<'f>(one: &'f Provider, path: &Path, plugins: &mut HashSet<&'f str>, errors: &mut ErrorList) {
    match one.count() {
        0 => errors.push(Error::invalid(
            path,
            "",
            "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity",
        )),
        1 => {}
        _ => errors.push(Error::invalid(
            path,
            "",
            "more than one provider specified in a single element, should split into different list elements",
        )),
    }
    if let Some(kms) = &one.kms {
        check_plugin(kms, &path.child("kms"), plugins, errors);
        plugins.insert(&kms.name);
    } else if let Some((scheme, keys)) = one.keys() {
        check_keys(scheme, keys, &path.child(scheme.name()).child("keys"), errors);
    }
}

fn check_plugin(kms: &KmsPlugin, path: &Path, plugins: &HashSet<&str>, errors: &mut ErrorList) {
    let name = path.child("name");
    if kms.name.is_empty() {
        errors.push(Error::required(&name, "name is a mandatory field for a provider"));
    }
    if kms.api_version != "v1" && kms.name.contains(':') {
        let detail = format!("invalid KMS provider name {}, must not contain ':'", kms.name);
        errors.push(Error::invalid(&name, &*kms.name, detail));
    }
    if plugins.contains(&*kms.name) {
        let detail = format!("duplicate KMS provider name {}, names must be unique", kms.name);
        errors.push(Error::invalid(&name, &*kms.name, detail));
    }
    if kms.timeout().is_none_or(|timeout| timeout.is_zero()) {
        let shown = kms.timeout.as_deref().unwrap_or_default();
        errors.push(Error::invalid(&path.child("timeout"), shown, "timeout should be a positive value"));
    }
    let endpoint = path.child("endpoint");
    if kms.endpoint.is_empty() {
        errors.push(Error::invalid(&endpoint, "", "endpoint is a mandatory field for a kms"));
    } else if let Err(why) = kms.socket() {
        errors.push(Error::invalid(&endpoint, &*kms.endpoint, why));
    }
    match kms.cachesize {
        Some(size) if kms.api_version != "v1" => {
            errors.push(Error::invalid(
                &path.child("cachesize"),
                i64::from(size),
                "cachesize is not supported in v2",
            ));
        }
        Some(0) => {
            let detail = "cachesize should be a positive value, or negative to disable";
            errors.push(Error::invalid(&path.child("cachesize"), 0_i64, detail));
        }
        _ => {}
    }
    if !matches!(&*kms.api_version, "v1" | "v2") {
        let detail = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported";
        errors.push(Error::invalid(&path.child("apiVersion"), &*kms.api_version, detail));
    }
}

fn check_keys(scheme: Scheme, keys: &Keys, path: &Path, errors: &mut ErrorList) {
    if keys.keys.is_empty() {
        errors.push(Error::required(path, "at least one keys is required"));
    }
    for (at, key) in keys.keys.iter().enumerate() {
        let path = path.index(at);
        if key.name.is_empty() {
            errors.push(Error::required(&path.child("name"), "name is a mandatory field for a key"));
        }
        let secret = path.child("secret");
        if key.secret.expose_secret().is_empty() {
            errors.push(Error::required(&secret, "secret is a mandatory field for a key"));
            continue;
        }
        let Some(bytes) = key.bytes() else {
            errors.push(Error::invalid(&secret, "REDACTED", "secrets must be base64 encoded"));
            continue;
        };
        let lengths = scheme.key_lengths();
        if !lengths.contains(&bytes.len()) {
            let lengths: Vec<String> = lengths.iter().map(ToString::to_string).collect();
            let (got, lengths) = (bytes.len(), lengths.join(" "));
            let detail =
                format!("secret is not of the expected length, got {got}, expected one of [{lengths}]");
            errors.push(Error::invalid(&secret, "REDACTED", detail));
        }
    }
}

/// A resource as upstream's words show it.
pub(super) fn shown((group, resource): (&str, &str)) -> String {
    match (group, resource) {
        ("", "*") => go_quote("*."),
        ("", resource) => go_quote(resource),
        (group, resource) => go_quote(&format!("{resource}.{group}")),
    }
}
