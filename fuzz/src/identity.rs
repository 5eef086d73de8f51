//! What providers, operators and proxies send or write: tokens, key sets, configurations, kubeconfigs, header names.

use std::path::Path;

use portcullis_authn::{
    AuthenticationConfiguration, FrontProxyHeaders, claims_of_unverified_token, keys_address, usable_keys,
};
use portcullis_outbound::kubeconfig_endpoint_of_text;

/// The whole input is each of them in turn.
pub fn identity(input: &[u8]) {
    let _ = usable_keys(input);
    // What another issuer's document says is not followed, whatever it says.
    assert!(keys_address(input, "https://nobody.invalid").is_err(), "another issuer's document");
    if let Ok(address) = keys_address(input, "https://login.example.org") {
        assert!(address.starts_with("https://"), "{address}: keys come over TLS");
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(claims) = claims_of_unverified_token(text) {
        for name in ["iss", "sub", "aud", "exp"] {
            assert!(claims.get(name).is_some(), "a token without {name} is none");
        }
    }
    let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n";
    let _ = AuthenticationConfiguration::parse(text, &[]);
    let _ = AuthenticationConfiguration::parse(&format!("{head}{text}"), &[]);
    // Nothing is read from files: the directory does not exist.
    let _ = kubeconfig_endpoint_of_text(text, Path::new("/nonexistent"));
    let _ = FrontProxyHeaders::named(&[text], &[], &[text], &[text]);
}
