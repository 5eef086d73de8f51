//! Defaults of endpoint slices.

use portcullis_api::Object;

use super::super::tree::{each, set_missing};

pub(super) fn endpoint_slice(object: &mut Object) {
    each(object.map_mut(), "ports", |port| {
        set_missing(port, "name", "");
        set_missing(port, "protocol", "TCP");
    });
}
