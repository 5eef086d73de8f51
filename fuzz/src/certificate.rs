//! Certificates in DER form: what reads has names that mean one thing only.

use portcullis_pki::{Leaf, MAX_GROUPS, MAX_NAME_BYTES};

/// The whole input is the certificate.
pub fn certificate(input: &[u8]) {
    let Ok(leaf) = Leaf::parse(input) else { return };
    assert!(leaf.organizations.len() <= MAX_GROUPS, "groups are bounded");
    let names = leaf.organizations.iter().chain([&leaf.common_name]).chain(&leaf.uid);
    for name in names {
        assert!(name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control), "odd name {name:?}");
    }
}
