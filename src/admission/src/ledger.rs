//! What was promised of quotas and is not yet part of their status.
//!
//! A write that takes of a quota promises its share under one lock, together with the look at the
//! quota's status, so that writes at the same time never take more than there is. The promise lives in
//! the [`Reservation`] that travels with the admitted write: whoever commits it adds the [`Charge`]s to
//! the quotas' stored status and only then lets the reservation go; when the write fails, letting go is
//! all there is to do.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::quota::{Usage, add, amounts};
use portcullis_api::{Object, Result};

/// The promises of one server, by the quota's uid.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<HashMap<String, Usage>>>);

/// The promises while nobody else can make one.
pub(crate) struct Promised<'a>(&'a HashMap<String, Usage>);

impl Promised<'_> {
    /// A quota's stored usage with what is promised of it.
    pub(crate) fn with_stored(&self, quota: &Object) -> Usage {
        let mut used: Usage = read(quota, "used");
        if let Some(promised) = self.0.get(quota.uid()) {
            add(&mut used, promised);
        }
        used
    }
}

impl Ledger {
    /// Promises what the judgement says; no other promise is made meanwhile.
    ///
    /// # Errors
    /// The judgement's refusal.
    pub(crate) fn promise(
        &self,
        judge: impl FnOnce(&Promised<'_>) -> Result<Vec<Charge>>,
    ) -> Result<Option<Reservation>> {
        let mut all = self.0.lock();
        let charges = judge(&Promised(&all))?;
        for charge in &charges {
            add(all.entry(charge.uid.clone()).or_default(), &charge.delta);
        }
        Ok((!charges.is_empty()).then(|| Reservation { ledger: self.clone(), charges }))
    }

    fn release(&self, charges: &[Charge]) {
        let mut all = self.0.lock();
        for charge in charges {
            let Some(promised) = all.get_mut(&charge.uid) else { continue };
            for (name, amount) in &charge.delta {
                if let Some(known) = promised.get_mut(name) {
                    known.sub(amount);
                }
            }
            promised.retain(|_, amount| !amount.is_zero());
            if promised.is_empty() {
                all.remove(&charge.uid);
            }
        }
    }
}

/// A promise, until it is let go.
#[must_use = "letting the reservation go before the commit gives the share away"]
pub struct Reservation {
    ledger: Ledger,
    charges: Vec<Charge>,
}

impl Reservation {
    /// What the write takes of which quota.
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ledger.release(&self.charges);
    }
}

/// What one write takes of one quota.
pub struct Charge {
    /// The quota's namespace.
    pub namespace: String,
    /// The quota's name.
    pub name: String,
    /// The quota's uid: one that was made anew owes nothing.
    pub uid: String,
    pub(crate) delta: Usage,
}

impl Charge {
    /// Adds the charge to a quota's `status.used`. Nothing happens to a quota with another uid; says
    /// whether something did.
    pub fn apply(&self, quota: &mut Object) -> bool {
        if quota.uid() != self.uid {
            return false;
        }
        let mut used = read(quota, "used");
        add(&mut used, &self.delta);
        for (name, amount) in used {
            quota.set_at(&["status", "used", &name], amount.to_string().into());
        }
        true
    }
}

/// A resource list of a quota's status.
pub(crate) fn read(quota: &Object, field: &str) -> Usage {
    amounts(quota.at(&["status", field]))
}
