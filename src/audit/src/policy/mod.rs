//! Which requests are recorded, and how much of them: upstream's `audit.k8s.io/v1` Policy.
//!
//! ```text
//! file.rs   YAML -> checked rules, in upstream's words where upstream refuses
//! rule.rs   the first rule that matches user, verb, resource or path decides
//! guard.rs  what no policy can switch off, and what no policy can switch on
//! ```
//!
//! Unlike upstream a request that no rule matches is recorded at Metadata, and rules may say
//! `required: true`: such a request is refused when its arrival cannot be recorded.

mod file;
mod guard;
mod rule;

use std::path::Path;

use http::StatusCode;
use portcullis_api::{RequestInfo, UserInfo};

use crate::level::{Level, Stage, Stages};
use rule::Rule;

/// The policy a server has without `--audit-policy-file`.
pub const DEFAULT_POLICY: &str = include_str!("../../../../policies/audit.yaml");

const MAX_FILE: u64 = 1 << 20;

/// Why a policy cannot be used; the words are upstream's where upstream refuses the same.
#[derive(Debug, thiserror::Error)]
#[error("loading audit policy file: {0}")]
pub struct PolicyError(String);

/// The rules.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    omit: Stages,
    omit_managed_fields: bool,
    wait: Wait,
}

/// Whether requests wait for the record of their arrival though no rule says `required`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wait {
    #[default]
    No,
    /// They wait, and go on without it.
    Yes,
    /// They are refused without it.
    Required,
}

/// What is recorded of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How much.
    pub level: Level,
    /// Which stages are left out.
    pub omit: Stages,
    /// Whether bodies lose their managed fields.
    pub omit_managed_fields: bool,
    /// Whether the request is refused when its arrival cannot be recorded.
    pub required: bool,
    /// Whether the request waits for the record of its arrival, if there is one, and goes on without it.
    pub waits: bool,
}

impl Policy {
    /// Metadata of everything, at every stage.
    pub fn everything() -> Self {
        Self::default()
    }

    /// The embedded default.
    pub fn builtin() -> Result<Self, PolicyError> {
        Self::parse(DEFAULT_POLICY)
    }

    /// Reads a policy file.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let shown = path.display();
        let failed =
            |cause: std::io::Error| PolicyError(format!("failed to read file path \"{shown}\": {cause}"));
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(PolicyError(format!("the file is larger than 1 MiB: from file {shown}")));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).map_err(|PolicyError(words)| PolicyError(format!("{words}: from file {shown}")))
    }

    /// Reads the text of a policy.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        file::parse(text).map_err(PolicyError)
    }

    /// The same rules, each of them required: upstream's mode `blocking-strict`.
    #[must_use]
    pub fn require_all(self) -> Self {
        Self { wait: Wait::Required, ..self }
    }

    /// The same rules, and requests wait for the record of their arrival: upstream's mode `blocking`.
    #[must_use]
    pub fn wait_for_all(self) -> Self {
        let wait = if self.wait == Wait::Required { Wait::Required } else { Wait::Yes };
        Self { wait, ..self }
    }

    /// What is recorded of a request; `user` is none where nobody was identified.
    pub fn plan(&self, info: &RequestInfo, user: Option<&UserInfo>) -> Plan {
        let rule = self.rules.iter().find(|rule| rule.matches(info, user));
        let mut plan = Plan {
            level: rule.map_or(Level::Metadata, |rule| rule.level),
            omit: rule.map_or(self.omit, |rule| rule.omit.union(self.omit)),
            omit_managed_fields: rule
                .and_then(|rule| rule.omit_managed_fields)
                .unwrap_or(self.omit_managed_fields),
            required: rule.is_some_and(|rule| rule.required),
            waits: self.wait == Wait::Yes,
        };
        if guard::bodies_stay_out(info) {
            plan.level = plan.level.min(Level::Metadata);
        }
        if self.wait == Wait::Required && plan.level > Level::None {
            plan.required = true;
        }
        if plan.required {
            plan.omit = plan.omit.without(Stage::RequestReceived);
        }
        plan
    }
}

/// The level of an event about how a request ended: never less than what must stay on record.
pub(crate) fn final_level(
    planned: Level,
    info: &RequestInfo,
    user: Option<&UserInfo>,
    impersonates: bool,
    code: Option<StatusCode>,
) -> Level {
    if planned == Level::None && guard::must_be_seen(info, user, impersonates, code) {
        return Level::Metadata;
    }
    planned
}

#[cfg(test)]
mod tests;
