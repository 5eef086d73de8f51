//! The permit: that a decision was made, for whom and for what.
//!
//! Only this crate makes one. Storage asks it again for every effect.
//!
//! A permit cannot be made up:
//! ```compile_fail
//! let permit = portcullis_authz::Permit { basis: unreachable!() };
//! ```
//! nor copied, so that it does not outlive the request it was made for:
//! ```compile_fail
//! fn twice(permit: &portcullis_authz::Permit) -> portcullis_authz::Permit {
//!     permit.clone()
//! }
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_api::{ApiError, GroupResource, RequestInfo, UserInfo, Verb};

use crate::answers::{Answers, Asking};
use crate::attributes::Attributes;
use crate::chain::Chain;
use crate::decision::Receipt;
use crate::effects::entails;
use crate::forbidden::refused;

/// Evidence of an allowed action. No `Clone`, no public constructor but the named assertions.
pub struct Permit {
    user: UserInfo,
    basis: Basis,
    /// What webhooks said about this request and about what was asked on its way.
    answers: Answers,
}

enum Basis {
    /// A request was allowed; whether it may also create what it did not find.
    Request { info: Arc<RequestInfo>, receipt: Receipt, creates: AtomicBool },
    /// The server's own work, with the reason why nobody needs to be asked.
    Own { because: &'static str },
}

impl Permit {
    /// What a decision about a request comes to; a refusal is the client's answer.
    pub(crate) fn decided(
        receipt: Receipt,
        user: UserInfo,
        info: Arc<RequestInfo>,
        answers: Answers,
    ) -> Result<Self, Refusal> {
        if receipt.is_allowed() {
            let basis = Basis::Request { info, receipt, creates: AtomicBool::new(false) };
            return Ok(Self { user, basis, answers });
        }
        let error = refused(&user, &Attributes::from(&*info), &receipt);
        Err(Refusal { receipt, error })
    }

    /// For writing the objects that must exist before anybody can ask for anything.
    pub fn assertion_for_bootstrap(because: &'static str) -> Self {
        Self::own(because)
    }

    /// For what the server keeps in order itself: expiry of events and leases, allocated addresses.
    pub fn assertion_for_upkeep(because: &'static str) -> Self {
        Self::own(because)
    }

    fn own(because: &'static str) -> Self {
        let user = UserInfo::new("system:apiserver", [crate::chain::MASTERS]);
        Self { user, basis: Basis::Own { because }, answers: Answers::default() }
    }

    /// Who acts.
    pub fn user(&self) -> &UserInfo {
        &self.user
    }

    /// The request that was allowed; `None` for the server's own work.
    pub fn info(&self) -> Option<&Arc<RequestInfo>> {
        match &self.basis {
            Basis::Request { info, .. } => Some(info),
            Basis::Own { .. } => None,
        }
    }

    /// The decision; `None` for the server's own work.
    pub fn receipt(&self) -> Option<&Receipt> {
        match &self.basis {
            Basis::Request { receipt, .. } => Some(receipt),
            Basis::Own { .. } => None,
        }
    }

    /// Whether a storage effect is covered. An object whose last finalizer an update removes goes as
    /// part of that update: ask for `Update` then.
    pub fn allows(&self, effect: Verb, resource: &GroupResource, namespace: &str, name: &str) -> bool {
        let Basis::Request { info, creates, .. } = &self.basis else { return true };
        if self.answers.are_missing() {
            return false;
        }
        let Some(target) = info.resource() else { return false };
        let created = effect == Verb::Create && creates.load(Ordering::Acquire);
        let action = if created { Verb::Create } else { info.verb };
        entails(action, target, effect, resource, namespace, name)
    }

    /// The check at the door of storage. That it fails is a bug of ours, and nothing is done; or a webhook has yet
    /// to answer what was asked on the way here, and the work is done again once it has.
    pub fn covers(
        &self,
        effect: Verb,
        resource: &GroupResource,
        namespace: &str,
        name: &str,
    ) -> Result<(), ApiError> {
        if self.allows(effect, resource, namespace, name) {
            return Ok(());
        }
        Err(ApiError::internal(format!("{self:?} does not cover {effect} of {resource} {namespace}/{name}")))
    }

    /// What else the request's work may ask, with the answers of webhooks that it has.
    pub fn asking<'a>(&'a self, chain: &'a Chain) -> Asking<'a> {
        Asking { chain, answers: &self.answers }
    }

    /// The answers of webhooks to what was asked on the way of this request.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Lets an update or patch create what it did not find, if the user may create it.
    pub fn also_create(&self, chain: &Chain) -> Result<(), ApiError> {
        let Basis::Request { info, creates, .. } = &self.basis else { return Ok(()) };
        let attributes = Attributes::from(&**info).with_verb(Verb::Create.as_str());
        let receipt = self.asking(chain).decide(&self.user, &attributes);
        if !receipt.is_allowed() {
            return Err(refused(&self.user, &attributes, &receipt));
        }
        creates.store(true, Ordering::Release);
        Ok(())
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Permit");
        match &self.basis {
            Basis::Request { info, receipt, .. } => {
                out.field("user", &self.user.name).field("verb", &info.verb).field("path", &info.path);
                out.field("decision", &receipt.id())
            }
            Basis::Own { because } => out.field("because", because),
        };
        out.finish()
    }
}

/// A decision that did not allow, with the client's answer.
pub(crate) struct Refusal {
    pub(crate) receipt: Receipt,
    pub(crate) error: ApiError,
}

#[cfg(test)]
mod tests {
    use portcullis_api::attributes::{ResourceTarget, Target};

    use super::*;
    use crate::chain::MASTERS;

    fn request(verb: Verb) -> Arc<RequestInfo> {
        let target = ResourceTarget {
            namespace: "n".into(),
            resource: "pods".into(),
            name: "p".into(),
            ..ResourceTarget::default()
        };
        Arc::new(RequestInfo { verb, path: "/".into(), target: Target::Resource(target) })
    }

    fn decided(user: UserInfo, verb: Verb) -> Result<Permit, Refusal> {
        let info = request(verb);
        let receipt = Chain::new().decide(&user, &Attributes::from(&*info));
        Permit::decided(receipt, user, info, Answers::default())
    }

    fn permit(verb: Verb) -> Permit {
        decided(UserInfo::new("root", [MASTERS]), verb).ok().unwrap()
    }

    #[test]
    fn a_permit_covers_its_effects_and_nothing_else() {
        let pods = GroupResource::new("", "pods");
        permit(Verb::Delete).covers(Verb::Delete, &pods, "n", "p").unwrap();
        let error = permit(Verb::Get).covers(Verb::Delete, &pods, "n", "p").unwrap_err();
        assert_eq!(error.code(), 500);
    }

    #[test]
    fn creation_by_update_is_asked_for() {
        let pods = GroupResource::new("", "pods");
        let update = permit(Verb::Update);
        assert!(!update.allows(Verb::Create, &pods, "n", "p"));
        update.also_create(&Chain::new()).unwrap();
        assert!(update.allows(Verb::Create, &pods, "n", "p"));
        assert!(update.allows(Verb::Update, &pods, "n", "p"));
        assert!(!update.allows(Verb::Create, &pods, "n", "q"));
    }

    #[test]
    fn refusals_say_why() {
        let refusal = decided(UserInfo::new("u", [""; 0]), Verb::Get).err().unwrap();
        assert!(refusal.error.message().starts_with("pods \"p\" is forbidden: User \"u\" cannot get"));
        assert!(!refusal.receipt.is_allowed());
    }

    #[test]
    fn the_servers_own_work_covers_everything() {
        let own = Permit::assertion_for_bootstrap("nobody can ask yet");
        own.covers(Verb::Create, &GroupResource::new("", "namespaces"), "", "default").unwrap();
    }
}
