use portcullis_pki::Algorithm;
use serde_json::Value;

use super::*;
use crate::testing::{SA1, accounts, ours, parts_of};

fn pod() -> BoundObject {
    BoundObject::Pod { name: "p".into(), uid: "u".into(), node: Some(("n".into(), "un".into())) }
}

fn issued(audiences: &[String], ttl: i64, bound: Option<&BoundObject>) -> (Value, MintedToken) {
    let minted = accounts(Algorithm::Es256).issuer.issue(SA1, audiences, ttl, bound).unwrap();
    (parts_of(&minted.token).1, minted)
}

#[test]
fn a_kubelets_projected_token_warns_before_it_expires() {
    let (claims, minted) = issued(&ours(), WARN_SECONDS, Some(&pod()));
    let at = |field: &Value| field.as_i64().unwrap();
    let iat = at(&claims["iat"]);
    assert_eq!(at(&claims["exp"]), iat + EXTENDED_SECONDS);
    assert_eq!(at(&claims["kubernetes.io"]["warnafter"]), iat + WARN_SECONDS);
    assert_eq!(minted.expires_at.as_second(), iat + WARN_SECONDS);
    assert_eq!(claims["kubernetes.io"]["node"]["uid"], "un");
}

#[test]
fn only_that_token_is_extended() {
    let foreign = vec!["vault".to_owned()];
    for (audiences, ttl, bound) in
        [(ours(), WARN_SECONDS, None), (ours(), 3600, Some(pod())), (foreign, WARN_SECONDS, Some(pod()))]
    {
        let (claims, _) = issued(&audiences, ttl, bound.as_ref());
        assert_eq!(claims["exp"].as_i64().unwrap(), claims["iat"].as_i64().unwrap() + ttl);
        assert!(claims["kubernetes.io"].get("warnafter").is_none());
    }
}

#[test]
fn ids_differ_and_are_told() {
    let (claims, first) = issued(&ours(), 600, None);
    assert_eq!(format!("JTI={}", claims["jti"].as_str().unwrap()), first.credential_id);
    assert_ne!(issued(&ours(), 600, None).1.credential_id, first.credential_id);
    assert!(!format!("{first:?}").contains("eyJ"));
}

#[test]
fn a_lifetime_beyond_the_calendar_is_an_error() {
    assert!(accounts(Algorithm::Es256).issuer.issue(SA1, &ours(), i64::MAX, None).is_err());
}

#[test]
fn an_issuer_must_be_discoverable() {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    for issuer in ["", "http://x", "https://x?y", "https://x#y", "kubernetes/serviceaccount"] {
        assert!(TokenIssuer::new(issuer, ours(), key.clone()).is_err(), "{issuer}");
    }
}
