use portcullis_api::Value;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{Objects, groups};

const TOKEN: &str = "abcdef.0123456789abcdef";

fn secret() -> Value {
    let encode = |text: &str| STANDARD.encode(text);
    json!({
        "metadata": {"namespace": "kube-system", "name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {
            "token-id": encode("abcdef"),
            "token-secret": encode("0123456789abcdef"),
            "usage-bootstrap-authentication": encode("true"),
        },
    })
}

fn attempt(object: Value, token: &str) -> Attempt {
    let objects = Arc::new(Objects::default());
    objects.put(Watched::Secrets, object);
    let scheme = BootstrapTokens::new(objects);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(scheme.authenticate(token, &[], Timestamp::now()))
}

fn verified(object: Value) -> Identity {
    match attempt(object, TOKEN) {
        Attempt::Verified(identity) => identity,
        other => panic!("{other:?}"),
    }
}

fn with(key: &str, value: &str) -> Value {
    let mut secret = secret();
    secret["data"][key] = json!(STANDARD.encode(value));
    secret
}

#[test]
fn a_good_token_is_a_bootstrapper() {
    let identity = verified(secret());
    assert_eq!(&*identity.user.name, "system:bootstrap:abcdef");
    assert_eq!(groups(&identity.user), ["system:bootstrappers", "system:authenticated"]);
    assert_eq!(identity.life.ends(), None);
}

#[test]
fn groups_are_sorted_and_expiry_is_kept() {
    let mut object =
        with("auth-extra-groups", "system:bootstrappers:z,system:bootstrappers:a,system:bootstrappers:z");
    object["data"]["expiration"] = json!(STANDARD.encode("2999-01-01T00:00:00Z"));
    let identity = verified(object);
    assert_eq!(
        groups(&identity.user)[..3],
        ["system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:z"]
    );
    assert_eq!(identity.life.ends(), "2999-01-01T00:00:00Z".parse().ok());
}

#[test]
fn d053_b032_everything_else_is_nobodys() {
    let changed = |path: &str, value: Value| {
        let mut secret = secret();
        *secret.pointer_mut(path).unwrap() = value;
        secret
    };
    let mut deleting = secret();
    deleting["metadata"]["deletionTimestamp"] = json!("2020-01-01T00:00:00Z");
    let mut unused = secret();
    unused["data"].as_object_mut().unwrap().remove("usage-bootstrap-authentication");
    for object in [
        deleting,
        unused,
        changed("/type", json!("Opaque")),
        changed("/metadata/namespace", json!("default")),
        changed("/data", Value::Null),
        with("expiration", "2020-01-01T00:00:00Z"),
        with("expiration", "tomorrow"),
        with("expiration", "\u{0}"),
        with("token-id", "abcdeg"),
        with("token-secret", "0123456789abcdeg"),
        with("token-secret", ""),
        with("usage-bootstrap-authentication", "True"),
        with("auth-extra-groups", "system:masters"),
        with("auth-extra-groups", "system:bootstrappers:"),
        with("auth-extra-groups", "system:bootstrappers:a,"),
        with("auth-extra-groups", "system:bootstrappers:A"),
        with("auth-extra-groups", "system:bootstrappers:a-"),
    ] {
        assert!(matches!(attempt(object.clone(), TOKEN), Attempt::NotMine), "{object}");
    }
    for token in [
        "abcdef",
        "abcdef.",
        "ABCDEF.0123456789abcdef",
        "abcdef.0123456789abcdef\n",
        "abcde.f0123456789abcdef",
    ] {
        assert!(matches!(attempt(secret(), token), Attempt::NotMine), "{token}");
    }
}

proptest! {
    #[test]
    fn only_the_exact_form_is_a_token(text in "[a-z0-9.]{20,26}") {
        let expected = text.len() == 23 && text.chars().position(|c| c == '.') == Some(6) && text.matches('.').count() == 1;
        prop_assert_eq!(parse(&text).is_some(), expected);
    }
}
