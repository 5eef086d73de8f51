//! The way from a kind to its shape and trackers.

use std::sync::LazyLock;

use portcullis_api::Object;

use super::shape::ShapeRef;
use super::tracker::{Tracker, Versions};
use super::writable::Writable;
use crate::decode::FieldValidation;
use crate::kind::{Kind, kinds};
use crate::types::types;

/// What Go encodes of each kind when nothing is set, at the place of its struct.
static EMPTY: LazyLock<Vec<Object>> = LazyLock::new(|| {
    let mut all = vec![Object::default(); types().structs().count()];
    for kind in kinds() {
        let mut object = Object::default();
        // Nothing in an empty tree can be refused.
        let _ = kind.normalize(&mut object, FieldValidation::Ignore);
        if let Some(slot) = all.get_mut(kind.root().index() as usize) {
            *slot = object;
        }
    }
    all
});

impl Kind {
    /// How its objects are owned.
    pub fn shape(&self) -> ShapeRef<'static> {
        ShapeRef::of_struct(self.root())
    }

    /// The object as Go encodes it when nothing is set.
    pub fn empty(&self) -> &'static Object {
        static NONE: LazyLock<Object> = LazyLock::new(Object::default);
        EMPTY.get(self.root().index() as usize).unwrap_or(&*NONE)
    }

    /// Tracks the owners of its objects' fields at one endpoint ([`super::writable()`] says what it sets).
    pub fn tracker<'k>(
        &'k self,
        subresource: &'k str,
        writable: Writable<'k>,
        versions: &'k dyn Versions,
    ) -> Tracker<'k> {
        Tracker {
            shape: self.shape(),
            api_version: self.api_version(),
            kind: self.kind(),
            subresource,
            empty: self.empty(),
            writable,
            versions,
        }
    }
}
