//! Files the store is given, an encryption configuration and a backup; and what a KMS plugin's values hold.

use portcullis_storage::{Decoder, check_config, check_envelope};

/// The whole input is the one, and then the others.
pub fn store(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = check_config(text);
    }
    let _ = check_envelope(input);
    if let Ok(mut decoder) = Decoder::open(input) {
        while let Ok(Some(_)) = decoder.next_key() {}
    }
}
