//! Flow control: whoever seats requests learns of every change of flow schemas and priority levels, and each
//! schema is told in its status whether its level is there.

use std::collections::HashSet;
use std::time::Duration;

use portcullis_api::{ApiError, Object, Reason, Result, Value, Verb, time};
use portcullis_authz::Permit;
use portcullis_schema::FieldValidation;
use portcullis_storage::{WatchError, WatchStart};
use serde_json::json;
use tracing::warn;

use crate::Registry;
use crate::kinds::check::{items, text};
use crate::options::WriteOptions;
use crate::own::Own;
use crate::resource::Resource;
use crate::verbs::patch;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";
const DANGLING: &str = "Dangling";
/// What failed is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

impl Registry {
    /// Calls `use_these` with all flow schemas and priority levels, now and after every change, for ever.
    pub async fn follow_flow_control(&self, use_these: impl Fn(&[Object]) + Send + Sync) {
        loop {
            if let Err(error) = self.follow_once(&use_these).await {
                let why = error.log().unwrap_or(error.message());
                warn!(why, "Flow control could not be brought up to date");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn follow_once(&self, use_these: &(impl Fn(&[Object]) + Send + Sync)) -> Result<()> {
        let (schemas, levels) = (self.flow("flowschemas")?, self.flow("prioritylevelconfigurations")?);
        let mut changes = schemas.cache()?.watch(WatchStart::Initial).await.map_err(broken)?;
        let mut level_changes = levels.cache()?.watch(WatchStart::Initial).await.map_err(broken)?;
        loop {
            let (levels, mut all) = (objects(levels)?, objects(schemas)?);
            let names: HashSet<&str> = levels.iter().map(Object::name).collect();
            for schema in all.iter().filter(|schema| !is_told(schema, &names)) {
                self.tell(schema, &names).await?;
            }
            all.extend(levels);
            use_these(&all);
            tokio::select! {
                batch = changes.next_batch() => batch.map_err(broken)?,
                batch = level_changes.next_batch() => batch.map_err(broken)?,
            };
        }
    }

    fn flow(&self, resource: &str) -> Result<&std::sync::Arc<Resource>> {
        let found = self.resources().get(GROUP, "v1", resource);
        found.ok_or_else(|| ApiError::internal("flow control is not served"))
    }

    /// Applies the condition, as upstream's server does.
    async fn tell(&self, schema: &Object, levels: &HashSet<&str>) -> Result<()> {
        let own = Own::new(Permit::assertion_for_upkeep("whether a flow schema's level is there"));
        let mut call = own.call(self, self.flow("flowschemas")?, Verb::Patch, ("", "status"));
        let options = WriteOptions {
            dry_run: false,
            field_manager: MANAGER.to_owned(),
            field_validation: FieldValidation::Ignore,
            validation_named: false,
            force: true,
        };
        let mut condition = condition(level_of(schema), levels);
        if let Some(members) = condition.as_object_mut() {
            members.insert("lastTransitionTime".to_owned(), time::now_rfc3339().into());
        }
        let configuration = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "FlowSchema",
            "metadata": { "name": schema.name() }, "status": { "conditions": [condition] },
        });
        match patch::apply(&mut call, schema.name(), configuration.to_string().as_bytes(), &options).await {
            // It went meanwhile, which the watch tells too.
            Err(error) if error.reason() == Reason::NotFound => Ok(()),
            other => other.map(drop),
        }
    }
}

fn objects(resource: &Resource) -> Result<Vec<Object>> {
    resource.snapshot()?.iter().map(|entry| resource.tree(entry)).collect()
}

fn level_of(schema: &Object) -> &str {
    schema.str_at(&["spec", "priorityLevelConfiguration", "name"])
}

fn condition(level: &str, levels: &HashSet<&str>) -> Value {
    let references =
        format!("This FlowSchema references the PriorityLevelConfiguration object named {}", json!(level));
    let (status, reason, message) = match levels.contains(level) {
        true => ("False", "Found", format!("{references} and it exists")),
        false => ("True", "NotFound", format!("{references} but there is no such object")),
    };
    json!({ "type": DANGLING, "status": status, "reason": reason, "message": message })
}

fn is_told(schema: &Object, levels: &HashSet<&str>) -> bool {
    let wanted = condition(level_of(schema), levels);
    let status = schema.at(&["status"]).unwrap_or(&Value::Null);
    let told = items(status, "conditions").iter().find(|one| text(one, "type") == DANGLING);
    told.is_some_and(|told| {
        ["status", "reason", "message"].iter().all(|field| told.get(field) == wanted.get(field))
    })
}

fn broken(error: WatchError) -> ApiError {
    ApiError::internal(format!("flow control is no longer followed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(level: &str, conditions: Value) -> Object {
        let tree = json!({
            "metadata": { "name": "s" }, "spec": { "priorityLevelConfiguration": { "name": level } },
            "status": { "conditions": conditions },
        });
        Object::new(tree.as_object().unwrap().clone())
    }

    #[test]
    fn a_schema_is_told_once_whether_its_level_is_there() {
        let levels = HashSet::from(["there"]);
        let found = condition("there", &levels);
        assert_eq!(found["status"], "False");
        assert_eq!(
            condition("gone", &levels)["message"],
            "This FlowSchema references the PriorityLevelConfiguration object named \"gone\" but there is no such object"
        );
        assert!(!is_told(&schema("there", json!([])), &levels));
        assert!(!is_told(&schema("there", Value::Null), &levels));
        let mut told = found.clone();
        told["lastTransitionTime"] = "2026-01-01T00:00:00Z".into();
        assert!(is_told(&schema("there", json!([{ "type": "Other" }, told])), &levels));
        assert!(!is_told(&schema("gone", json!([found])), &levels));
    }
}
