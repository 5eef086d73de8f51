//! Conflicts of an apply with other managers, and how upstream words them.

use portcullis_api::{ApiError, Cause, Reason};

use super::element::Element;
use super::entries::Entry;
use super::set::{FieldSet, path_text};

/// A field that another manager owns.
struct Conflict {
    identifier: String,
    shown: String,
    path: Vec<Element<'static>>,
}

impl Conflict {
    fn text(&self) -> String {
        path_text(&self.path.iter().collect::<Vec<_>>())
    }
}

/// All conflicts of one apply, by manager.
#[derive(Default)]
pub(super) struct Conflicts(Vec<Conflict>);

impl Conflicts {
    /// Adds a conflict with an owner for every field of a set.
    pub(super) fn add(&mut self, owner: &Entry<'_>, contested: &FieldSet<'_>) {
        contested.for_each(&mut |path| {
            let path = path.iter().map(|element| (*element).clone().into_owned()).collect();
            self.0.push(Conflict { identifier: owner.identifier(), shown: owner.shown(), path });
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those whose field is not in a set.
    pub(super) fn without(mut self, allowed: &FieldSet<'_>) -> Self {
        self.0.retain(|conflict| !allowed.has(&conflict.path));
        self
    }

    /// 409 with a cause for each conflict.
    pub(super) fn into_error(mut self) -> ApiError {
        self.0.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        let causes = self.0.iter().map(|conflict| Cause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!("conflict with {}", conflict.shown),
            field: conflict.text(),
        });
        let causes = causes.collect();
        ApiError::new(Reason::Conflict, self.message()).with_causes(causes)
    }

    fn message(&self) -> String {
        if let [one] = self.0.as_slice() {
            return format!("Apply failed with 1 conflict: conflict with {}: {}", one.shown, one.text());
        }
        let mut lines = Vec::with_capacity(self.0.len() + 1);
        for of_one in self.0.chunk_by(|a, b| a.identifier == b.identifier) {
            lines.extend(of_one.first().map(|conflict| format!("conflicts with {}:", conflict.shown)));
            lines.extend(of_one.iter().map(|conflict| format!("- {}", conflict.text())));
        }
        format!("Apply failed with {} conflicts: {}", self.0.len(), lines.join("\n"))
    }
}
