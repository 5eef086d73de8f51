use std::sync::Arc;

use portcullis_pki::NothingRevoked;

use super::*;
use crate::testing::{Certificates, certificates, groups, head};

fn scheme(world: &Certificates) -> FrontProxy {
    FrontProxy::new(FrontProxyHeaders::default(), vec!["front-proxy-client".into()], &world.trust).unwrap()
}

fn identity(world: &Certificates, headers: &[(&str, &str)]) -> Identity {
    let parts = head("/", headers);
    match scheme(world).authenticate(&parts.headers, &world.front_proxy(), Timestamp::now()) {
        Ok(Attempt::Verified(identity)) => identity,
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers_name_the_user() {
    let world = certificates();
    let user = identity(
        &world,
        &[
            ("X-Remote-User", "jane"),
            ("X-Remote-Uid", "7"),
            ("x-remote-GROUP", "dev"),
            ("X-Remote-Group", ""),
            ("X-Remote-Group", "a, b"),
            ("X-Remote-Extra-%53copes", "one"),
            ("X-Remote-Extra-scopes", "two"),
            ("X-Remote-Extra-example.com%2fa%ZZ", "raw"),
        ],
    )
    .user;
    assert_eq!((&*user.name, &*user.uid), ("jane", "7"));
    assert_eq!(groups(&user), ["dev", "a, b", "system:authenticated"]);
    // Escapes are decoded after the name was brought to lower case, as upstream.
    assert_eq!(user.extra["Scopes"], ["one"]);
    assert_eq!(user.extra["scopes"], ["two"]);
    assert_eq!(user.extra["example.com%2fa%zz"], ["raw"]);
}

#[test]
fn d031_odd_headers_read_in_one_way_only() {
    let world = certificates();
    assert_eq!(&*identity(&world, &[("X-Remote-User", ""), ("X-Remote-User", "second")]).user.name, "second");
    let parts = head("/", &[("X_Remote_User", "admin")]);
    let attempt = scheme(&world).authenticate(&parts.headers, &world.front_proxy(), Timestamp::now());
    assert!(matches!(attempt, Ok(Attempt::NotMine)));
    for name in ["x-remote-user", "x-remote-group", "x-remote-extra-a"] {
        let mut parts = head("/", &[("x-remote-user", "jane")]);
        parts.headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(b"a\xffb").unwrap());
        let refused = scheme(&world).authenticate(&parts.headers, &world.front_proxy(), Timestamp::now());
        assert_eq!(refused.unwrap_err().code(), http::StatusCode::BAD_REQUEST, "{name}");
    }
}

#[test]
fn d009_b001_nobody_may_be_allowed_by_omission() {
    let world = certificates();
    let open = |trust: &ClientTrust, names: &[&str]| {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        FrontProxy::new(FrontProxyHeaders::default(), names, trust)
    };
    assert!(matches!(open(&world.trust, &[]), Err(ConfigError::FrontProxyOpen)));
    assert!(matches!(open(&world.trust, &[""]), Err(ConfigError::FrontProxyOpen)));
    let ca = world.pki.authority_pem("ca").unwrap();
    let shared = ClientTrust::new(ca, Some(ca), Arc::new(NothingRevoked)).unwrap();
    let error = open(&shared, &[]).unwrap_err().to_string();
    assert!(
        error.contains("--client-ca-file") && error.contains("--requestheader-client-ca-file"),
        "{error}"
    );
    assert!(open(&shared, &["proxy"]).is_ok());
}

#[test]
fn d009_a_name_that_is_not_allowed_is_rejected() {
    let world = certificates();
    let other = FrontProxy::new(FrontProxyHeaders::default(), vec!["another".into()], &world.trust).unwrap();
    let parts = head("/", &[("x-remote-user", "admin")]);
    let attempt = other.authenticate(&parts.headers, &world.front_proxy(), Timestamp::now());
    assert!(matches!(attempt, Ok(Attempt::Rejected(_))));
    // The allowed name, but by the users' authority.
    let attempt =
        scheme(&world).authenticate(&parts.headers, &world.user("front-proxy-client", &[]), Timestamp::now());
    assert!(matches!(attempt, Ok(Attempt::NotMine)));
}

#[test]
fn b004_custom_headers_are_stripped() {
    let headers =
        FrontProxyHeaders::named(&["X-User-Remote"], &[], &["X-Group-Remote"], &["X-Extra-Remote-"]).unwrap();
    let mut parts = head(
        "/",
        &[("x-user-remote", "a"), ("x-group-remote", "b"), ("x-extra-remote-Scopes", "c"), ("x-else", "d")],
    );
    headers.strip(&mut parts.headers);
    assert_eq!(parts.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-else"]);
    assert!(FrontProxyHeaders::named(&["a b"], &[], &[], &[]).is_err());
    assert!(FrontProxyHeaders::named(&[""], &[], &[], &[]).is_err());
}
