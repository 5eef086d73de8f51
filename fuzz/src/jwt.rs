//! Bearer tokens: what claims to be a service account has one namespace and one name.

use portcullis_authn::{TokenFile, user_of_unverified_claims};

/// The whole input is the token, and then a token file.
pub fn jwt(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(user) = user_of_unverified_claims(text) {
        assert!(user.service_account().is_some(), "{} is no service account", user.name);
        assert!(user.in_group("system:authenticated"), "an account is somebody");
    }
    let _ = TokenFile::parse("fuzz", text);
}
