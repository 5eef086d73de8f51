//! `ServiceAccount`: every pod runs as a service account that exists, with a token mounted unless it
//! or the account says otherwise.

use std::collections::HashSet;

use portcullis_api::{Object, Result, Value};
use serde_json::json;

use super::{core, forbidden, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_SECONDS: i64 = 60 * 60 + 7;
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

pub(super) struct ServiceAccount;

impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.is("", "pods") && write.operation == Operation::Create
    }

    fn mutate(&self, write: &Attributes<'_>, pod: &mut Object) -> Result<()> {
        if is_mirror(pod) {
            return check_mirror(write, pod);
        }
        let mut name = pod.str_at(&["spec", "serviceAccountName"]).to_owned();
        if name.is_empty() {
            "default".clone_into(&mut name);
        }
        pod.set_at(&["spec", "serviceAccountName"], name.clone().into());
        pod.set_at(&["spec", "serviceAccount"], name.clone().into());
        let Some(account) = write.reader.get(&core("serviceaccounts"), write.namespace, &name) else {
            let why = format!(
                "error looking up service account {}/{name}: serviceaccount \"{name}\" not found",
                write.namespace
            );
            return Err(forbidden(write, shown_name(pod), &why));
        };
        if wants_token(pod, &account) {
            mount_token(pod);
        }
        copy_pull_secrets(pod, &account);
        Ok(())
    }
}

fn is_mirror(pod: &Object) -> bool {
    pod.annotations().any(|(key, _)| key == "kubernetes.io/config.mirror")
}

/// What a node reports of its own static pods uses nothing of the cluster.
fn check_mirror(write: &Attributes<'_>, pod: &Object) -> Result<()> {
    if !pod.str_at(&["spec", "serviceAccountName"]).is_empty() {
        return Err(forbidden(write, shown_name(pod), "a mirror pod may not reference service accounts"));
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
    let name = volume_name(pod);
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
    if !mounted {
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
        let name = format!("kube-api-access-{}", suffix.collect::<String>());
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
