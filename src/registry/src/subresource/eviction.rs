//! `pods/NAME/eviction`: a deletion that pod disruption budgets may refuse.

use portcullis_api::selector::LabelSelector;
use portcullis_api::{ApiError, Object, Reason, Result, Value, time};

use crate::call::{Call, Write};
use crate::negotiate::{self, Endpoint};
use crate::options::{DeleteOptions, WriteOptions};
use crate::verbs::delete;
use crate::verbs::update::{self, Change};
use crate::{Response, respond};

pub(super) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Plain)?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_create(&call.query)?;
    let kind = portcullis_schema::kind_named("policy", "v1", "Eviction")
        .ok_or_else(|| ApiError::internal("the Eviction kind is not built in"))?;
    let decoded =
        portcullis_schema::decode::decode_body(kind, &body, call.media_type()?, options.field_validation)?;
    call.warnings.extend(decoded.problems);
    let mut eviction = decoded.object;
    let name = call.target.name.clone();
    if *eviction.name() != *name {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let write = Write::create(&name, &options);
    call.mutate(&write, &mut eviction, None).await?;
    let admitted = call.admit(&write, Some(eviction), None).await?;
    let eviction = admitted.into_object().unwrap_or_default();
    // What follows was admitted with it.
    call.follows = true;
    let mut delete_options = match eviction.get("deleteOptions") {
        Some(tree) => DeleteOptions::of_body(tree)?,
        None => DeleteOptions::default(),
    };
    delete_options.dry_run |= options.dry_run;
    let live = call.live(&name).await?.ok_or_else(|| ApiError::not_found(&call.resource.gr, &name))?;
    if !may_skip_budget(&live.object) {
        spend_budget(call, &live.object, delete_options.dry_run).await?;
    }
    delete::run(call, &name, &delete_options).await?;
    respond::created_status(call, output)
}

/// Finished, pending and already deleting pods do not count against a budget.
fn may_skip_budget(pod: &Object) -> bool {
    matches!(pod.str_at(&["status", "phase"]), "Succeeded" | "Failed" | "Pending") || pod.is_deleting()
}

async fn spend_budget(call: &mut Call<'_>, pod: &Object, dry_run: bool) -> Result<()> {
    let budgets = matching_budgets(call, pod)?;
    match budgets.as_slice() {
        [] => Ok(()),
        [budget] => decrement(call, budget, pod.name(), dry_run).await,
        _ => {
            let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            let code = http::StatusCode::INTERNAL_SERVER_ERROR;
            Err(ApiError::new(portcullis_api::Reason::Unknown, why).with_code(code))
        }
    }
}

fn matching_budgets(call: &Call<'_>, pod: &Object) -> Result<Vec<Object>> {
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

async fn decrement(call: &Call<'_>, budget: &Object, pod: &str, dry_run: bool) -> Result<()> {
    let name = budget.name().to_owned();
    let mut budgets = call.redirect("policy", "v1", "poddisruptionbudgets")?;
    let strategy = budgets.resource.endpoint_strategy("status")?;
    let options = WriteOptions::own("", dry_run);
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, &name))?;
        disrupted(live, pod)
    };
    let change = Change {
        name: &name,
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
    let number = |field: &str| budget.at(&["status", field]).and_then(Value::as_i64).unwrap_or(0);
    let refuse = |wait: u32| {
        Err(ApiError::too_many_requests(
            "Cannot evict pod as it would violate the pod's disruption budget.",
            wait,
        )
        .with_causes(vec![portcullis_api::Cause {
            reason: "DisruptionBudget".into(),
            message: format!(
                "The disruption budget {} needs {} healthy pods and has {} currently",
                budget.name(),
                number("desiredHealthy"),
                number("currentHealthy")
            ),
            field: String::new(),
        }]))
    };
    if number("observedGeneration") < budget.generation() {
        let wait = "Cannot evict pod as it would violate the pod's disruption budget.";
        let cause = portcullis_api::Cause {
            reason: "DisruptionBudget".into(),
            message: format!(
                "The disruption budget {} is still being processed by the server.",
                budget.name()
            ),
            field: String::new(),
        };
        return Err(ApiError::too_many_requests(wait, 10).with_causes(vec![cause]));
    }
    let allowed = number("disruptionsAllowed");
    if allowed < 0 {
        let message = "pdb disruptions allowed is negative";
        return Err(ApiError::new(Reason::Forbidden, message));
    }
    if allowed == 0 {
        return refuse(0);
    }
    let mut new = budget.clone();
    new.set_at(&["status", "disruptionsAllowed"], (allowed - 1).into());
    new.set_at(&["status", "disruptedPods", pod], time::now_rfc3339().into());
    Ok(new)
}
