//! `pods/NAME/binding`: the scheduler's decision, made once.

use http::StatusCode;
use portcullis_api::field::ErrorList;
use portcullis_api::{ApiError, GroupResource, Object, Result, Scope, Value, time};
use serde_json::json;

use crate::call::{Call, Write};
use crate::negotiate::{self, Endpoint};
use crate::options::WriteOptions;
use crate::strategy::Strategy;
use crate::verbs::update::{self, Change};
use crate::{Response, meta, respond};

pub(super) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Plain)?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_create(&call.query)?;
    let kind = portcullis_schema::kind_named("", "v1", "Binding")
        .ok_or_else(|| ApiError::internal("the Binding kind is not built in"))?;
    let decoded =
        portcullis_schema::decode::decode_body(kind, &body, call.media_type()?, options.field_validation)?;
    call.warnings.extend(decoded.problems);
    call.tell_decoded(&decoded.object);
    let mut binding = decoded.object;
    meta::ensure_namespace(&mut binding, Scope::Namespaced, &call.target.namespace)?;
    let name = pod_name(call, &binding)?;
    check(&binding)?;
    let write = Write::create(&name, &options);
    call.mutate(&write, &mut binding, None).await?;
    let admitted = call.admit(&write, Some(binding), None).await?;
    let binding = admitted.into_object().unwrap_or_default();
    let mut pods = call.redirect("", "v1", "pods")?;
    let strategy = &Assignment;
    let produce = |call: &mut Call<'_>, live: Option<&Object>| assigned(call, live, &binding, &name);
    let change = Change {
        name: &name,
        strategy,
        options: &options,
        may_create: false,
        expect_uid: binding.uid(),
        produce: &produce,
    };
    update::run(&mut pods, &change).await?;
    respond::created_status(call, output)
}

/// Upstream writes an assignment without the rules of a pod update: the scheduler sets what nobody may.
struct Assignment;

impl Strategy for Assignment {
    fn validate(&self, _: &Object, _: &mut ErrorList) {}

    fn validate_update(&self, _: &Object, _: &Object, _: &mut ErrorList) {}
}

fn pod_name(call: &Call<'_>, binding: &Object) -> Result<String> {
    if call.target.name.is_empty() || *call.target.name == *binding.name() {
        return Ok(binding.name().to_owned());
    }
    let message = "name in URL does not match name in Binding object";
    Err(ApiError::bad_request(message))
}

/// Upstream answers these with a plain error, hence a 500 without reason.
fn check(binding: &Object) -> Result<()> {
    let target = binding.at(&["target"]);
    let text = |field: &str| target.and_then(|t| t.get(field)).and_then(Value::as_str).unwrap_or_default();
    let message = if !matches!(text("kind"), "" | "Node") {
        format!(
            "target.kind: Unsupported value: {}: supported values: \"Node\", \"<empty>\"",
            portcullis_api::field::go_quote(text("kind"))
        )
    } else if text("name").is_empty() {
        "target.name: Required value".to_owned()
    } else {
        return Ok(());
    };
    Err(ApiError::new(portcullis_api::Reason::Unknown, message).with_code(StatusCode::INTERNAL_SERVER_ERROR))
}

fn assigned(call: &mut Call<'_>, live: Option<&Object>, binding: &Object, name: &str) -> Result<Object> {
    let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
    let refuse = |why: String| {
        let gr = GroupResource::new("", "pods/binding");
        Err(ApiError::conflict(&gr, name, &why))
    };
    if live.is_deleting() {
        return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = live.str_at(&["spec", "nodeName"]);
    if !node.is_empty() {
        return refuse(format!("pod {name} is already assigned to node \"{node}\""));
    }
    let gates = live.at(&["spec", "schedulingGates"]).and_then(Value::as_array);
    if gates.is_some_and(|gates| !gates.is_empty()) {
        return refuse(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let mut new = live.clone();
    new.set_at(&["spec", "nodeName"], binding.str_at(&["target", "name"]).into());
    new.remove_at(&["status", "nominatedNodeName"]);
    merge(&mut new, "annotations", binding.annotations());
    merge(&mut new, "labels", binding.labels());
    set_scheduled(&mut new);
    Ok(new)
}

/// What the scheduler says of the pod goes with its decision.
fn merge<'b>(pod: &mut Object, field: &str, added: impl Iterator<Item = (&'b str, &'b str)>) {
    for (key, value) in added {
        pod.set_at(&["metadata", field, key], value.into());
    }
}

fn set_scheduled(pod: &mut Object) {
    let condition = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": time::now_rfc3339(),
    });
    let mut conditions =
        pod.at(&["status", "conditions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    conditions.retain(|c| c.get("type").and_then(Value::as_str) != Some("PodScheduled"));
    conditions.push(condition);
    pod.set_at(&["status", "conditions"], Value::Array(conditions));
}
