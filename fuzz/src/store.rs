//! Files the store is given: an encryption configuration, a backup.

use portcullis_storage::{Dump, check_config};

/// The whole input is the one, and then the other.
pub fn store(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = check_config(text);
    }
    if let Ok(dump) = Dump::read(input) {
        let mut again = Vec::new();
        assert!(dump.write(&mut again).is_ok() && again == input, "a backup is written as it was read");
    }
}
