//! Defaults of API services.

use portcullis_api::Object;

use super::super::tree::{at, set_missing};

pub(super) fn api_service(object: &mut Object) {
    if let Some(service) = at(object.map_mut(), &["spec", "service"]) {
        set_missing(service, "port", 443);
    }
}
