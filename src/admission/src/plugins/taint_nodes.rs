//! `TaintNodesByCondition`: a new node takes no pods before something has found it ready.

use portcullis_api::{Object, Result, Value};
use serde_json::json;

use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) struct TaintNodesByCondition;

impl Plugin for TaintNodesByCondition {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.is("", "nodes") && write.operation == Operation::Create
    }

    fn mutate(&self, _: &Attributes<'_>, node: &mut Object) -> Result<()> {
        let mut taints = node.at(&["spec", "taints"]).and_then(Value::as_array).cloned().unwrap_or_default();
        let is_there = |taint: &Value| {
            taint.get("key").and_then(Value::as_str) == Some(NOT_READY)
                && taint.get("effect").and_then(Value::as_str) == Some("NoSchedule")
        };
        if !taints.iter().any(is_there) {
            taints.push(json!({ "key": NOT_READY, "effect": "NoSchedule" }));
            node.set_at(&["spec", "taints"], Value::Array(taints));
        }
        Ok(())
    }
}
