//! Policies on writes, as clients see them.

mod mutating;
mod validating;

use portcullis_api::{Object, Result, Value};
use serde_json::json;

use super::Policies;
use crate::chain::Chain;
use crate::fake::{Cluster, Write, tree};
use crate::notes::Notes;
use std::sync::Arc;

/// A policy and a binding of each kind.
const POLICY: &str = "validatingadmissionpolicies";
const BINDING: &str = "validatingadmissionpolicybindings";
const MUTATING_POLICY: &str = "mutatingadmissionpolicies";
const MUTATING_BINDING: &str = "mutatingadmissionpolicybindings";

/// What a write came to.
struct Outcome {
    result: Result<Object>,
    notes: Notes,
}

impl Outcome {
    #[track_caller]
    fn refused(&self) -> Value {
        match &self.result {
            Ok(object) => panic!("admitted: {:?}", object.map()),
            Err(error) => error.to_status(),
        }
    }

    #[track_caller]
    fn message(&self) -> String {
        self.refused()["message"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn admitted(&self) -> &Object {
        match &self.result {
            Ok(object) => object,
            Err(error) => panic!("refused: {}", error.message()),
        }
    }
}

/// Policies in force and the cluster around them.
struct Setting {
    policies: Policies,
    cluster: Cluster,
    write: Write,
}

impl Setting {
    /// Nothing is in force; a config map is created in a namespace that is there.
    fn new() -> Self {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "default", "uid": "u1", "labels": {"team": "red"}, "managedFields": []},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        let cluster = Cluster::default().with("namespaces", namespace);
        let write = Write::of(crate::Operation::Create, "configmaps", "ConfigMap");
        Self { policies: Policies::new(), cluster, write }
    }

    fn store(self, resource: &str, name: &str, mut object: Value) -> Self {
        object["metadata"]["name"] = name.into();
        self.policies.observe(resource, name, Some(&tree(object)));
        self
    }

    /// With a validating policy about config maps and its binding.
    fn validating(self, name: &str, spec: Value) -> Self {
        let policy = json!({"spec": with(rules(), spec)});
        let binding = json!({"spec": {"policyName": name, "validationActions": ["Deny"]}});
        self.store(POLICY, name, policy).store(BINDING, &format!("{name}-b"), binding)
    }

    /// With a mutating policy about config maps and its binding.
    fn mutating(self, name: &str, spec: Value) -> Self {
        let policy = json!({"spec": with(rules(), spec)});
        let binding = json!({"spec": {"policyName": name}});
        self.store(MUTATING_POLICY, name, policy).store(MUTATING_BINDING, &format!("{name}-b"), binding)
    }

    /// Lets the policies look at a write of an object.
    fn write(&self, object: Value) -> Outcome {
        let stages = Arc::new(self.policies.clone());
        let chain = Chain::new(Vec::new()).with_policies(stages.clone(), stages);
        let notes = Notes::default();
        let result = self.write.run(&chain, &self.cluster, &notes, tree(object));
        Outcome { result, notes }
    }
}

fn rules() -> Value {
    let rule =
        json!({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*", "*/*"]});
    json!({"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule], "matchPolicy": "Equivalent"}})
}

/// One tree with the fields of another.
fn with(mut base: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

fn validations(list: Value) -> Value {
    json!({ "validations": list })
}

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "default"}, "data": data})
}
