//! The admission plugins that the flags choose, with the settings of those that have some.

use std::path::Path;

use portcullis_admission::{Chain, plugins};
use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::authentication::read;
use super::options::ServeOptions;

const FLAG: &str = "--admission-control-config-file";
const VERSION: &str = "apiserver.config.k8s.io/v1";

/// Upstream's AdmissionConfiguration.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    plugins: Vec<Configured>,
}

/// One plugin's settings, in place or in a file of their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configured {
    name: String,
    #[serde(default)]
    path: String,
    configuration: Option<Value>,
}

/// The plugins; those that guard something are not switched off unnoticed.
pub(crate) fn admission(options: &ServeOptions) -> Result<Chain, Failure> {
    let list = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
    let disabled = list(&options.disable_admission_plugins);
    let settings = match &options.admission_control_config_file {
        Some(path) => settings(path)?,
        None => plugins::Settings::default(),
    };
    let chosen = plugins::chosen(&list(&options.enable_admission_plugins), &disabled, &settings)
        .map_err(|error| Failure::caused("the admission plugins cannot be chosen", &error))?;
    if !disabled.is_empty() {
        tracing::warn!(plugins = disabled.join(","), "Admission plugins are switched off");
    }
    Ok(Chain::new(chosen).without(&disabled))
}

fn settings(path: &Path) -> Result<plugins::Settings, Failure> {
    let what = || format!("{FLAG} {} cannot be used", path.display());
    let unusable = |why: String| Failure::because(what(), why);
    let config: Configuration =
        serde_saphyr::from_str(&read(path, FLAG)?).map_err(|error| unusable(error.to_string()))?;
    if (config.api_version.as_str(), config.kind.as_str()) != (VERSION, "AdmissionConfiguration") {
        return Err(unusable(format!("it is no AdmissionConfiguration of {VERSION}")));
    }
    let mut settings = plugins::Settings::default();
    for plugin in config.plugins {
        let own = match plugin.configuration {
            Some(own) => own,
            None => {
                let file = path.parent().unwrap_or(Path::new("")).join(&plugin.path);
                let text = read(&file, FLAG)?;
                serde_saphyr::from_str(&text).map_err(|error| unusable(error.to_string()))?
            }
        };
        match plugin.name.as_str() {
            "EventRateLimit" => {
                let limits = plugins::EventRateLimits::read(&own);
                settings.event_rate = Some(limits.map_err(|why| unusable(format!("EventRateLimit: {why}")))?);
            }
            // Settings that nobody reads would seem to be in force.
            name => return Err(unusable(format!("plugin {name:?} takes no configuration here"))),
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, enable: &[&str]) -> Result<Vec<&'static str>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admission.yaml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.path().join("own.yaml"), LIMITS).unwrap();
        let options = ServeOptions {
            admission_control_config_file: Some(path),
            enable_admission_plugins: Some(enable.iter().map(ToString::to_string).collect()),
            ..ServeOptions::default()
        };
        admission(&options).map(|chain| chain.names().collect())
    }

    const LIMITS: &str = "apiVersion: eventratelimit.admission.k8s.io/v1alpha1\nkind: Configuration\nlimits: [{type: Server, qps: 5, burst: 9}]\n";

    #[test]
    fn c013_limits_come_from_upstreams_configuration() {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n";
        let named = format!("{head}- {{name: EventRateLimit, path: own.yaml}}\n");
        assert!(with(&named, &["EventRateLimit"]).unwrap().contains(&"EventRateLimit"));
        assert!(!with(&named, &[]).unwrap().contains(&"EventRateLimit"));
        let strange = format!("{head}- {{name: PodSecurity, configuration: {{}}}}\n");
        assert!(with(&strange, &[]).unwrap_err().to_string().contains("takes no configuration"));
        assert!(with("kind: x", &[]).is_err());
    }

    #[test]
    fn c014_an_unknown_plugin_and_one_without_its_limits_are_refused() {
        let choose = |name: &str| {
            let enable_admission_plugins = Some(vec![name.to_owned()]);
            admission(&ServeOptions { enable_admission_plugins, ..ServeOptions::default() })
                .map(drop)
                .map_err(|failure| failure.to_string())
        };
        assert!(choose("AlwaysAdmit").unwrap_err().contains("plugin \"AlwaysAdmit\" is unknown"));
        assert!(choose("EventRateLimit").unwrap_err().contains("has no configuration"));
        choose("AlwaysPullImages").unwrap();
        choose("ValidatingAdmissionPolicy").unwrap();
        choose("DenyServiceExternalIPs").unwrap();
    }
}
