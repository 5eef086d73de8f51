//! The authorizers as they are configured, and what keeps them current.
//!
//! ```text
//! --authorization-mode | AuthorizationConfiguration  -> Plan         which, in what order
//! Plan + --policy-dir, --authorization-policy-file   -> Authorities  the chain and its indexes
//! ```

mod configuration;
mod modes;
mod report;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_api::UserInfo;
use portcullis_authn::UserTokens;

pub use modes::Mode;
pub(crate) use report::tell;

use crate::attributes::Attributes;
use crate::chain::{Authorizer, Chain};
use crate::decision::{Decision, Reason};
use crate::files::{ABAC, LoadError, NamespaceLabels, PolicyFiles, Source};
use crate::listing::Rules;
use crate::node::NodeAuthorizer;
use crate::rbac::RbacIndex;
use crate::scopes::TokenScopes;

/// The chain and everything that writes keep current.
#[derive(Clone)]
pub struct Authorities {
    /// Who may do what.
    pub chain: Arc<Chain>,
    /// Roles and bindings.
    pub rbac: RbacIndex,
    /// What belongs to which node.
    pub nodes: NodeAuthorizer,
    /// The labels of namespaces, which rules of policy files may ask for.
    pub labels: NamespaceLabels,
    /// The policy files in use; those only tried out are last.
    pub files: Vec<PolicyFiles>,
}

/// Which authorizers are asked, in what order, and where their files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    modes: Vec<Mode>,
    /// Rules of ours.
    pub policy_dir: Option<PathBuf>,
    /// Kubernetes' attribute policies.
    pub abac_file: Option<PathBuf>,
    /// Rules that are only tried out: counted, never decisive.
    pub shadow_dir: Option<PathBuf>,
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
        Self::of(vec![Mode::Node, Mode::PolicyFiles, Mode::Rbac])
    }
}

impl Plan {
    fn of(modes: Vec<Mode>) -> Self {
        Self { modes, policy_dir: None, abac_file: None, shadow_dir: None }
    }

    /// The modes of `--authorization-mode`.
    ///
    /// # Errors
    /// A mode that is none, or is named twice.
    pub fn modes<S: AsRef<str>>(words: &[S]) -> Result<Self, PlanError> {
        modes::parse(words).map(Self::of).map_err(PlanError::Wrong)
    }

    /// The authorizers of an `AuthorizationConfiguration` file.
    ///
    /// # Errors
    /// Everything that is wrong with it, and what is not supported.
    pub fn configuration(text: &str) -> Result<Self, PlanError> {
        configuration::parse(text).map(Self::of).map_err(PlanError::Wrong)
    }

    /// Whether an authorizer is asked that allows everything.
    pub fn allows_everything(&self) -> bool {
        self.modes.contains(&Mode::AlwaysAllow)
    }

    fn check(&self) -> Result<(), PlanError> {
        let wrong = |why: &str| Err(PlanError::Wrong(why.to_owned()));
        match (self.modes.contains(&Mode::Abac), &self.abac_file) {
            (true, None) => return wrong("authorization-mode ABAC's authorization policy file not passed"),
            (false, Some(_)) => return wrong("cannot specify --authorization-policy-file without mode ABAC"),
            _ => {}
        }
        if self.policy_dir.is_some() && !self.modes.contains(&Mode::PolicyFiles) {
            return wrong("cannot specify --policy-dir without mode PolicyFiles");
        }
        Ok(())
    }
}

impl Authorities {
    /// Node, policy files if there are any, and RBAC, knowing of nothing yet.
    pub fn built_in() -> Self {
        let (rbac, nodes, labels) = (RbacIndex::new(), NodeAuthorizer::new(), NamespaceLabels::new());
        let chain = Arc::new(Chain::new().then(nodes.clone()).then(rbac.clone()));
        Self { chain, rbac, nodes, labels, files: Vec::new() }
    }

    /// What a plan says, with all its files read.
    ///
    /// # Errors
    /// A contradiction, or a file that cannot be used.
    pub fn build(plan: &Plan) -> Result<Self, PlanError> {
        Self::build_for(plan, None)
    }

    /// The same, holding the users of scoped tokens to their scopes.
    ///
    /// # Errors
    /// A contradiction, or a file that cannot be used.
    pub fn build_for(plan: &Plan, tokens: Option<UserTokens>) -> Result<Self, PlanError> {
        plan.check()?;
        let (rbac, nodes, labels) = (RbacIndex::new(), NodeAuthorizer::new(), NamespaceLabels::new());
        let open = |name, source| PolicyFiles::open(name, source, labels.clone());
        let chain = Chain::new();
        let mut chain = match tokens {
            Some(tokens) => chain.guard(TokenScopes::new(tokens)),
            None => chain,
        };
        let mut files = Vec::new();
        for mode in &plan.modes {
            chain = match (mode, &plan.policy_dir, &plan.abac_file) {
                (Mode::Node, ..) => chain.then(nodes.clone()),
                (Mode::Rbac, ..) => chain.then(rbac.clone()),
                (Mode::AlwaysAllow, ..) => chain.then(Always(true)),
                (Mode::AlwaysDeny, ..) => chain.then(Always(false)),
                (Mode::PolicyFiles, Some(dir), _) => {
                    let set = open(Mode::PolicyFiles.as_str(), Source::Directory(dir.clone()))?;
                    files.push(set.clone());
                    chain.guard(set.refusals()).then(set)
                }
                (Mode::Abac, _, Some(file)) => {
                    let set = open(ABAC, Source::AbacFile(file.clone()))?;
                    files.push(set.clone());
                    chain.then(set)
                }
                (Mode::PolicyFiles, None, _) | (Mode::Abac, _, None) => chain,
            };
        }
        if let Some(dir) = &plan.shadow_dir {
            let set = open("Shadow", Source::Directory(dir.clone()))?;
            files.push(set.clone());
            chain = chain.shadow(set);
        }
        Ok(Self { chain: Arc::new(chain), rbac, nodes, labels, files })
    }

    /// Reads policy files again that changed.
    pub fn refresh(&self) {
        for files in &self.files {
            files.refresh();
        }
    }
}

/// Upstream's `AlwaysAllow` and `AlwaysDeny`.
struct Always(bool);

impl Authorizer for Always {
    fn name(&self) -> &'static str {
        if self.0 { "AlwaysAllow" } else { "AlwaysDeny" }
    }

    fn decide(&self, _: &UserInfo, _: &Attributes<'_>) -> Decision {
        if self.0 {
            return Decision::allow(Reason::Said("".into()));
        }
        let mut grounds = crate::decision::Grounds::default();
        grounds.reasons.push(Reason::Said("Everything is forbidden.".into()));
        Decision::NoOpinion(grounds)
    }

    fn rules(&self, _: &UserInfo, _: &str) -> Rules {
        let mut rules = Rules::default();
        if self.0 {
            rules.add_everything();
        }
        rules
    }

    fn generation(&self, _: &UserInfo) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests;
