//! What an eviction costs: the one budget that covers the pod, and whether it allows another disruption.

use std::sync::Arc;

use portcullis_api::selector::LabelSelector;
use portcullis_api::{ApiError, Cause, GroupResource, Object, Reason, Result, Value, time};
use serde_json::json;

use crate::call::Call;
use crate::options::WriteOptions;
use crate::verbs::update::{self, Change};

/// More pods than this may not be on their way out at once, as upstream.
const MAX_DISRUPTED: usize = 2000;

/// What became of an eviction's cost.
pub(super) enum Cost {
    /// There is no budget, or a disruption of it was spent.
    Paid,
    /// The pod is not ready, which this budget does not count as long as it stays so.
    FreeWhileUnready(String),
}

/// Spends a disruption of the budget that covers a pod.
pub(super) async fn charge(call: &mut Call<'_>, pod: &Object, dry_run: bool) -> Result<Cost> {
    let budgets = matching(call, pod)?;
    match budgets.as_slice() {
        [] => Ok(Cost::Paid),
        [budget] if !is_ready(pod) && spares_unready(budget) => {
            Ok(Cost::FreeWhileUnready(budget.name().to_owned()))
        }
        [budget] => spend(call, budget.name(), pod.name(), dry_run).await.map(|()| Cost::Paid),
        _ => {
            let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            Err(ApiError::new(Reason::Unknown, why))
        }
    }
}

/// 429: the budget's controller has not caught up.
pub(super) fn still_processed(budget: &str) -> ApiError {
    refusal(format!("The disruption budget {budget} is still being processed by the server."), 10)
}

fn matching(call: &Call<'_>, pod: &Object) -> Result<Vec<Arc<Object>>> {
    let budgets = call.redirect("policy", "v1", "poddisruptionbudgets")?;
    let mut found = Vec::new();
    for budget in call.registry.trees(budgets.resource, &call.target.namespace)? {
        let selector = LabelSelector::from_object(budget.at(&["spec", "selector"]));
        if selector.is_ok_and(|selector| selector.matches_object(pod)) {
            found.push(budget);
        }
    }
    Ok(found)
}

fn is_ready(pod: &Object) -> bool {
    let conditions = pod.at(&["status", "conditions"]).and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let is = |field: &str, word: &str| condition.get(field).and_then(Value::as_str) == Some(word);
        is("type", "Ready") && is("status", "True")
    })
}

/// Whether a pod that is not ready may go without counting.
fn spares_unready(budget: &Object) -> bool {
    let (healthy, desired) = (number(budget, "currentHealthy"), number(budget, "desiredHealthy"));
    budget.str_at(&["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow"
        || (healthy >= desired && desired > 0)
}

fn number(budget: &Object, field: &str) -> i64 {
    budget.at(&["status", field]).and_then(Value::as_i64).unwrap_or(0)
}

async fn spend(call: &Call<'_>, budget: &str, pod: &str, dry_run: bool) -> Result<()> {
    let mut budgets = call.redirect("policy", "v1", "poddisruptionbudgets")?;
    let strategy = budgets.resource.endpoint_strategy("status")?;
    let options = WriteOptions::own("", dry_run);
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, budget))?;
        disrupted(live, pod)
    };
    let change = Change {
        name: budget,
        strategy,
        options: &options,
        may_create: false,
        expect_uid: "",
        produce: &produce,
    };
    update::run(&mut budgets, &change).await.map(drop)
}

/// The budget with one disruption less allowed and the pod noted.
fn disrupted(budget: &Object, pod: &str) -> Result<Object> {
    if number(budget, "observedGeneration") < budget.generation() {
        return Err(still_processed(budget.name()));
    }
    let allowed = number(budget, "disruptionsAllowed");
    if allowed < 0 {
        return Err(forbidden(budget, "pdb disruptions allowed is negative"));
    }
    let noted = budget.at(&["status", "disruptedPods"]).and_then(Value::as_object);
    if noted.is_some_and(|noted| noted.len() > MAX_DISRUPTED) {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(forbidden(budget, why));
    }
    if allowed == 0 {
        return Err(refusal(why_none(budget), 0));
    }
    let mut new = budget.clone();
    new.set_at(&["status", "disruptionsAllowed"], (allowed - 1).into());
    if allowed == 1 {
        exhaust(&mut new);
    }
    new.set_at(&["status", "disruptedPods", pod], time::now_rfc3339().into());
    Ok(new)
}

const ALLOWED: &str = "DisruptionAllowed";

fn condition(budget: &Object) -> Option<&Value> {
    let conditions = budget.at(&["status", "conditions"]).and_then(Value::as_array)?;
    conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(ALLOWED))
}

/// Says in the budget that nothing more is allowed.
fn exhaust(budget: &mut Object) {
    let condition = json!({
        "type": ALLOWED,
        "status": "False",
        "reason": "InsufficientPods",
        "message": "",
        "observedGeneration": number(budget, "observedGeneration"),
    });
    super::set_condition(budget, condition);
}

fn why_none(budget: &Object) -> String {
    let name = budget.name();
    let text = |field: &str| {
        let condition =
            condition(budget).filter(|c| c.get("status").and_then(Value::as_str) == Some("False"));
        condition.and_then(|c| c.get(field)).and_then(Value::as_str).unwrap_or_default()
    };
    let (reason, message) = (text("reason"), text("message"));
    let (healthy, desired) = (number(budget, "currentHealthy"), number(budget, "desiredHealthy"));
    if reason == "SyncFailed" && !message.is_empty() {
        format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {message}"
        )
    } else if healthy <= desired {
        format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently")
    } else if !message.is_empty() {
        format!("The disruption budget {name} does not allow evicting pods currently ({reason}): {message}")
    } else {
        format!("The disruption budget {name} does not allow evicting pods currently")
    }
}

fn refusal(cause: String, wait: u32) -> ApiError {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let cause = Cause { reason: "DisruptionBudget".into(), message: cause, field: String::new() };
    ApiError::too_many_requests(message, wait).with_causes(vec![cause])
}

fn forbidden(budget: &Object, why: &str) -> ApiError {
    let gr = GroupResource::new("policy", "poddisruptionbudget");
    let message = format!("{gr} \"{}\" is forbidden: {why}", budget.name());
    ApiError::new(Reason::Forbidden, message).about(&gr, budget.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(spec: Value, status: Value) -> Object {
        let tree = json!({"metadata": {"name": "b", "generation": 1}, "spec": spec, "status": status});
        Object::new(tree.as_object().unwrap().clone())
    }

    #[test]
    fn the_last_disruption_is_said_to_be_spent() {
        let status = json!({"observedGeneration": 1, "disruptionsAllowed": 1});
        let new = disrupted(&budget(json!({}), status), "p").unwrap();
        assert_eq!(number(&new, "disruptionsAllowed"), 0);
        assert_eq!(condition(&new).unwrap()["reason"], "InsufficientPods");
        assert!(new.at(&["status", "disruptedPods", "p"]).is_some());
        let refused = disrupted(&new, "q").unwrap_err();
        assert_eq!(refused.reason(), Reason::TooManyRequests);
    }

    #[test]
    fn a_refusal_names_its_cause() {
        let why = |status: Value| why_none(&budget(json!({}), status));
        assert_eq!(
            why(json!({"desiredHealthy": 2, "currentHealthy": 1})),
            "The disruption budget b needs 2 healthy pods and has 1 currently"
        );
        let failed = json!([{"type": ALLOWED, "status": "False", "reason": "SyncFailed", "message": "m"}]);
        assert_eq!(
            why(json!({"desiredHealthy": 1, "currentHealthy": 2, "conditions": failed})),
            "The disruption budget b does not allow evicting pods currently because it failed sync: m"
        );
    }

    #[test]
    fn unready_pods_are_free_where_the_budget_says_so() {
        let enough = json!({"currentHealthy": 2, "desiredHealthy": 2});
        let few = json!({"currentHealthy": 1, "desiredHealthy": 2});
        assert!(spares_unready(&budget(json!({}), enough)));
        assert!(!spares_unready(&budget(json!({}), few.clone())));
        assert!(spares_unready(&budget(json!({"unhealthyPodEvictionPolicy": "AlwaysAllow"}), few)));
        assert!(!spares_unready(&budget(json!({}), json!({}))));
    }
}
