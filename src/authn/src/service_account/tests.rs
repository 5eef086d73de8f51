use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use portcullis_pki::{Algorithm, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Accounts, SA1, accounts, groups, meta, ours, parts_of, sign, work_done};
use crate::{BoundObject, KeySet};

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn attempt_at(accounts: &Accounts, token: &str, now: Timestamp) -> Attempt {
    block(accounts.scheme.authenticate(token, &ours(), now))
}

fn attempt(accounts: &Accounts, token: &str) -> Attempt {
    attempt_at(accounts, token, Timestamp::now())
}

fn user(attempt: Attempt) -> UserInfo {
    match attempt {
        Attempt::Verified(identity) => identity.user,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(accounts: &Accounts, token: &str) -> String {
    match attempt(accounts, token) {
        Attempt::Verified(identity) => panic!("{:?} was let in by {token:.200}", identity.user),
        Attempt::NotMine => String::new(),
        Attempt::Rejected(why) => why.as_str().to_owned(),
    }
}

/// A token with spoiled claims, well signed.
fn claiming(accounts: &Accounts, spoil: impl FnOnce(&mut Value)) -> String {
    let mut claims = accounts.claims();
    spoil(&mut claims);
    sign(&accounts.key, &accounts.header().to_string(), &claims.to_string())
}

/// A token with a spoiled header, well signed.
fn headed(accounts: &Accounts, spoil: impl FnOnce(&mut Value)) -> String {
    let mut header = accounts.header();
    spoil(&mut header);
    sign(&accounts.key, &header.to_string(), &accounts.claims().to_string())
}

fn both(test: impl Fn(&Accounts)) {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        test(&accounts(algorithm));
    }
}

#[test]
fn a_good_token_is_its_account() {
    both(|accounts| {
        let user = user(attempt(accounts, &accounts.token()));
        assert_eq!((&*user.name, &*user.uid), ("system:serviceaccount:a:sa1", "u1"));
        assert_eq!(
            groups(&user),
            ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]
        );
        let id = &user.extra["authentication.kubernetes.io/credential-id"];
        assert!(id[0].starts_with("JTI=") && id.len() == 1);
        assert_eq!(user.extra.len(), 1);
    });
}

#[test]
fn d001_unsigned_tokens_are_refused() {
    both(|accounts| {
        let claims = URL_SAFE_NO_PAD.encode(accounts.claims().to_string());
        for alg in [json!("none"), json!("None"), json!("NONE"), json!("nOnE"), json!(""), Value::Null] {
            let mut header = accounts.header();
            header["alg"] = alg;
            refused(accounts, &sign(&accounts.key, &header.to_string(), &accounts.claims().to_string()));
            let header = URL_SAFE_NO_PAD.encode(header.to_string());
            refused(accounts, &format!("{header}.{claims}."));
            refused(accounts, &format!("{header}.{claims}"));
        }
        let without = headed(accounts, |h| drop(h.as_object_mut().unwrap().remove("alg")));
        refused(accounts, &without);
        let (signed, _) =
            accounts.token().rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        refused(accounts, &format!("{signed}."));
    });
}

#[test]
fn d002_the_public_key_is_no_shared_secret() {
    let accounts = accounts(Algorithm::Rs256);
    let public = accounts.key.public();
    let jwk: Value = serde_json::from_str(public.jwk()).unwrap();
    let pem = public.to_pem();
    let der = STANDARD.decode(pem.lines().filter(|l| !l.starts_with('-')).collect::<String>()).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [pem.as_bytes(), pem.trim().as_bytes(), &der, public.jwk().as_bytes(), &modulus] {
        let mut header = accounts.header();
        header["alg"] = json!("HS256");
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(accounts.claims().to_string())
        );
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        refused(&accounts, &format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)));
    }
}

#[test]
fn d003_keys_in_the_header_are_not_read() {
    let accounts = accounts(Algorithm::Es256);
    let evil = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk: Value = serde_json::from_str(evil.public().jwk()).unwrap();
    for (field, value) in [
        ("jwk", jwk),
        ("jku", json!("http://127.0.0.1:1/")),
        ("x5u", json!("http://127.0.0.1:1/")),
        ("x5c", json!(["AA=="])),
    ] {
        for kid in [accounts.key.public().kid(), evil.public().kid(), ""] {
            let mut header = accounts.header();
            header["kid"] = json!(kid);
            header[field] = value.clone();
            refused(&accounts, &sign(&evil, &header.to_string(), &accounts.claims().to_string()));
        }
    }
}

#[test]
fn d004_the_key_id_is_only_a_map_key() {
    let accounts = accounts(Algorithm::Es256);
    for kid in [
        json!("../../dev/null"),
        json!("/proc/self/environ"),
        json!("' OR 1=1"),
        json!("\u{0}"),
        json!(["a"]),
        json!({}),
        json!(1),
    ] {
        refused(&accounts, &headed(&accounts, |h| h["kid"] = kid));
    }
    let long = headed(&accounts, |h| h["kid"] = json!("k".repeat(1 << 20)));
    let begin = work_done();
    refused(&accounts, &long);
    assert!(work_done() - begin < Duration::from_secs(5));
    let none = headed(&accounts, |h| drop(h.as_object_mut().unwrap().remove("kid")));
    user(attempt(&accounts, &none));
}

#[test]
fn d005_times_are_whole_seconds() {
    let accounts = accounts(Algorithm::Es256);
    let odd = [
        "\"1700000000\"",
        "null",
        "{}",
        "[]",
        "true",
        "1e999",
        "-1",
        "9223372036854775808",
        "4102444800.5",
        "4.1e9",
        "253402300800",
        "18446744073709551616",
    ];
    for field in ["exp", "nbf", "iat"] {
        for value in odd {
            // Made once: a second later they are others.
            let claims = accounts.claims();
            let (text, was) = (claims.to_string(), claims[field].to_string());
            let text = text.replacen(&format!("\"{field}\":{was}"), &format!("\"{field}\":{value}"), 1);
            refused(&accounts, &sign(&accounts.key, &accounts.header().to_string(), &text));
        }
        let missing = claiming(&accounts, |c| drop(c.as_object_mut().unwrap().remove(field)));
        refused(&accounts, &missing);
    }
    for (field, value) in [
        ("aud", json!(1)),
        ("aud", json!([1])),
        ("sub", json!(["system:serviceaccount:a:sa1"])),
        ("jti", json!(7)),
    ] {
        refused(&accounts, &claiming(&accounts, |c| c[field] = value));
    }
}

#[test]
fn d006_both_subjects_must_agree() {
    let accounts = accounts(Algorithm::Es256);
    accounts.objects.put(Watched::ServiceAccounts, meta("kube-system", "admin", "u2"));
    let other = json!({"namespace": "kube-system", "serviceaccount": {"name": "admin", "uid": "u2"}});
    let token = claiming(&accounts, |c| c["kubernetes.io"] = other);
    assert_eq!(refused(&accounts, &token), "sub claim does not name the token's service account");
    refused(&accounts, &claiming(&accounts, |c| c["sub"] = json!("system:serviceaccount:kube-system:admin")));
    for (namespace, name) in [("a:b", "c"), ("", "sa1"), ("a", ""), ("a", "b:c")] {
        let token = claiming(&accounts, |c| {
            c["sub"] = json!(format!("system:serviceaccount:{namespace}:{name}"));
            c["kubernetes.io"]["namespace"] = json!(namespace);
            c["kubernetes.io"]["serviceaccount"]["name"] = json!(name);
        });
        refused(&accounts, &token);
    }
}

#[test]
fn d007_other_keys_of_the_cluster_sign_no_tokens() {
    let accounts = accounts(Algorithm::Es256);
    let certificates = crate::testing::certificates();
    for profile in ["ca", "apiserver", "front-proxy-ca", "front-proxy-client"] {
        let (_, key) = certificates.pki.stored(profile).unwrap();
        let key = SigningKey::from_pem(key.expose()).unwrap();
        for kid in [accounts.key.public().kid(), key.public().kid(), ""] {
            let header = json!({"alg": "ES256", "kid": kid}).to_string();
            refused(&accounts, &sign(&key, &header, &accounts.claims().to_string()));
        }
    }
}

#[test]
fn d015_a069_a_member_that_is_there_twice_is_refused() {
    let accounts = accounts(Algorithm::Es256);
    let (header, claims) = (accounts.header().to_string(), accounts.claims().to_string());
    let twice = |text: &str, member: &str, first: bool| match first {
        true => text.replacen('{', &format!("{{{member},"), 1),
        false => format!("{},{member}}}", text.strip_suffix('}').unwrap()),
    };
    let binding = r#""kubernetes.io":{"namespace":"a","serviceaccount":{"name":"sa1","uid":"u1"}}"#;
    for member in [
        r#""iss":"https://evil""#,
        r#""iss":"https://kubernetes.default.svc""#,
        r#""exp":4102444800"#,
        binding,
        r#""sub":"x""#,
        r#""aud":["x"]"#,
    ] {
        for first in [true, false] {
            refused(&accounts, &sign(&accounts.key, &header, &twice(&claims, member, first)));
        }
    }
    for first in [true, false] {
        refused(&accounts, &sign(&accounts.key, &twice(&header, r#""alg":"none""#, first), &claims));
    }
    refused(&accounts, &claiming(&accounts, |c| c["iss"] = json!(["https://kubernetes.default.svc"])));
}

#[test]
fn d016_the_audience_must_be_ours() {
    let accounts = accounts(Algorithm::Es256);
    for aud in [
        json!("other"),
        json!([]),
        json!("*"),
        json!("https://kubernetes.default"),
        json!("HTTPS://kubernetes.default.svc"),
        json!(["https://kubernetes.default.svc/"]),
    ] {
        refused(&accounts, &claiming(&accounts, |c| c["aud"] = aud));
    }
    refused(&accounts, &claiming(&accounts, |c| drop(c.as_object_mut().unwrap().remove("aud"))));
    user(attempt(&accounts, &claiming(&accounts, |c| c["aud"] = json!(["other", DEFAULT]))));
    user(attempt(&accounts, &claiming(&accounts, |c| c["aud"] = json!(DEFAULT))));
}

const DEFAULT: &str = crate::DEFAULT_ISSUER;

#[test]
fn d020_bound_objects_must_live_and_be_the_same() {
    let accounts = accounts(Algorithm::Es256);
    let bounds = [
        (Watched::Pods, "a", BoundObject::Pod { name: "b".into(), uid: "ub".into(), node: None }),
        (Watched::Secrets, "a", BoundObject::Secret { name: "b".into(), uid: "ub".into() }),
        (Watched::Nodes, "", BoundObject::Node { name: "b".into(), uid: "ub".into() }),
    ];
    for (of, namespace, bound) in bounds {
        let token = accounts.issuer.issue(SA1, &ours(), 3600, Some(&bound)).unwrap().token;
        assert_eq!(refused(&accounts, &token), "service account token has been invalidated");
        accounts.objects.put(of, meta(namespace, "b", "ub"));
        user(attempt(&accounts, &token));
        accounts.objects.put(of, meta(namespace, "b", "other"));
        let why = refused(&accounts, &token);
        assert!(
            why.ends_with("ref claim (ub)") && why.contains("UID (other) does not match service account"),
            "{why}"
        );
        let mut deleting = meta(namespace, "b", "ub");
        deleting["metadata"]["deletionTimestamp"] = json!("2020-01-01T00:00:00Z");
        accounts.objects.put(of, deleting);
        assert_eq!(refused(&accounts, &token), "service account token has been invalidated");
        let mut just_now = meta(namespace, "b", "ub");
        just_now["metadata"]["deletionTimestamp"] = json!(portcullis_api::time::now_rfc3339());
        accounts.objects.put(of, just_now);
        user(attempt(&accounts, &token));
    }
}

#[test]
fn d020_d021_an_account_that_is_gone_or_new_is_felt_at_once() {
    let accounts = accounts(Algorithm::Es256);
    let token = accounts.token();
    user(attempt(&accounts, &token));
    accounts.objects.remove(Watched::ServiceAccounts, "a", "sa1");
    assert_eq!(refused(&accounts, &token), "serviceaccounts \"sa1\" not found");
    accounts.objects.put(Watched::ServiceAccounts, meta("a", "sa1", "u9"));
    assert_eq!(refused(&accounts, &token), "service account UID (u9) does not match claim (u1)");
    let mut deleting = meta("a", "sa1", "u1");
    deleting["metadata"]["deletionTimestamp"] = json!("unreadable");
    accounts.objects.put(Watched::ServiceAccounts, deleting);
    assert_eq!(refused(&accounts, &token), "service account a/sa1 has been deleted");
}

#[test]
fn d022_rotation_needs_no_restart() {
    let accounts = accounts(Algorithm::Es256);
    let old = accounts.token();
    user(attempt(&accounts, &old));
    let new = Arc::new(SigningKey::generate(Algorithm::Rs256).unwrap());
    accounts.keys.replace(vec![new.public().clone(), accounts.key.public().clone()]);
    assert_eq!(accounts.keys.algorithms(), ["ES256", "RS256"]);
    accounts.issuer.rotate(new.clone());
    user(attempt(&accounts, &old));
    user(attempt(&accounts, &accounts.token()));
    accounts.keys.replace(vec![new.public().clone()]);
    refused(&accounts, &old);
    let jwks: Value = serde_json::from_slice(&accounts.keys.jwks()).unwrap();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    assert_eq!(jwks["keys"][0]["kid"], new.public().kid());
}

#[test]
fn times_hold_with_a_minute_of_leeway() {
    let accounts = accounts(Algorithm::Es256);
    let token = accounts.token();
    let now = Timestamp::now();
    let at = |seconds| attempt_at(&accounts, &token, now + SignedDuration::from_secs(seconds));
    user(at(3600 + 50));
    assert!(
        matches!(at(3600 + 70), Attempt::Rejected(why) if why.as_str() == "service account token has expired")
    );
    user(at(-50));
    assert!(
        matches!(at(-70), Attempt::Rejected(why) if why.as_str() == "service account token is not valid yet")
    );
}

#[test]
fn a068_d055_d056_odd_shapes_are_refused_quickly() {
    let accounts = accounts(Algorithm::Es256);
    let good = accounts.token();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let begin = work_done();
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{header}.{payload}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}=.{payload}.{signature}"),
        format!(" {good}"),
        format!("{header}.{payload}. {signature}"),
        format!("{header}.\u{feff}{payload}.{signature}"),
        format!("{header}.{}+/.{signature}", payload.trim_end_matches(char::is_alphanumeric)),
        json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]})
            .to_string(),
        ".".repeat(900 << 10),
        format!(
            "{}.a.b.c.d",
            URL_SAFE_NO_PAD
                .encode(r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","zip":"DEF","p2c":2147483648}"#)
        ),
        "a".repeat(8 << 10),
        "a".repeat(64 << 10),
        "a".repeat((1 << 20) - 1),
        URL_SAFE_NO_PAD.encode("[".repeat(20_000)),
    ] {
        refused(&accounts, &token);
    }
    assert!(work_done() - begin < Duration::from_secs(5));
    assert_eq!(accounts.scheme.cache.len(), 0);
    let deep =
        sign(&accounts.key, &accounts.header().to_string(), &format!("{{\"a\":{}", "[".repeat(10_000)));
    refused(&accounts, &deep);
}

#[test]
fn d057_odd_signatures_are_refused() {
    let accounts = accounts(Algorithm::Es256);
    let good = accounts.token();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let with = |bytes: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    refused(&accounts, &with(&[0; 64]));
    let mut der = vec![0x30, 0x44, 0x02, 0x20];
    der.extend(&raw[..32]);
    der.extend([0x02, 0x20]);
    der.extend(&raw[32..]);
    refused(&accounts, &with(&der));
    for alg in ["ES384", "ES256K", "RS256", "PS256", "EdDSA", "es256"] {
        refused(&accounts, &headed(&accounts, |h| h["alg"] = json!(alg)));
    }
    refused(&accounts, &headed(&accounts, |h| h["crit"] = json!(["b64"])));
    refused(&accounts, &headed(&accounts, |h| h["b64"] = json!(false)));
    refused(&accounts, &with(&high_s(&raw)));
}

/// The other valid `s` of an ECDSA signature on P-256: the order of the group minus `s`.
fn high_s(raw: &[u8]) -> Vec<u8> {
    let order: [u8; 32] = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        .unwrap()
        .try_into()
        .unwrap();
    let mut flipped = raw.to_vec();
    let mut borrow = 0i16;
    for at in (0..32).rev() {
        let digit = i16::from(order[at]) - i16::from(raw[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        flipped[32 + at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    flipped
}

#[test]
fn legacy_and_foreign_tokens_are_nobodys() {
    let accounts = accounts(Algorithm::Es256);
    let legacy = json!({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:a:sa1",
        "kubernetes.io/serviceaccount/namespace": "a", "kubernetes.io/serviceaccount/secret.name": "s",
        "kubernetes.io/serviceaccount/service-account.name": "sa1", "kubernetes.io/serviceaccount/service-account.uid": "u1",
    });
    assert_eq!(
        refused(&accounts, &sign(&accounts.key, &accounts.header().to_string(), &legacy.to_string())),
        ""
    );
    assert_eq!(refused(&accounts, &claiming(&accounts, |c| c["iss"] = json!("https://other"))), "");
}

#[test]
fn a_store_that_is_away_lets_nobody_in() {
    let accounts = accounts(Algorithm::Es256);
    let account = crate::ServiceAccount { namespace: "broken", name: "sa1", uid: "u1" };
    let token = accounts.issuer.issue(account, &ours(), 3600, None).unwrap().token;
    assert!(refused(&accounts, &token).starts_with("cannot look up serviceaccounts"));
}

#[test]
fn pods_and_their_nodes_are_told() {
    let accounts = accounts(Algorithm::Es256);
    accounts.objects.put(Watched::Pods, meta("a", "p", "up"));
    let extra = |node| {
        let bound = BoundObject::Pod { name: "p".into(), uid: "up".into(), node };
        let token = accounts.issuer.issue(SA1, &ours(), 3600, Some(&bound)).unwrap().token;
        let user = user(attempt(&accounts, &token));
        user.extra
            .iter()
            .map(|(k, v)| (k.rsplit_once('/').unwrap().1.to_owned(), v.join("|")))
            .filter(|(k, _)| k != "credential-id")
            .collect::<Vec<_>>()
    };
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    let pod = vec![pair("pod-name", "p"), pair("pod-uid", "up")];
    assert_eq!(extra(None), pod);
    assert_eq!(
        extra(Some(("n".into(), String::new()))),
        [vec![pair("node-name", "n")], pod.clone()].concat()
    );
    let node = vec![pair("node-name", "n"), pair("node-uid", "un")];
    assert_eq!(extra(Some(("n".into(), "un".into()))), [node, pod].concat());
}

#[test]
fn the_cache_is_bounded_and_forgets_nothing_it_should_check() {
    let accounts = accounts(Algorithm::Es256);
    let token = accounts.token();
    for _ in 0..3 {
        user(attempt(&accounts, &token));
    }
    assert_eq!(accounts.scheme.cache.len(), 1);
    let asked = vec!["other".to_owned()];
    assert!(matches!(
        block(accounts.scheme.authenticate(&token, &asked, Timestamp::now())),
        Attempt::Rejected(_)
    ));
    let later = Timestamp::now() + SignedDuration::from_hours(2);
    assert!(matches!(attempt_at(&accounts, &token, later), Attempt::Rejected(_)));
}

#[test]
fn an_empty_key_set_believes_nothing() {
    let accounts = accounts(Algorithm::Es256);
    let token = accounts.token();
    accounts.keys.replace(Vec::new());
    assert_eq!(refused(&accounts, &token), "invalid signature, no keys found");
    assert_eq!(&KeySet::new(Vec::new()).jwks()[..], b"{\"keys\":[]}");
}

#[test]
fn claims_are_upstreams() {
    let accounts = accounts(Algorithm::Rs256);
    let (header, claims) = parts_of(&accounts.token());
    assert_eq!(header, json!({"alg": "RS256", "kid": accounts.key.public().kid()}));
    let keys: Vec<_> = claims.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["aud", "exp", "iat", "iss", "jti", "kubernetes.io", "nbf", "sub"]);
    assert_eq!(
        claims["kubernetes.io"],
        json!({"namespace": "a", "serviceaccount": {"name": "sa1", "uid": "u1"}})
    );
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,300}") {
        prop_assert!(crate::user_of_unverified_claims(&text).is_none());
    }

    #[test]
    fn any_claims_are_refused_without_a_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let token = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#), URL_SAFE_NO_PAD.encode(payload));
        prop_assert!(crate::user_of_unverified_claims(&token).is_none());
    }
}

fn scheme_minus(accounts: &Accounts, revoked: &Arc<RevokedTokens>) -> ServiceAccountTokens {
    let scheme = ServiceAccountTokens::new(
        vec![crate::DEFAULT_ISSUER.to_owned()],
        accounts.keys.clone(),
        accounts.objects.clone(),
    );
    scheme.unwrap().minus(revoked.clone())
}

#[test]
fn one_token_is_taken_back_and_the_others_stay() {
    let accounts = accounts(Algorithm::Es256);
    let revoked = Arc::new(RevokedTokens::default());
    let scheme = scheme_minus(&accounts, &revoked);
    let (one, other) = (accounts.token(), accounts.token());
    let ask = |token: &str| block(scheme.authenticate(token, &ours(), Timestamp::now()));
    let Attempt::Verified(opened) = ask(&one) else { panic!() };
    let Attempt::Verified(beside) = ask(&other) else { panic!() };
    let id = parts_of(&one).1["jti"].as_str().unwrap().to_owned();
    revoked.set("r", Some(crate::RevokedToken::Id(id)));
    // Its signature is in memory; that does not help it.
    let Attempt::Rejected(why) = ask(&one) else { panic!("a revoked token was let in") };
    assert_eq!(why.as_str(), "service account token has been revoked");
    assert!(matches!(ask(&other), Attempt::Verified(_)));
    let now = Timestamp::now();
    assert!(!opened.life.holds(now) && beside.life.holds(now));
    revoked.set("r", None);
    assert!(matches!(ask(&one), Attempt::Verified(_)));
}

#[test]
fn all_tokens_of_an_account_are_taken_back_and_later_ones_are_good() {
    let accounts = accounts(Algorithm::Es256);
    let revoked = Arc::new(RevokedTokens::default());
    let scheme = scheme_minus(&accounts, &revoked);
    let old = claiming(&accounts, |claims| {
        let issued = claims["iat"].as_i64().unwrap() - 30;
        claims["iat"] = json!(issued);
    });
    let before = Timestamp::now() - SignedDuration::from_secs(10);
    let account =
        |name: &str| crate::RevokedToken::Account { namespace: "a".into(), name: name.into(), before };
    revoked.set("other", Some(account("sa2")));
    let ask = |token: &str| block(scheme.authenticate(token, &ours(), Timestamp::now()));
    assert!(matches!(ask(&old), Attempt::Verified(_)));
    revoked.set("this", Some(account("sa1")));
    assert!(matches!(ask(&old), Attempt::Rejected(_)));
    assert!(matches!(ask(&accounts.token()), Attempt::Verified(_)));
}

#[test]
fn headers_and_claims_are_objects() {
    let accounts = accounts(Algorithm::Es256);
    let (header, claims) = (accounts.header(), accounts.claims());
    let list = json!([header["alg"], header["kid"]]).to_string();
    refused(&accounts, &sign(&accounts.key, &list, &claims.to_string()));
    let account = &claims["kubernetes.io"]["serviceaccount"];
    let listed = claiming(&accounts, |claims| {
        claims["kubernetes.io"]["serviceaccount"] = json!([account["name"], account["uid"]]);
    });
    refused(&accounts, &listed);
    let listed = claiming(&accounts, |claims| claims["kubernetes.io"]["pod"] = json!(["p", "u"]));
    refused(&accounts, &listed);
}
