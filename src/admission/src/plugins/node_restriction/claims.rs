//! The status of claims, of which a node reports the size it has made of them.

use portcullis_api::field::go_quote;
use portcullis_api::{Map, Object, Result, Value};

use super::NodeWrite;
use crate::attributes::Operation;

/// What a node may report, and what is not compared at all.
const OWN: &[&[&str]] = &[
    &["metadata", "resourceVersion"],
    &["metadata", "managedFields"],
    &["status", "capacity"],
    &["status", "conditions"],
    &["status", "allocatedResourceStatuses"],
    &["status", "allocatedResources"],
];

impl NodeWrite<'_> {
    pub(super) fn judge_claim_status(&self) -> Result<()> {
        let (Some(new), Some(old), Operation::Update) = (self.object, self.write.old, self.operation())
        else {
            return Err(self.unexpected());
        };
        let (new, old) = (without_own(new), without_own(old));
        if new == old {
            return Ok(());
        }
        let why = format!(
            "node {} is not allowed to update fields other than status.quantity and status.conditions: {}",
            self.quoted(),
            changed(&old, &new)
        );
        Err(self.refuse(&why))
    }
}

fn without_own(claim: &Object) -> Object {
    let mut claim = claim.clone();
    for path in OWN {
        claim.remove_at(path);
    }
    claim.map_mut().retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    claim
}

/// The fields that differ, two levels deep.
fn changed(old: &Object, new: &Object) -> String {
    let empty = Map::new();
    let mut fields = Vec::new();
    for (section, value) in new.map().iter().chain(old.map()) {
        let of = |object: &Object| object.get(section).cloned();
        if of(old) == of(new) {
            continue;
        }
        let other = if new.get(section) == Some(value) { old.get(section) } else { new.get(section) };
        let mine = value.as_object().unwrap_or(&empty);
        let theirs = other.and_then(Value::as_object).unwrap_or(&empty);
        let names = mine.iter().filter(|(name, value)| theirs.get(*name) != Some(value));
        fields.extend(names.map(|(name, _)| go_quote(&format!("{section}.{name}"))));
    }
    fields.sort_unstable();
    fields.dedup();
    fields.join(", ")
}
