//! Defaults of flow schemas and priority levels.

use portcullis_api::Object;

use super::super::tree::{at, child_or_new, set_missing, set_zero};

pub(super) fn flow_schema(object: &mut Object) {
    if let Some(spec) = child_or_new(object.map_mut(), "spec") {
        set_zero(spec, "matchingPrecedence", 1000);
    }
}

pub(super) fn priority_level(object: &mut Object) {
    if let Some(limited) = at(object.map_mut(), &["spec", "limited"]) {
        set_missing(limited, "nominalConcurrencyShares", 30);
        set_missing(limited, "lendablePercent", 0);
        if let Some(queuing) = at(limited, &["limitResponse", "queuing"]) {
            set_zero(queuing, "handSize", 8);
            set_zero(queuing, "queues", 64);
            set_zero(queuing, "queueLengthLimit", 50);
        }
    }
    if let Some(exempt) = at(object.map_mut(), &["spec", "exempt"]) {
        set_missing(exempt, "nominalConcurrencyShares", 0);
        set_missing(exempt, "lendablePercent", 0);
    }
}
