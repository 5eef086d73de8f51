//! `ServiceAccount`: every pod runs as a service account that exists, with a token mounted unless it
//! or the account says otherwise.

mod mountable;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use portcullis_api::{Object, Result, Value};
use serde_json::json;

use super::{core, forbidden, pod_references, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;
use portcullis_api::tree::text;

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const PREFIX: &str = "kube-api-access-";
const TOKEN_SECONDS: i64 = 60 * 60 + 7;
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

pub(super) struct ServiceAccount;

impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        let joins = write.operation == Operation::Update && write.subresource == "ephemeralcontainers";
        (write.operation == Operation::Create && write.is("", "pods"))
            || (joins && write.is_any_of("", "pods"))
    }

    fn mutate(&self, write: &Attributes<'_>, pod: &mut Object) -> Result<()> {
        if write.operation != Operation::Create {
            return Ok(());
        }
        if is_mirror(pod) {
            return check_mirror(write, pod);
        }
        let mut name = pod.str_at(&["spec", "serviceAccountName"]).to_owned();
        if name.is_empty() {
            "default".clone_into(&mut name);
        }
        pod.set_at(&["spec", "serviceAccountName"], name.clone().into());
        pod.set_at(&["spec", "serviceAccount"], name.clone().into());
        let account = account(write, pod)?;
        if wants_token(pod, &account) {
            mount_token(pod);
        }
        copy_pull_secrets(pod, &account);
        mountable::check(&account, pod).map_err(|why| forbidden(write, shown_name(pod), &why))
    }

    fn validate(&self, write: &Attributes<'_>, pod: Option<&Object>) -> Result<()> {
        let Some(pod) = pod else { return Ok(()) };
        let check = match write.operation {
            Operation::Create if is_mirror(pod) => return check_mirror(write, pod),
            Operation::Create => mountable::check,
            _ => mountable::check_ephemeral,
        };
        let account = account(write, pod)?;
        check(&account, pod).map_err(|why| forbidden(write, shown_name(pod), &why))
    }
}

/// The account a pod names, or the refusal when there is none.
fn account(write: &Attributes<'_>, pod: &Object) -> Result<Arc<Object>> {
    let name = pod.str_at(&["spec", "serviceAccountName"]);
    if name.is_empty() {
        let why = format!("no service account specified for pod {}/{}", write.namespace, pod.name());
        return Err(forbidden(write, shown_name(pod), &why));
    }
    let account = write.reader.get(&core("serviceaccounts"), write.namespace, name);
    account.ok_or_else(|| {
        let why = format!(
            "error looking up service account {}/{name}: serviceaccount \"{name}\" not found",
            write.namespace
        );
        forbidden(write, shown_name(pod), &why)
    })
}

fn is_mirror(pod: &Object) -> bool {
    pod.annotations().any(|(key, _)| key == "kubernetes.io/config.mirror")
}

/// What a node reports of its own static pods uses nothing of the cluster.
fn check_mirror(write: &Attributes<'_>, pod: &Object) -> Result<()> {
    if !pod.str_at(&["spec", "serviceAccountName"]).is_empty() {
        return Err(forbidden(write, shown_name(pod), "a mirror pod may not reference service accounts"));
    }
    if pod.get("spec").is_some_and(pod_references::names_secret) {
        return Err(forbidden(write, shown_name(pod), "a mirror pod may not reference secrets"));
    }
    let projects_token = list(pod, "volumes").iter().any(|volume| {
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
        sources
            .is_some_and(|sources| sources.iter().any(|source| source.get("serviceAccountToken").is_some()))
    });
    if projects_token {
        let why = "a mirror pod may not use ServiceAccountToken volume projections";
        return Err(forbidden(write, shown_name(pod), why));
    }
    Ok(())
}

fn wants_token(pod: &Object, account: &Object) -> bool {
    let says = |object: &Object, path: &[&str]| object.at(path).and_then(Value::as_bool);
    says(pod, &["spec", "automountServiceAccountToken"])
        .or_else(|| says(account, &["automountServiceAccountToken"]))
        .unwrap_or(true)
}

fn list<'a>(pod: &'a Object, field: &str) -> &'a [Value] {
    pod.at(&["spec", field]).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn mount_token(pod: &mut Object) {
    let known = list(pod, "volumes").iter().map(|volume| text(volume, "name"));
    let known = known.into_iter().find(|name| name.starts_with(PREFIX)).map(str::to_owned);
    let name = known.clone().unwrap_or_else(|| volume_name(pod));
    let mut mounted = false;
    for field in ["initContainers", "containers"] {
        let Some(Value::Array(containers)) = spec_field(pod, field) else { continue };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
            let Some(mounts) = mounts.as_array_mut() else { continue };
            if mounts.iter().any(|mount| mount.get("mountPath").and_then(Value::as_str) == Some(MOUNT)) {
                continue;
            }
            mounts.push(json!({ "name": name, "readOnly": true, "mountPath": MOUNT }));
            mounted = true;
        }
    }
    if !mounted || known.is_some() {
        return;
    }
    let mut volumes = list(pod, "volumes").to_vec();
    volumes.push(token_volume(&name));
    pod.set_at(&["spec", "volumes"], Value::Array(volumes));
}

fn spec_field<'a>(pod: &'a mut Object, field: &str) -> Option<&'a mut Value> {
    pod.map_mut().get_mut("spec")?.get_mut(field)
}

fn volume_name(pod: &Object) -> String {
    let taken: HashSet<&str> =
        list(pod, "volumes").iter().filter_map(|volume| volume.get("name").and_then(Value::as_str)).collect();
    loop {
        let suffix =
            (0..5).filter_map(|_| LETTERS.get(rand::random_range(0..LETTERS.len()))).map(|b| char::from(*b));
        let name = format!("{PREFIX}{}", suffix.collect::<String>());
        if !taken.contains(name.as_str()) {
            return name;
        }
    }
}

fn token_volume(name: &str) -> Value {
    json!({
        "name": name,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                { "serviceAccountToken": { "expirationSeconds": TOKEN_SECONDS, "path": "token" } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [{
                    "path": "namespace",
                    "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" },
                }] } },
            ],
        },
    })
}

fn copy_pull_secrets(pod: &mut Object, account: &Object) {
    if !list(pod, "imagePullSecrets").is_empty() {
        return;
    }
    let secrets = account.get("imagePullSecrets").and_then(Value::as_array).filter(|list| !list.is_empty());
    if let Some(secrets) = secrets {
        pod.set_at(&["spec", "imagePullSecrets"], Value::Array(secrets.clone()));
    }
}
