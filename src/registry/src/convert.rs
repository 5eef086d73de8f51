//! Two versions over one store: which conversion stands between what is served and what is stored.

use portcullis_api::Object;
use portcullis_schema::Kind;

use crate::kinds::others::convert::{event, hpa};

/// Both directions of a lossless conversion. Neither side's TypeMeta is looked at.
pub(crate) struct Conversion {
    /// From the stored version to the one clients see.
    pub(crate) to_served: fn(Object) -> Object,
    /// From the version clients see to the stored one.
    pub(crate) to_stored: fn(Object) -> Object,
}

/// The conversion between a served and a stored kind; `None` when they are the same.
pub(crate) fn between(served: &Kind, stored: &Kind) -> Option<Conversion> {
    if served.gvk() == stored.gvk() {
        return None;
    }
    match (served.api_version(), served.kind()) {
        ("autoscaling/v1", _) => Some(Conversion { to_served: hpa::v2_to_v1, to_stored: hpa::v1_to_v2 }),
        ("autoscaling/v2", _) => Some(Conversion { to_served: hpa::v1_to_v2, to_stored: hpa::v2_to_v1 }),
        ("events.k8s.io/v1", _) => {
            Some(Conversion { to_served: event::core_to_events, to_stored: event::events_to_core })
        }
        _ => None,
    }
}
