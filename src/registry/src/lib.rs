//! The REST verbs as transactions, over one row of data per resource.
//!
//! ```text
//! serve(Authorized) -> rest: which verb, is it allowed on this row
//!                   -> verbs/…: negotiate, decode, produce the new object
//!                   -> admission (mutate), strategy (prepare, validate), admission (admit) -> Admitted
//!                   -> door: the permit is asked again, one transaction is committed
//!                   -> respond: the stored bytes in the shape and encoding asked for
//! ```
//!
//! This crate is the only writer of storage, and [`door`] its only place that writes.

mod allocate;
mod bootstrap;
mod call;
mod charges;
mod convert;
mod custom;
mod device_access;
mod door;
mod escalation;
mod fields;
mod flow_control;
pub mod kinds;
mod ledger;
mod meta;
mod negotiate;
mod observe;
mod once;
mod options;
mod own;
mod parameters;
mod permission;
pub mod print;
mod reader;
mod resource;
mod resources;
mod respond;
mod rest;
mod review;
mod routes;
mod servers;
pub mod strategy;
mod subresource;
mod type_checks;
mod user_token;
mod verbs;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use portcullis_admission as admission;
use portcullis_admission::Webhooks;
use portcullis_admission::policies::Policies;
use portcullis_api::{Body, Result};
use portcullis_authn::{Authenticator, RevocationList, RevokedTokens, TokenIssuer, UserTokens};
use portcullis_authz::rbac::RbacIndex;
use portcullis_authz::{Authorities, Budgets, Chain, NamespaceLabels, NodeAuthorizer};
use portcullis_outbound::{HookCaller, HookIdentities};
use portcullis_storage::{Caches, Store};
use tokio_util::task::AbortOnDropHandle;

pub use allocate::ServiceRanges;
pub use custom::Published;
use door::storage_error;
pub use resource::is_unenforced;

use resource::Resource;
use resources::Resources;

/// What every verb answers with.
pub type Response = http::Response<Body>;

/// How long events are kept unless somebody says otherwise, as upstream.
pub const EVENT_TTL: Duration = Duration::from_secs(3600);

/// What the registry is made of; see [`Registry::open`].
pub struct Parts {
    /// Where objects live.
    pub store: Arc<dyn Store>,
    /// The admission plugins.
    pub admission: admission::Chain,
    /// Who may do what: asked by reviews and by streams that must not outlive their permission, and kept
    /// up to date by every commit.
    pub authorities: Authorities,
    /// Signs service-account tokens.
    pub tokens: Arc<TokenIssuer>,
    /// Tokens of people and programs; `None` serves none of our own group.
    pub user_tokens: Option<UserTokens>,
    /// Certificates that objects of the API revoke.
    pub revoked: Arc<RevocationList>,
    /// Service account tokens that objects of the API revoke.
    pub revoked_tokens: Arc<RevokedTokens>,
    /// Addresses and ports that services get.
    pub ranges: ServiceRanges,
    /// What may be held in memory for clients.
    pub budgets: Budgets,
    /// How webhooks are called.
    pub hooks: Hooks,
    /// How long events are kept; for ever if zero.
    pub event_ttl: Duration,
}

/// How webhooks that are objects of the API are called.
pub struct Hooks {
    /// As whom.
    pub identities: HookIdentities,
    /// How long after a request arrived its client still waits.
    pub patience: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { identities: HookIdentities::default(), patience: Duration::from_secs(60) }
    }
}

/// All resources over one store.
pub struct Registry {
    store: Arc<dyn Store>,
    /// Caches follow the store only as long as this lives.
    caches: Caches,
    resources: Resources,
    admission: admission::Chain,
    webhooks: Webhooks,
    caller: Arc<HookCaller>,
    authorizer: Arc<Chain>,
    rbac: RbacIndex,
    nodes: NodeAuthorizer,
    labels: NamespaceLabels,
    tokens: Arc<TokenIssuer>,
    pub(crate) user_tokens: Option<UserTokens>,
    revoked: Arc<RevocationList>,
    revoked_tokens: Arc<RevokedTokens>,
    ledger: ledger::Ledger,
    budgets: Budgets,
    allocator: Arc<allocate::Allocator>,
    authenticator: std::sync::OnceLock<Arc<Authenticator>>,
    /// The components that run in this process.
    inside: std::sync::OnceLock<&'static [&'static str]>,
    trees: reader::Trees,
    event_ttl: Duration,
    policies: Policies,
    /// Ends with the registry.
    keeper: std::sync::OnceLock<AbortOnDropHandle<()>>,
    /// Ends with the registry, too.
    checks: std::sync::OnceLock<AbortOnDropHandle<()>>,
}

impl Registry {
    /// Binds every resource to its cache and fills the indexes from what is stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(parts: Parts) -> Result<Arc<Self>> {
        let caches = Caches::new(parts.store.clone()).map_err(storage_error)?;
        let resources = Resources::bind(&caches, parts.user_tokens.is_some());
        caches.ready().await.map_err(storage_error)?;
        let routes = Arc::new(routes::Routes::default());
        let caller = HookCaller { identities: parts.hooks.identities, routes: routes.clone() };
        let caller = Arc::new(caller);
        let webhooks = Webhooks::new(&caller, parts.hooks.patience);
        let (mutating, validating) = webhooks.stages();
        let policies = Policies::new();
        let registry = Self {
            allocator: Arc::new(allocate::Allocator::new(parts.ranges)),
            store: parts.store,
            caches,
            resources,
            admission: parts
                .admission
                .with_policies(Arc::new(policies.clone()), Arc::new(policies.clone()))
                .with_webhooks(mutating, validating),
            webhooks,
            caller,
            authorizer: parts.authorities.chain,
            rbac: parts.authorities.rbac,
            nodes: parts.authorities.nodes,
            labels: parts.authorities.labels,
            tokens: parts.tokens,
            user_tokens: parts.user_tokens,
            revoked: parts.revoked,
            revoked_tokens: parts.revoked_tokens,
            ledger: ledger::Ledger::default(),
            budgets: parts.budgets,
            authenticator: std::sync::OnceLock::new(),
            inside: std::sync::OnceLock::new(),
            event_ttl: parts.event_ttl,
            trees: reader::Trees::default(),
            policies,
            keeper: std::sync::OnceLock::new(),
            checks: std::sync::OnceLock::new(),
        };
        registry.observe().await?;
        let registry = Arc::new(registry);
        routes.follow(&registry);
        custom::keeper::start(&registry).await?;
        Ok(registry)
    }

    /// Checks the types of validating policies from now on, which upstream's controller manager does.
    ///
    /// # Errors
    /// When the policies cannot be read.
    pub fn check_policies(self: &Arc<Self>) -> Result<()> {
        type_checks::start(self)
    }

    /// Reads again what could not be read, because it may be readable now; returns how many objects are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mend(&self) -> Result<usize> {
        self.caches.mend().await.map_err(storage_error)
    }

    /// Names the authenticator that token reviews ask; it needs the registry itself to look things up.
    pub fn set_authenticator(&self, authenticator: Arc<Authenticator>) {
        // A second call is a start-up mistake without effect: the first authenticator stays.
        let _ = self.authenticator.set(authenticator);
    }

    /// Tells which components run in this process, as component statuses name them.
    pub fn run_inside(&self, components: &'static [&'static str]) {
        // Told once, by the command that starts them.
        let _ = self.inside.set(components);
    }

    pub(crate) fn runs_inside(&self, component: &str) -> bool {
        self.inside.get().is_some_and(|inside| inside.contains(&component))
    }

    /// Keeps a task that follows what is stored for as long as the registry lives.
    fn keep_task(&self, task: tokio::task::JoinHandle<()>) {
        // There is one such task.
        let _ = self.keeper.set(AbortOnDropHandle::new(task));
    }

    /// Keeps the task that checks the types of policies.
    fn keep_checks(&self, task: tokio::task::JoinHandle<()>) {
        // There is one such task.
        let _ = self.checks.set(AbortOnDropHandle::new(task));
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn resources(&self) -> &Resources {
        &self.resources
    }

    pub(crate) fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    pub(crate) fn admission(&self) -> &admission::Chain {
        &self.admission
    }

    /// How long an object of a resource lives.
    pub(crate) fn ttl(&self, resource: &Resource) -> Option<Duration> {
        (&*resource.gr.resource == "events" && !self.event_ttl.is_zero()).then_some(self.event_ttl)
    }

    /// Warns of objects that are stored but that nothing enforces yet.
    pub(crate) fn warn_unenforced(&self, call: &mut call::Call<'_>) {
        if is_unenforced(&call.resource.gr.group, &call.resource.gr.resource) {
            // First, because some clients show only the last warning, and that should be upstream's.
            call.warnings.insert(0, "portcullis: stored, not enforced".to_owned());
        }
    }
}
