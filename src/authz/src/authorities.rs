//! The authorizers as they are configured, and what keeps them current.
//!
//! ```text
//! --authorization-mode | AuthorizationConfiguration  -> Plan         which, in what order
//! Plan + --policy-dir, --authorization-policy-file   -> Authorities  the chain and its indexes
//! ```

mod configuration;
mod modes;
mod plan;
mod reload;
mod report;

use std::sync::Arc;

use portcullis_api::UserInfo;
use portcullis_authn::UserTokens;

pub use modes::Mode;
pub use plan::{Plan, PlanError, WebhookFlags};
pub(crate) use report::tell;

use self::plan::Place;
use self::reload::Configured;
use crate::attributes::Attributes;
use crate::chain::{Authorizer, Chain, Link};
use crate::decision::{Decision, Reason};
use crate::files::{ABAC, NamespaceLabels, PolicyFiles, Source};
use crate::listing::Rules;
use crate::node::NodeAuthorizer;
use crate::rbac::RbacIndex;
use crate::scopes::TokenScopes;
use crate::webhook::Webhook;

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
    built_ins: BuiltIns,
    configured: Option<Arc<Configured>>,
}

/// The authorizers of this program: they stay when the configuration is read again.
#[derive(Clone)]
struct BuiltIns {
    /// Those the chain was begun with.
    modes: Vec<Mode>,
    rbac: RbacIndex,
    nodes: NodeAuthorizer,
    rules: Option<PolicyFiles>,
    abac: Option<PolicyFiles>,
}

impl BuiltIns {
    /// The chain that a plan describes.
    fn links(&self, plan: &Plan) -> Result<Vec<Link>, PlanError> {
        let mut links = Vec::new();
        for place in &plan.places {
            match place {
                Place::Ours(mode) => links.extend(self.link(*mode)),
                Place::Webhook(webhook) => {
                    let made = Webhook::new(webhook).map_err(|why| {
                        PlanError::Wrong(format!("authorization webhook {}: {why}", webhook.name))
                    })?;
                    links.push(Link::to_webhook(made));
                }
            }
        }
        Ok(links)
    }

    fn link(&self, mode: Mode) -> Option<Link> {
        Some(match mode {
            Mode::Node => Link::to(self.nodes.clone()),
            Mode::Rbac => Link::to(self.rbac.clone()),
            Mode::AlwaysAllow => Link::to(Always(true)),
            Mode::AlwaysDeny => Link::to(Always(false)),
            // A mode without files has no opinion on anything.
            Mode::PolicyFiles => Link::to(self.rules.clone()?),
            Mode::Abac => Link::to(self.abac.clone()?),
        })
    }
}

impl Authorities {
    /// Node, policy files if there are any, and RBAC, knowing of nothing yet.
    pub fn built_in() -> Self {
        let (rbac, nodes, labels) = (RbacIndex::new(), NodeAuthorizer::new(), NamespaceLabels::new());
        let chain = Chain::new().then(nodes.clone()).then(rbac.clone());
        Self::of(chain, rbac, nodes, labels, Vec::new())
    }

    /// The same with another chain.
    #[must_use]
    pub fn with_chain(self, chain: Chain) -> Self {
        Self { chain: Arc::new(chain), ..self }
    }

    /// A chain that stays as it is, with what it is made of.
    pub(crate) fn of(
        chain: Chain,
        rbac: RbacIndex,
        nodes: NodeAuthorizer,
        labels: NamespaceLabels,
        files: Vec<PolicyFiles>,
    ) -> Self {
        let (own_rbac, own_nodes) = (rbac.clone(), nodes.clone());
        let built_ins =
            BuiltIns { modes: Vec::new(), rbac: own_rbac, nodes: own_nodes, rules: None, abac: None };
        Self { chain: Arc::new(chain), rbac, nodes, labels, files, built_ins, configured: None }
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
        let labels = NamespaceLabels::new();
        let open = |name, source: Option<Source>| {
            source.map(|source| PolicyFiles::open(name, source, labels.clone())).transpose()
        };
        let directory = |dir: &Option<_>| dir.clone().map(Source::Directory);
        let rules = open(Mode::PolicyFiles.as_str(), directory(&plan.policy_dir))?;
        let abac = open(ABAC, plan.abac_file.clone().map(Source::AbacFile))?;
        let shadow = open("Shadow", directory(&plan.shadow_dir))?;
        let files = [&rules, &abac, &shadow].into_iter().flatten().cloned().collect();
        let modes = plan.places.iter().filter_map(|place| match place {
            Place::Ours(mode) => Some(*mode),
            Place::Webhook(_) => None,
        });
        let (rbac, nodes) = (RbacIndex::new(), NodeAuthorizer::new());
        let built_ins =
            BuiltIns { modes: modes.collect(), rbac: rbac.clone(), nodes: nodes.clone(), rules, abac };
        let mut chain = Chain::new();
        if let Some(tokens) = tokens {
            chain = chain.guard(TokenScopes::new(tokens));
        }
        if let Some(rules) = &built_ins.rules {
            chain = chain.guard(rules.refusals());
        }
        if let Some(shadow) = shadow {
            chain = chain.shadow(shadow);
        }
        chain.replace(built_ins.links(plan)?);
        let configured = Configured::of(plan).map(Arc::new);
        Ok(Self { chain: Arc::new(chain), rbac, nodes, labels, files, built_ins, configured })
    }

    /// Whether there are files to be read again.
    pub fn have_files(&self) -> bool {
        self.configured.is_some() || !self.files.is_empty()
    }

    /// Reads policy files and the configuration again if they changed.
    pub fn refresh(&self) {
        for files in &self.files {
            files.refresh();
        }
        if let Some(configured) = &self.configured {
            configured.refresh(self);
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
