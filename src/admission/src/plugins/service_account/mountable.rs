//! Accounts that are marked so let their pods use no secrets but those they list themselves.

use std::collections::HashSet;

use portcullis_api::{Object, Value};

use crate::plugins::pod_references::secrets_of_volume;
use portcullis_api::tree::{at, items, text};

const MARK: &str = "kubernetes.io/enforce-mountable-secrets";

/// The first secret a pod uses that its account does not list.
///
/// # Errors
/// The words of the refusal.
pub(super) fn check(account: &Object, pod: &Object) -> Result<(), String> {
    if !is_marked(account) {
        return Ok(());
    }
    let secrets = Listed::of(account, "secrets");
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    for volume in items(spec, "volumes") {
        for name in secrets_of_volume(volume) {
            secrets.check(name, || "volume with".to_owned())?;
        }
    }
    check_containers(&secrets, spec, "initContainers", "init container")?;
    check_containers(&secrets, spec, "containers", "container")?;
    let pull = Listed::of(account, "imagePullSecrets");
    for (index, secret) in items(spec, "imagePullSecrets").iter().enumerate() {
        let name = text(secret, "name");
        if !pull.names.contains(name) {
            return Err(format!(
                "imagePullSecrets[{index}].name=\"{name}\" is not allowed because service account {} does not reference \
                 that imagePullSecret",
                account.name()
            ));
        }
    }
    Ok(())
}

/// The same for containers that join a running pod.
///
/// # Errors
/// The words of the refusal.
pub(super) fn check_ephemeral(account: &Object, pod: &Object) -> Result<(), String> {
    if !is_marked(account) {
        return Ok(());
    }
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    check_containers(&Listed::of(account, "secrets"), spec, "ephemeralContainers", "ephemeral container")
}

fn is_marked(account: &Object) -> bool {
    let yes = |value: &str| matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True");
    account.annotations().any(|(key, value)| key == MARK && yes(value))
}

/// The secrets an account lists.
struct Listed<'a> {
    account: &'a str,
    names: HashSet<&'a str>,
}

impl<'a> Listed<'a> {
    fn of(account: &'a Object, field: &str) -> Self {
        let list = account.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Self { account: account.name(), names: list.iter().map(|secret| text(secret, "name")).collect() }
    }

    fn check(&self, name: &str, user: impl FnOnce() -> String) -> Result<(), String> {
        if self.names.contains(name) {
            return Ok(());
        }
        Err(format!(
            "{} secret.secretName=\"{name}\" is not allowed because service account {} does not reference that secret",
            user(),
            self.account
        ))
    }
}

fn check_containers(secrets: &Listed<'_>, spec: &Value, field: &str, words: &str) -> Result<(), String> {
    for container in items(spec, field) {
        let who = || format!("{words} {}", text(container, "name"));
        for variable in items(container, "env") {
            if let Some(source) = at(variable, &["valueFrom", "secretKeyRef"]) {
                let user = || format!("{} with envVar {} referencing", who(), text(variable, "name"));
                secrets.check(text(source, "name"), user)?;
            }
        }
        for source in items(container, "envFrom").iter().filter_map(|source| source.get("secretRef")) {
            secrets.check(text(source, "name"), || format!("{} with envFrom referencing", who()))?;
        }
    }
    Ok(())
}
