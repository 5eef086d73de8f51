//! Defaults of role bindings.

use portcullis_api::Object;

use super::super::tree::{child_or_new, each, set_empty, str_of};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn binding(object: &mut Object) {
    if let Some(role) = child_or_new(object.map_mut(), "roleRef") {
        set_empty(role, "apiGroup", GROUP);
    }
    each(object.map_mut(), "subjects", |subject| {
        if matches!(str_of(subject, "kind"), "User" | "Group") {
            set_empty(subject, "apiGroup", GROUP);
        }
    });
}
