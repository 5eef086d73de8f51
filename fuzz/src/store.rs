//! Files the store is given, an encryption configuration and a backup; what a KMS plugin's values hold; and values
//! that another server stored.

use portcullis_schema::read_stored;
use portcullis_storage::{Decoder, check_config, check_envelope};

const DEFINITION: &str = "/registry/apiextensions.k8s.io/customresourcedefinitions/a";

/// The whole input is the one, and then the others.
pub fn store(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = check_config(text);
    }
    let _ = check_envelope(input);
    if let Some(Ok(object)) = read_stored(DEFINITION, input) {
        let stored = serde_json::to_vec(object.map()).unwrap_or_default();
        assert!(read_stored(DEFINITION, &stored).is_none(), "what was read is in the form that is stored here");
    }
    if let Ok(mut decoder) = Decoder::open(input) {
        while let Ok(Some(_)) = decoder.next_key() {}
    }
}
