//! `DefaultTolerationSeconds`: pods stay five minutes on a node that is lost, unless they say otherwise.

use portcullis_api::{Object, Result, Value};
use serde_json::json;

use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

const SECONDS: i64 = 300;
const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

pub(super) struct DefaultTolerationSeconds;

impl Plugin for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.is("", "pods") && matches!(write.operation, Operation::Create | Operation::Update)
    }

    fn mutate(&self, _: &Attributes<'_>, pod: &mut Object) -> Result<()> {
        let mut tolerations =
            pod.at(&["spec", "tolerations"]).and_then(Value::as_array).cloned().unwrap_or_default();
        let missing: Vec<&str> =
            TAINTS.into_iter().filter(|taint| !tolerations.iter().any(|one| tolerates(one, taint))).collect();
        if missing.is_empty() {
            return Ok(());
        }
        tolerations.extend(missing.into_iter().map(|taint| {
            json!({ "key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS })
        }));
        pod.set_at(&["spec", "tolerations"], Value::Array(tolerations));
        Ok(())
    }
}

fn tolerates(toleration: &Value, taint: &str) -> bool {
    let text = |field: &str| toleration.get(field).and_then(Value::as_str).unwrap_or_default();
    matches!(text("key"), key if key == taint || key.is_empty()) && matches!(text("effect"), "NoExecute" | "")
}
