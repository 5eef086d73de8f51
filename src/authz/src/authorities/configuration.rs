//! Upstream's `AuthorizationConfiguration` file.
//!
//! It is checked whole: every mistake is told, with its path. What is not supported is a mistake too.

use portcullis_api::field::go_quote;
use portcullis_api::names;
use serde::Deserialize;

use super::modes::{Mode, NO_WEBHOOK};

const VERSIONS: [&str; 3] =
    ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"];
const KIND: &str = "AuthorizationConfiguration";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    #[serde(default)]
    authorizers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    webhook: Option<serde_json::Value>,
}

/// The authorizers in their order.
pub(super) fn parse(text: &str) -> Result<Vec<Mode>, String> {
    let configuration: Configuration = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if configuration.kind != KIND || !VERSIONS.contains(&&*configuration.api_version) {
        return Err(format!(
            "apiVersion must be {} and kind {KIND}",
            VERSIONS.first().copied().unwrap_or_default()
        ));
    }
    let mut wrong = Vec::new();
    if configuration.authorizers.is_empty() {
        wrong.push("authorizers: Required value: at least one authorization mode must be defined".to_owned());
    }
    let (mut modes, mut names) = (Vec::new(), Vec::new());
    for (place, entry) in configuration.authorizers.iter().enumerate() {
        let path = format!("authorizers[{place}]");
        match entry.mode(&path) {
            Ok(mode) if modes.contains(&mode) => {
                wrong.push(format!("{path}.type: Duplicate value: {}", go_quote(&entry.kind)));
            }
            Ok(mode) => modes.push(mode),
            Err(why) => wrong.push(why),
        }
        wrong.extend(entry.check_name(&path, &names));
        names.push(&*entry.name);
    }
    if wrong.is_empty() { Ok(modes) } else { Err(wrong.join("; ")) }
}

impl Entry {
    fn mode(&self, path: &str) -> Result<Mode, String> {
        if self.kind.is_empty() {
            return Err(format!("{path}.type: Required value"));
        }
        if self.kind == "Webhook" {
            return Err(format!("{path}.type: {NO_WEBHOOK}"));
        }
        if self.webhook.is_some() {
            return Err(format!(
                "{path}.webhook: Invalid value: \"non-null\": may only be specified when type=Webhook"
            ));
        }
        let supported = "\"ABAC\", \"AlwaysAllow\", \"AlwaysDeny\", \"Node\", \"PolicyFiles\", \"RBAC\"";
        let unknown = || {
            format!("{path}.type: Unsupported value: {}: supported values: {supported}", go_quote(&self.kind))
        };
        Mode::of(&self.kind).ok_or_else(unknown)
    }

    fn check_name(&self, path: &str, before: &[&str]) -> Option<String> {
        if self.name.is_empty() {
            return Some(format!("{path}.name: Required value"));
        }
        if before.contains(&&*self.name) {
            return Some(format!("{path}.name: Duplicate value: {}", go_quote(&self.name)));
        }
        let why = names::dns1123_subdomain(&self.name).into_iter().next()?;
        Some(format!(
            "{path}.name: Invalid value: {}: authorizer name is invalid: {why}",
            go_quote(&self.name)
        ))
    }
}
