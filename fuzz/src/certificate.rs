//! Certificates in DER form, and bundles of authorities in PEM form: what reads has names that mean one thing only.

use std::sync::Arc;

use portcullis_pki::{ClientTrust, Leaf, MAX_GROUPS, MAX_NAME_BYTES, NothingRevoked};

/// The whole input is the certificate, and then a bundle.
pub fn certificate(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = ClientTrust::new(text, Some(text), Arc::new(NothingRevoked));
    }
    let Ok(leaf) = Leaf::parse(input) else { return };
    assert!(leaf.organizations.len() <= MAX_GROUPS, "groups are bounded");
    let names = leaf.organizations.iter().chain([&leaf.common_name]).chain(&leaf.uid);
    for name in names {
        assert!(name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control), "odd name {name:?}");
    }
}
