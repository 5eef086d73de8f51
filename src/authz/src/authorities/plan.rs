//! Which authorizers are asked, in what order, and where their files are.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::configuration;
use super::modes::{self, Mode};
use crate::files::LoadError;
use crate::webhook::{FailurePolicy, Version, WebhookPlan};

/// What stands at one place of the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// An authorizer of this program.
    Ours(Mode),
    /// A webhook.
    Webhook(WebhookPlan),
}

/// Which authorizers are asked, in what order, and where their files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    pub(super) places: Vec<Place>,
    /// The file the places were read from, if one was: it is read again when it changes.
    pub(super) file: Option<PathBuf>,
    /// Rules of ours.
    pub policy_dir: Option<PathBuf>,
    /// Kubernetes' attribute policies.
    pub abac_file: Option<PathBuf>,
    /// Rules that are only tried out: counted, never decisive.
    pub shadow_dir: Option<PathBuf>,
}

/// The `--authorization-webhook-*` flags.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WebhookFlags {
    /// `--authorization-webhook-config-file`
    pub config_file: Option<PathBuf>,
    /// `--authorization-webhook-version`; v1beta1 if none is given.
    pub version: Option<String>,
    /// `--authorization-webhook-cache-authorized-ttl`; five minutes if none is given.
    pub authorized_ttl: Option<Duration>,
    /// `--authorization-webhook-cache-unauthorized-ttl`; half a minute if none is given.
    pub unauthorized_ttl: Option<Duration>,
}

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum PlanError {
    /// Its own words.
    Wrong(String),
    /// A policy file.
    File(LoadError),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(why) => f.write_str(why),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PlanError {}

impl From<LoadError> for PlanError {
    fn from(error: LoadError) -> Self {
        Self::File(error)
    }
}

impl Default for Plan {
    /// Node, policy files, RBAC.
    fn default() -> Self {
        let modes = [Mode::Node, Mode::PolicyFiles, Mode::Rbac];
        Self::of(modes.map(Place::Ours).into())
    }
}

impl Plan {
    fn of(places: Vec<Place>) -> Self {
        Self { places, file: None, policy_dir: None, abac_file: None, shadow_dir: None }
    }

    /// The modes of `--authorization-mode`, with what the flags say of the webhook among them.
    ///
    /// # Errors
    /// A mode that is none, or is named twice; a webhook without its file, or a file without the webhook.
    pub fn modes<S: AsRef<str>>(words: &[S], flags: &WebhookFlags) -> Result<Self, PlanError> {
        let wrong = |why: &str| PlanError::Wrong(why.to_owned());
        let modes = modes::parse(words).map_err(PlanError::Wrong)?;
        if flags.config_file.is_some() && !modes.contains(&None) {
            return Err(wrong("cannot specify --authorization-webhook-config-file without mode Webhook"));
        }
        let places = modes.into_iter().map(|mode| match mode {
            Some(mode) => Ok(Place::Ours(mode)),
            None => flags.webhook().map(Place::Webhook),
        });
        places.collect::<Result<_, _>>().map(Self::of).map_err(PlanError::Wrong)
    }

    /// The authorizers of an `AuthorizationConfiguration` file, with its text.
    ///
    /// # Errors
    /// Everything that is wrong with it, and what is not supported.
    pub fn configuration(file: PathBuf, text: &str) -> Result<Self, PlanError> {
        let places = configuration::parse(text).map_err(PlanError::Wrong)?;
        Ok(Self { file: Some(file), ..Self::of(places) })
    }

    /// Whether an authorizer is asked that allows everything.
    pub fn allows_everything(&self) -> bool {
        self.has(Mode::AlwaysAllow)
    }

    /// Whether an authorizer of ours is asked.
    pub(super) fn has(&self, mode: Mode) -> bool {
        self.places.contains(&Place::Ours(mode))
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        let wrong = |why: &str| Err(PlanError::Wrong(why.to_owned()));
        match (self.has(Mode::Abac), &self.abac_file) {
            (true, None) => return wrong("authorization-mode ABAC's authorization policy file not passed"),
            (false, Some(_)) => return wrong("cannot specify --authorization-policy-file without mode ABAC"),
            _ => {}
        }
        if self.policy_dir.is_some() && !self.has(Mode::PolicyFiles) {
            return wrong("cannot specify --policy-dir without mode PolicyFiles");
        }
        Ok(())
    }
}

impl WebhookFlags {
    /// Whether any is set.
    pub fn are_set(&self) -> bool {
        *self != Self::default()
    }

    fn webhook(&self) -> Result<WebhookPlan, String> {
        let file = self.config_file.clone();
        let version = self.version.as_deref().unwrap_or("v1beta1");
        let unsupported = || {
            format!(
                "unsupported webhook authorizer version {version:?}, supported versions are \"v1\", \"v1beta1\""
            )
        };
        Ok(WebhookPlan {
            name: "default".to_owned(),
            authorized_ttl: self.authorized_ttl.unwrap_or(Duration::from_secs(300)),
            unauthorized_ttl: self.unauthorized_ttl.unwrap_or(Duration::from_secs(30)),
            timeout: Duration::from_secs(30),
            version: Version::of(version).ok_or_else(unsupported)?,
            // Upstream goes on to the next authorizer. Who wants that writes it into a file.
            failure_policy: FailurePolicy::Deny,
            kubeconfig: file.ok_or("authorization-mode Webhook's authorization config file not passed")?,
            conditions: Vec::new(),
        })
    }
}
