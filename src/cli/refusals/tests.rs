use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: ServeOptions,
}

fn options(line: &str) -> ServeOptions {
    Line::try_parse_from(std::iter::once("portcullis").chain(line.split_whitespace())).unwrap().serve
}

/// Each row of the table: a command line that it refuses, its words, and one close by that is fine.
const ROWS: &[(&str, &str, &str, &str)] = &[
    (
        "issuer-empty",
        "--service-account-issuer=",
        "should not be an empty string",
        "--service-account-issuer=me",
    ),
    (
        "issuer-twice",
        "--service-account-issuer=https://a --service-account-issuer=https://a",
        "service-account-issuer \"https://a\" is already specified",
        "--service-account-issuer=https://a --service-account-issuer=https://b",
    ),
    (
        "issuer-url",
        "--service-account-issuer=https://[",
        "was not a valid URL",
        "--service-account-issuer=https://x/y",
    ),
    (
        "services-too-many",
        "--service-cluster-ip-range=10.0.0.0/8",
        "specified --service-cluster-ip-range is too large; for 32-bit addresses, the mask must be >= 12",
        "--service-cluster-ip-range=10.0.0.0/12",
    ),
    ("timeout-zero", "--request-timeout=0", "--request-timeout 0", "--request-timeout=1"),
    ("inflight-zero", "--max-requests-inflight=0", "--max-requests-inflight 0", "--max-requests-inflight=1"),
    ("tls", "--tls-min-version=VersionTLS11", "VersionTLS11 is too old", "--tls-min-version=VersionTLS12"),
    (
        "tls",
        "--tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA",
        "Cipher suite TLS_RSA_WITH_AES_128_CBC_SHA not supported or doesn't exist",
        "--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "open-door",
        "--authorization-mode=AlwaysAllow --insecure-authorization-always-allow --anonymous-auth",
        "AnonymousAuth is not allowed with the AlwaysAllow authorizer",
        "--authorization-mode=AlwaysAllow --insecure-authorization-always-allow --anonymous-auth=false",
    ),
    (
        "allow-unused",
        "--insecure-authorization-always-allow",
        "no mode is AlwaysAllow",
        "--insecure-authorization-always-allow --authorization-mode=AlwaysAllow",
    ),
    (
        "guards-off",
        "--disable-admission-plugins=Priority,NodeRestriction,PodSecurity",
        "NodeRestriction,PodSecurity opens what they guard",
        "--disable-admission-plugins=NodeRestriction --insecure-admission-without-guards",
    ),
    (
        "masters-unused",
        "--insecure-authentication-token-webhook-masters",
        "given without a webhook",
        "--insecure-authentication-token-webhook-masters --authentication-token-webhook-config-file=x",
    ),
    (
        "token-webhook-unused",
        "--authentication-token-webhook-version=v1",
        "--authentication-token-webhook-version is given without",
        "--authentication-token-webhook-version=v1 --authentication-token-webhook-config-file=x",
    ),
    (
        "shadow-is-real",
        "--policy-dir=p --policy-shadow-dir=p",
        "the very policies that are in force",
        "--policy-dir=p --policy-shadow-dir=q",
    ),
    (
        "etcd-plaintext",
        "--etcd-servers=http://127.0.0.1:2379,http://10.0.0.1:2379",
        "--etcd-servers http://10.0.0.1:2379 would carry every secret",
        "--etcd-servers=http://127.0.0.1:2379,http://[::1]:2379,http://localhost:1,https://10.0.0.1:2379",
    ),
    (
        "etcd-plaintext",
        "--etcd-servers=http://etcd:2379",
        "in the clear",
        "--etcd-servers=http://etcd:2379 --insecure-etcd-plaintext",
    ),
    (
        "rotation-of-stdout",
        "--audit-log-path=- --audit-log-maxsize=1",
        "standard output is not rotated",
        "--audit-log-path=x --audit-log-maxsize=1",
    ),
];

#[test]
fn every_row_refuses_what_it_is_about_and_nothing_else() {
    for (name, bad, words, good) in ROWS {
        let failure = check(&options(bad)).unwrap_err().to_string();
        assert!(failure.contains(words), "{bad}: {failure}");
        let refusal = TABLE.iter().find(|refusal| refusal.name == *name).unwrap();
        assert!((refusal.of)(&options(bad)).is_some(), "{name} refuses {bad}");
        assert!(failure.contains(refusal.fix), "{failure}");
        if let Err(failure) = check(&options(good)) {
            panic!("{good}: {failure}");
        }
    }
}

#[test]
fn every_row_is_tried_and_the_defaults_pass() {
    for refusal in TABLE {
        assert!(ROWS.iter().any(|(name, ..)| *name == refusal.name), "{} is not tried", refusal.name);
    }
    assert!(check(&ServeOptions::default()).is_ok());
    assert!(check(&options("")).is_ok());
}

#[test]
fn what_opens_something_says_insecure() {
    let opening = ["open-door", "guards-off", "etcd-plaintext"];
    for refusal in TABLE.iter().filter(|refusal| opening.contains(&refusal.name)) {
        assert!(refusal.fix.contains("--insecure-") || refusal.name == "open-door", "{}", refusal.name);
    }
}
