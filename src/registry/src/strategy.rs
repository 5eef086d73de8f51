//! What a built-in kind adds to the generic verbs.

use portcullis_api::Object;
use portcullis_api::field::ErrorList;

/// The behaviour of one kind (or of one subresource of it). Every method is a pure function over
/// trees in normal form (decoded, pruned, defaulted); all have a default that adds nothing.
///
/// The generic verbs call them in upstream's order. Create: `prepare_create`, object metadata checks,
/// `validate`, `warnings`. Update: `prepare_update`, metadata checks, `validate_update` (which is
/// where upstream's `ValidateXUpdate` goes, including its call of the create rules), `warnings`.
pub trait Strategy: Send + Sync + 'static {
    /// Clears and sets what a client may not choose at creation (status, generation = 1, …).
    fn prepare_create(&self, _new: &mut Object) {}

    /// `Warning` texts about what a client sent to be created, where [`Self::prepare_create`] hides it.
    fn early_warnings(&self, _sent: &Object) -> Vec<String> {
        Vec::new()
    }

    /// Carries over what an update may not change (status of a main resource, …) and raises
    /// `metadata.generation` where upstream does.
    fn prepare_update(&self, _new: &mut Object, _old: &Object) {}

    /// Mistakes in a new object, in upstream's order. `metadata` is included: upstream's per-kind
    /// validation starts with `ValidateObjectMeta` with the kind's own name rule.
    fn validate(&self, new: &Object, errors: &mut ErrorList);

    /// Mistakes in a change, in upstream's order, `ValidateObjectMetaUpdate` included.
    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList);

    /// `Warning` texts for the client.
    fn warnings(&self, _new: &Object, _old: Option<&Object>) -> Vec<String> {
        Vec::new()
    }

    /// Mistakes in a change and, where there are none, `Warning` texts for the client: in one pass for kinds
    /// whose rules give both.
    fn judge_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) -> Vec<String> {
        self.validate_update(new, old, errors);
        if errors.is_empty() { self.warnings(new, Some(old)) } else { Vec::new() }
    }

    /// Whether PUT on a missing name creates the object.
    fn allow_create_on_update(&self) -> bool {
        false
    }

    /// Whether an update without a resourceVersion is accepted.
    fn allow_unconditional_update(&self) -> bool {
        true
    }

    /// Fields the owner of this endpoint cannot set; they leave its managed fields again
    /// (`["status"]` for a main resource with a status subresource, `["spec"]`-like for `status`).
    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    /// The grace period of a deletion in seconds when the kind deletes gracefully (pods);
    /// `None` deletes at once. `asked` is the caller's `gracePeriodSeconds`.
    fn grace_period(&self, _object: &Object, _asked: Option<i64>) -> Option<i64> {
        None
    }

    /// Whether dependents are orphaned when the caller names no propagation policy (jobs v1, …).
    fn orphans_by_default(&self) -> bool {
        false
    }
}
