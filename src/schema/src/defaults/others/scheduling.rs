//! Defaults of priority classes.

use portcullis_api::Object;

use super::super::tree::set_missing;

pub(super) fn priority_class(object: &mut Object) {
    set_missing(object.map_mut(), "preemptionPolicy", "PreemptLowerPriority");
}
