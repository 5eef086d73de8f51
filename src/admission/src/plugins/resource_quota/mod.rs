//! `ResourceQuota`: a namespace takes no more than its quotas grant.
//!
//! What an object uses is measured in [`portcullis_api::quota`]. The share is promised in the [`Ledger`] in the last pass, after every other plugin has admitted the write.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use portcullis_api::quantity::Quantity;
use portcullis_api::quota::{self, Measured, Usage, add};
use portcullis_api::{Object, Result, Value};

use super::{core, forbidden, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;
use crate::ledger::{Charge, Ledger, Promised, Reservation, read};

/// What is never counted: reviews and their like are not stored, events were never charged for.
const FREE: &[(&str, &str)] = &[
    ("", "bindings"),
    ("", "componentstatuses"),
    ("", "events"),
    ("events.k8s.io", "events"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

#[derive(Default)]
pub(super) struct ResourceQuota {
    ledger: Ledger,
}

impl Plugin for ResourceQuota {
    fn name(&self) -> &'static str {
        "ResourceQuota"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        let concerned = write.stores() && !write.namespace.is_empty() && !write.is("", "namespaces");
        concerned && is_measured(write) && !FREE.iter().any(|(group, name)| write.is_any_of(group, name))
    }

    fn reserve(&self, write: &Attributes<'_>, object: &Object) -> Result<Option<Reservation>> {
        if !may_change(write, object) || quotas(write).is_empty() {
            return Ok(None);
        }
        let reservation = self.ledger.promise(|promised| judge(write, object, promised))?;
        Ok(reservation.filter(|_| !write.dry_run))
    }
}

fn quotas(write: &Attributes<'_>) -> Vec<Arc<Object>> {
    write.reader.list(&core("resourcequotas"), write.namespace)
}

/// The charges to every quota that the object concerns, or the refusal of the first that is exceeded.
/// The quotas are read here, where no promise can come between.
fn judge(write: &Attributes<'_>, object: &Object, promised: &Promised<'_>) -> Result<Vec<Charge>> {
    let measured = Measured::of(write.resource);
    let quotas: Vec<Arc<Object>> =
        quotas(write).into_iter().filter(|quota| concerns(quota, write, object)).collect();
    for quota in &quotas {
        demand(write, object, quota, measured)?;
    }
    if quotas.is_empty() {
        return Ok(Vec::new());
    }
    let used = measured.usage(write.resource, object);
    refuse_negative(write, object, &used)?;
    let mut charges = Vec::new();
    for quota in &quotas {
        charges.extend(charge(write, object, quota, &used, promised)?);
    }
    Ok(charges)
}

/// The object names what the quota counts, and the quota's usage is known.
fn demand(write: &Attributes<'_>, object: &Object, quota: &Object, measured: Measured) -> Result<()> {
    let hard = read(quota, "hard");
    let counted: Vec<&str> =
        hard.keys().map(String::as_str).filter(|name| measured.counts(write.resource, name)).collect();
    if let Some(missing) = measured.missing(&counted, object) {
        let why = format!("failed quota: {}: must specify {missing}", quota.name());
        return Err(forbidden(write, shown_name(object), &why));
    }
    let used = read(quota, "used");
    if counted.iter().any(|name| !used.contains_key(*name)) {
        let why = format!("status unknown for quota: {}, resources: {}", quota.name(), counted.join(","));
        return Err(forbidden(write, shown_name(object), &why));
    }
    Ok(())
}

fn refuse_negative(write: &Attributes<'_>, object: &Object, used: &Usage) -> Result<()> {
    let negative: Vec<&str> =
        used.iter().filter(|(_, amount)| amount.signum() < 0).map(|(name, _)| name.as_str()).collect();
    if negative.is_empty() {
        return Ok(());
    }
    let why = format!("quota usage is negative for resource(s): {}", negative.join(","));
    Err(forbidden(write, shown_name(object), &why))
}

fn charge(
    write: &Attributes<'_>,
    object: &Object,
    quota: &Object,
    used: &Usage,
    promised: &Promised<'_>,
) -> Result<Option<Charge>> {
    let hard = read(quota, "hard");
    let mut delta = growth(write, quota, used);
    delta.retain(|name, amount| !amount.is_zero() && hard.contains_key(name));
    if delta.is_empty() {
        return Ok(None);
    }
    let before = promised.with_stored(quota);
    let mut after = before.clone();
    add(&mut after, &delta);
    let exceeded = |name: &str| after.get(name) > hard.get(name);
    let shown =
        |list: &Usage| listed(list.iter().filter(|(name, _)| delta.contains_key(*name) && exceeded(name)));
    if write.subresource != "status" && delta.keys().any(|name| exceeded(name)) {
        let why = format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            quota.name(),
            shown(&delta),
            shown(&before),
            shown(&hard)
        );
        return Err(forbidden(write, shown_name(object), &why));
    }
    let (namespace, name, uid) =
        (quota.namespace().to_owned(), quota.name().to_owned(), quota.uid().to_owned());
    Ok(Some(Charge { namespace, name, uid, delta }))
}

/// What the write adds to a quota: all of the object, or what an update makes it use more, if the quota
/// counted it before.
fn growth(write: &Attributes<'_>, quota: &Object, used: &Usage) -> Usage {
    let mut delta = used.clone();
    let stored =
        write.old.filter(|old| write.operation == Operation::Update && !old.resource_version().is_empty());
    let Some(old) = stored.filter(|old| concerns(quota, write, old)) else { return delta };
    for (name, before) in Measured::of(write.resource).usage(write.resource, old) {
        if let Some(amount) = delta.get_mut(&name) {
            amount.sub(&before);
        }
    }
    delta.retain(|_, amount| *amount > Quantity::ZERO);
    delta
}

fn listed<'a>(amounts: impl Iterator<Item = (&'a String, &'a Quantity)>) -> String {
    amounts.map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
}

/// Whether such a write can change what is used. Cheap.
fn is_measured(write: &Attributes<'_>) -> bool {
    let create = write.operation == Operation::Create;
    match (Measured::of(write.resource), write.subresource) {
        (Measured::Pod, "resize") | (Measured::Claim, "status") => !create,
        (Measured::Pod | Measured::Service | Measured::Claim | Measured::DeviceClaim, "") => true,
        (Measured::Object, "") => create,
        _ => false,
    }
}

/// Whether this write does.
fn may_change(write: &Attributes<'_>, object: &Object) -> bool {
    let Some(old) = write.old.filter(|_| write.operation == Operation::Update) else { return true };
    match (Measured::of(write.resource), write.subresource) {
        (Measured::Pod, "") => quota::is_terminating(object) != quota::is_terminating(old),
        (Measured::Claim, "status") => {
            let allocated = |claim: &Object| claim.at(&["status", "allocatedResources", "storage"]).cloned();
            allocated(object) != allocated(old)
                || quota::attribute_classes(object) != quota::attribute_classes(old)
        }
        _ => true,
    }
}

/// Whether a quota counts an object: something of its kind, in every scope it names.
fn concerns(quota: &Object, write: &Attributes<'_>, object: &Object) -> bool {
    let measured = Measured::of(write.resource);
    let hard = quota.at(&["status", "hard"]).and_then(Value::as_object);
    let counts = hard.is_some_and(|hard| hard.keys().any(|name| measured.counts(write.resource, name)));
    counts && quota::in_scopes(quota, measured, object)
}
