//! Resource lists: nothing finer than a thousandth is kept.

use portcullis_api::quantity::Quantity;
use portcullis_api::{Map, Value};

use super::super::tree::child;

/// Rounds the quantities of the list in a field up to milli.
pub(crate) fn resource_list(map: &mut Map<String, Value>, field: &str) {
    let values = child(map, field).into_iter().flat_map(Map::values_mut);
    for value in values {
        let Some(text) = value.as_str() else { continue };
        if !may_be_finer_than_milli(text) {
            continue;
        }
        if let Ok(mut quantity) = Quantity::parse(text) {
            quantity.round_up(-3);
            *value = quantity.to_string().into();
        }
    }
}

/// Rounds the limits and requests of the resource requirements in a field.
pub(super) fn requirements(map: &mut Map<String, Value>, field: &str) {
    if let Some(resources) = child(map, field) {
        resource_list(resources, "limits");
        resource_list(resources, "requests");
    }
}

fn may_be_finer_than_milli(text: &str) -> bool {
    text.contains(['n', 'u', '.', 'e', 'E'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_finer_than_milli_changes() {
        let mut map = Map::new();
        map.insert("limits".into(), json!({"cpu": "100u", "memory": "1e3", "x": "5"}));
        resource_list(&mut map, "limits");
        assert_eq!(map.get("limits"), Some(&json!({"cpu": "1m", "memory": "1e3", "x": "5"})));
    }
}
