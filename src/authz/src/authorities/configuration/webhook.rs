//! The `webhook` of an authorizer.

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_outbound::go_duration;
use serde::Deserialize;

use crate::webhook::{Conditions, FailurePolicy, Version, WebhookPlan};

const LONGEST: Duration = Duration::from_secs(30);
const KUBECONFIG: &str = "KubeConfigFile";
const IN_CLUSTER: &str = "InClusterConfig";

/// A webhook as written. What is not written is empty.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default, rename = "authorizedTTL")]
    authorized_ttl: String,
    #[serde(default)]
    cache_authorized_requests: Option<bool>,
    #[serde(default, rename = "unauthorizedTTL")]
    unauthorized_ttl: String,
    #[serde(default)]
    cache_unauthorized_requests: Option<bool>,
    #[serde(default)]
    timeout: String,
    #[serde(default)]
    subject_access_review_version: String,
    #[serde(default)]
    match_condition_subject_access_review_version: String,
    #[serde(default)]
    failure_policy: String,
    #[serde(default)]
    connection_info: Connection,
    #[serde(default)]
    match_conditions: Vec<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Connection {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    kube_config_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    #[serde(default)]
    expression: String,
}

/// Collects what is wrong below a path.
struct Reader<'a> {
    path: &'a Path,
    errors: &'a mut ErrorList,
}

impl Written {
    /// The webhook; what is wrong with it is told. `path` is the authorizer's, as in upstream's messages.
    pub(super) fn read(&self, name: &str, path: &Path, errors: &mut ErrorList) -> Option<WebhookPlan> {
        let before = errors.len();
        let mut read = Reader { path, errors };
        let timeout = read.timeout(&self.timeout);
        let authorized = read.ttl("authorizedTTL", &self.authorized_ttl, Duration::from_secs(300));
        let unauthorized = read.ttl("unauthorizedTTL", &self.unauthorized_ttl, Duration::from_secs(30));
        let version = read.choice(
            "subjectAccessReviewVersion",
            &self.subject_access_review_version,
            &["v1", "v1beta1"],
            Version::of,
        );
        read.conditions_version(
            &self.match_condition_subject_access_review_version,
            !self.match_conditions.is_empty(),
        );
        let failure_policy =
            read.choice("failurePolicy", &self.failure_policy, &["NoOpinion", "Deny"], |word| match word {
                "NoOpinion" => Some(FailurePolicy::NoOpinion),
                "Deny" => Some(FailurePolicy::Deny),
                _ => None,
            });
        let kubeconfig = read.connection(&self.connection_info);
        let conditions: Vec<String> =
            self.match_conditions.iter().map(|condition| condition.expression.clone()).collect();
        Conditions::check(&conditions, path, errors);
        if errors.len() != before {
            return None;
        }
        let kept =
            |keep: Option<bool>, ttl: Duration| if keep.unwrap_or(true) { ttl } else { Duration::ZERO };
        Some(WebhookPlan {
            name: name.to_owned(),
            authorized_ttl: kept(self.cache_authorized_requests, authorized?),
            unauthorized_ttl: kept(self.cache_unauthorized_requests, unauthorized?),
            timeout: timeout?,
            version: version?,
            failure_policy: failure_policy?,
            kubeconfig: kubeconfig?,
            conditions,
        })
    }
}

impl Reader<'_> {
    fn required(&mut self, field: &str) {
        self.errors.push(Error::required(&self.path.child(field), ""));
    }

    fn invalid(&mut self, path: &Path, value: &str, why: &str) {
        self.errors.push(Error::invalid(path, value, why));
    }

    /// `None` is below zero; nothing written is zero.
    fn duration(&mut self, field: &str, text: &str) -> Option<Option<Duration>> {
        match go_duration::parse(if text.is_empty() { "0" } else { text }) {
            Ok(duration) => Some(duration),
            Err(why) => {
                self.invalid(&self.path.child(field), text, &why);
                None
            }
        }
    }

    fn timeout(&mut self, text: &str) -> Option<Duration> {
        match self.duration("timeout", text)? {
            Some(Duration::ZERO) => self.required("timeout"),
            Some(timeout) if timeout <= LONGEST => return Some(timeout),
            _ => self.invalid(&self.path.child("timeout"), text, "must be > 0s and <= 30s"),
        }
        None
    }

    fn ttl(&mut self, field: &str, text: &str, default: Duration) -> Option<Duration> {
        match self.duration(field, text)? {
            Some(Duration::ZERO) => Some(default),
            Some(ttl) => Some(ttl),
            None => {
                self.invalid(&self.path.child(field), text, "must be > 0s");
                None
            }
        }
    }

    fn choice<T>(
        &mut self,
        field: &str,
        word: &str,
        supported: &[&str],
        of: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let choice = of(word);
        match &choice {
            None if word.is_empty() => self.required(field),
            None => self.errors.push(Error::not_supported(&self.path.child(field), word, supported)),
            Some(_) => {}
        }
        choice
    }

    fn conditions_version(&mut self, word: &str, needed: bool) {
        let path = self.path.child("matchConditionSubjectAccessReviewVersion");
        match word {
            "v1" => {}
            "" if needed => {
                self.errors.push(Error::required(&path, "required if match conditions are specified"));
            }
            "" => {}
            _ => self.errors.push(Error::not_supported(&path, word, &["v1"])),
        }
    }

    fn connection(&mut self, connection: &Connection) -> Option<PathBuf> {
        let path = self.path.child("connectionInfo");
        let (kind, file) = (path.child("type"), path.child("kubeConfigFile"));
        match (&*connection.kind, connection.kube_config_file.as_deref()) {
            ("", _) => self.errors.push(Error::required(&kind, "")),
            (KUBECONFIG, None | Some("")) => self.errors.push(Error::required(&file, "")),
            (KUBECONFIG, Some(given)) => match unusable(FilePath::new(given)) {
                None => return Some(given.into()),
                Some(why) => self.invalid(&file, given, &why),
            },
            (IN_CLUSTER, Some(given)) => {
                self.invalid(&file, given, "can only be set when type=KubeConfigFile");
            }
            // This server is the one that such a webhook would ask.
            (IN_CLUSTER, None) => self.invalid(&kind, IN_CLUSTER, "is not allowed for an API server"),
            (other, _) => {
                self.errors.push(Error::not_supported(&kind, other, &[IN_CLUSTER, KUBECONFIG]));
            }
        }
        None
    }
}

fn unusable(path: &FilePath) -> Option<String> {
    if !path.is_absolute() {
        return Some("must be an absolute path".to_owned());
    }
    match std::fs::metadata(path) {
        Err(error) => Some(format!("error loading file: {error}")),
        Ok(meta) if !meta.is_file() => Some("must be a regular file".to_owned()),
        Ok(_) => None,
    }
}
