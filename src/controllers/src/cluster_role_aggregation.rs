//! Cluster roles whose rules are those of other cluster roles, chosen by label.

use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::api::{Patch, PatchParams};
use kube::core::{Selector, SelectorExt as _};
use kube::{Api, Client, ResourceExt as _};
use portcullis_client::{Key, Next, Queue};

use crate::Error;
use crate::informers::Informers;

const AT_A_TIME: usize = 5;
/// Who owns the rules, as upstream.
const FIELD_MANAGER: &str = "clusterrole-aggregation-controller";

pub(crate) async fn run(informers: Arc<Informers>, client: Client) {
    let queue = Queue::new();
    let roles = informers.cluster_roles.clone();
    roles.synced().await;
    let store = Arc::downgrade(&roles);
    // Any role may be a part of any other, so every change makes all wholes worth a look.
    roles.feed(&queue, move |_| {
        let known = store.upgrade().map(|store| store.list()).unwrap_or_default();
        known.into_iter().filter(|role| role.aggregation_rule.is_some()).map(|role| role.name_any())
    });
    let api = Api::<ClusterRole>::all(client);
    queue.work(AT_A_TIME, |name| aggregate(&informers, &api, name)).await;
}

async fn aggregate(informers: &Informers, api: &Api<ClusterRole>, name: String) -> Result<Next, Error> {
    let Some(whole) = informers.cluster_roles.get(&Key::cluster(&name)) else { return Ok(Next::Settled) };
    let Some(rules) = rules_of_parts(&whole, &informers.cluster_roles.list())? else {
        return Ok(Next::Settled);
    };
    if rules == sorted_out(whole.rules.as_deref().unwrap_or_default()) {
        return Ok(Next::Settled);
    }
    let mut wanted = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": name },
    });
    if !rules.is_empty()
        && let Some(wanted) = wanted.as_object_mut()
    {
        wanted.insert("rules".to_owned(), serde_json::json!(rules));
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch(&name, &params, &Patch::Apply(wanted)).await.map_err(Error::from) {
        Err(error) => Err(error),
        Ok(_) => Ok(Next::Settled),
    }
}

/// The rules of a role's parts, by selector and then by name, each once; none for a role that has its own.
fn rules_of_parts(whole: &ClusterRole, all: &[Arc<ClusterRole>]) -> Result<Option<Vec<PolicyRule>>, Error> {
    let Some(aggregation) = &whole.aggregation_rule else { return Ok(None) };
    let mut rules = Vec::new();
    for selector in aggregation.cluster_role_selectors.iter().flatten() {
        let selector = Selector::try_from(selector.clone()).map_err(Error::Selector)?;
        let parts =
            all.iter().filter(|role| role.name_any() != whole.name_any() && selector.matches(role.labels()));
        for rule in parts.flat_map(|role| sorted_out(role.rules.as_deref().unwrap_or_default())) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    Ok(Some(rules))
}

/// The rules with an empty list and a missing one made the same.
fn sorted_out(rules: &[PolicyRule]) -> Vec<PolicyRule> {
    let filled = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
    let plain = |rule: &PolicyRule| PolicyRule {
        api_groups: filled(&rule.api_groups),
        non_resource_urls: filled(&rule.non_resource_urls),
        resource_names: filled(&rule.resource_names),
        resources: filled(&rule.resources),
        verbs: rule.verbs.clone(),
    };
    rules.iter().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(tree: serde_json::Value) -> Arc<ClusterRole> {
        Arc::new(serde_json::from_value(tree).unwrap())
    }

    fn part(name: &str, label: &str, resources: &[&str]) -> Arc<ClusterRole> {
        let rules: Vec<_> = resources
            .iter()
            .map(|resource| serde_json::json!({ "apiGroups": [""], "resources": [resource], "verbs": ["get"] }))
            .collect();
        role(serde_json::json!({ "metadata": { "name": name, "labels": { "part": label } }, "rules": rules }))
    }

    fn whole(labels: &[&str]) -> Arc<ClusterRole> {
        let selectors: Vec<_> =
            labels.iter().map(|label| serde_json::json!({ "matchLabels": { "part": label } })).collect();
        let aggregation = serde_json::json!({ "clusterRoleSelectors": selectors });
        role(serde_json::json!({
            "metadata": { "name": "whole", "labels": { "part": "a" } },
            "aggregationRule": aggregation,
            "rules": [{ "apiGroups": [""], "resources": ["own"], "verbs": ["get"] }],
        }))
    }

    fn resources(rules: &[PolicyRule]) -> Vec<&str> {
        rules.iter().filter_map(|rule| rule.resources.as_ref()?.first()).map(String::as_str).collect()
    }

    #[test]
    fn rules_come_by_selector_then_name_each_once_and_never_from_the_role_itself() {
        let whole = whole(&["b", "a"]);
        let all = [
            part("p1", "a", &["pods"]),
            part("p2", "b", &["services", "pods"]),
            part("p3", "a", &["nodes"]),
            part("p4", "c", &["secrets"]),
            whole.clone(),
        ];
        let rules = rules_of_parts(&whole, &all).unwrap().unwrap();
        assert_eq!(resources(&rules), ["services", "pods", "nodes"]);
    }

    #[test]
    fn a_role_with_rules_of_its_own_is_left_alone() {
        assert!(rules_of_parts(&part("p", "a", &["pods"]), &[]).unwrap().is_none());
    }
}
