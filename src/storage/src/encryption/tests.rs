//! Formats, rules and refusals.

use base64::Engine as _;

use super::*;
use crate::coded::Plain;

pub(super) fn placed() -> Placed {
    Arc::new(|key: &str| {
        let resource = key.strip_prefix("/registry/")?.split('/').next()?;
        let group = if resource == "deployments" { "apps" } else { "" };
        Some((group.to_owned(), resource.to_owned()))
    })
}

pub(super) fn plain() -> Arc<dyn Codec> {
    Arc::new(Plain::new(Arc::new(|_: &str, _: &[u8]| None)))
}

fn secret(byte: u8, length: usize) -> String {
    base64::engine::general_purpose::STANDARD.encode(vec![byte; length])
}

pub(super) fn config(resources: &str, providers: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [{resources}]\n  providers: {providers}\n"
    )
}

fn keys(scheme: &str, name: &str, byte: u8) -> String {
    format!("{scheme}: {{keys: [{{name: {name}, secret: {}}}]}}", secret(byte, 32))
}

fn encryption(text: &str) -> Encryption {
    Encryption::parse(text, placed(), plain()).unwrap()
}

#[track_caller]
fn refused(text: &str) -> String {
    Encryption::parse(text, placed(), plain()).unwrap_err()
}

pub(super) const KEY: &str = "/registry/secrets/ns/a";
pub(super) const VALUE: &[u8] = b"{\"kind\":\"Secret\"}";

#[test]
fn every_scheme_seals_and_opens_behind_upstreams_prefix() {
    for scheme in ["aescbc", "aesgcm", "secretbox"] {
        let encryption = encryption(&config("secrets", &format!("[{{{}}}]", keys(scheme, "key1", 7))));
        let sealed = encryption.seal(KEY, Bytes::from_static(VALUE)).unwrap();
        assert!(sealed.starts_with(format!("k8s:enc:{scheme}:v1:key1:").as_bytes()), "{scheme}");
        assert_ne!(sealed, encryption.seal(KEY, Bytes::from_static(VALUE)).unwrap(), "never twice the same");
        assert_eq!(encryption.open(KEY, sealed.clone()).unwrap(), VALUE);
        assert!(!encryption.is_stale(KEY, &sealed) && encryption.is_stale(KEY, VALUE));
        for cut in [sealed.len() - 1, sealed.len() - 16, 30, 22, 8] {
            assert!(encryption.open(KEY, sealed.slice(..cut)).is_err(), "{scheme} cut to {cut}");
        }
        assert_eq!(encryption.seal("/registry/pods/ns/a", Bytes::from_static(VALUE)).unwrap(), VALUE);
    }
}

#[test]
fn a_box_is_nacls() {
    // The first test of NaCl's `secretbox`.
    let hex = |text: &str| hex::decode(text).unwrap();
    let key = hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
    let nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
    let message = hex(
        "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01\
         233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd\
         4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
    );
    let boxed = hex(
        "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c\
         98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfea\
         bd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5",
    );
    let sealing = SealingKey::new(Scheme::Secretbox, "k", Zeroizing::new(key));
    let opened = sealing.open("", &[nonce, boxed].concat()).unwrap_or_default();
    assert_eq!(opened, message);
}

#[test]
fn g004_values_moved_to_another_key_are_not_opened() {
    let own = || vec![OwnKey { name: "k1".into(), secret: Zeroizing::new(vec![3; 32]) }];
    let gcm = encryption(&config("secrets", &format!("[{{{}}}]", keys("aesgcm", "key1", 7))));
    for encryption in [gcm, Encryption::own(own(), placed(), plain())] {
        let sealed = encryption.seal(KEY, Bytes::from_static(VALUE)).unwrap();
        assert_eq!(encryption.open(KEY, sealed.clone()).unwrap(), VALUE);
        let moved = encryption.open("/registry/secrets/ns/b", sealed).unwrap_err();
        assert_eq!(moved.to_string(), "it was changed, or sealed for another key");
    }
}

#[test]
fn values_are_bound_to_the_key_as_etcd_has_it() {
    let text = config("secrets", &format!("[{{{}}}]", keys("aesgcm", "key1", 7)));
    let (here, there) = (encryption(&text).below("/registry"), encryption(&text).below("/other"));
    let sealed = there.seal(KEY, Bytes::from_static(VALUE)).unwrap();
    assert!(here.open(KEY, sealed.clone()).is_err());
    assert_eq!(there.open(KEY, sealed).unwrap(), VALUE);
}

#[test]
fn g034_the_first_provider_writes_and_all_read() {
    let old = encryption(&config("secrets", &format!("[{{{}}}]", keys("aescbc", "old", 1))));
    let both = format!(
        "[{{{}}}, {{{}}}, {{identity: {{}}}}]",
        keys("secretbox", "new", 2),
        keys("aescbc", "old", 1)
    );
    let new = encryption(&config("secrets", &both));
    let sealed = old.seal(KEY, Bytes::from_static(VALUE)).unwrap();
    assert!(new.is_stale(KEY, &sealed));
    assert_eq!(new.open(KEY, sealed).unwrap(), VALUE);
    assert_eq!(new.open(KEY, Bytes::from_static(VALUE)).unwrap(), VALUE);
    let fresh = new.seal(KEY, Bytes::from_static(VALUE)).unwrap();
    assert_eq!(old.open(KEY, fresh).unwrap_err().to_string(), "no matching prefix found");
}

#[test]
fn g037_resources_are_chosen_by_name_group_or_all() {
    let text = |resources| config(resources, &format!("[{{{}}}]", keys("aesgcm", "k", 7)));
    let seals = |resources, key| {
        let sealed = encryption(&text(resources)).seal(key, Bytes::from_static(VALUE)).unwrap();
        sealed.starts_with(SEALED)
    };
    let deployment = "/registry/deployments/ns/a";
    assert!(seals("secrets", KEY) && !seals("secrets", deployment));
    assert!(seals("'*.'", KEY) && !seals("'*.'", deployment));
    assert!(seals("'*.apps'", deployment) && !seals("'*.apps'", KEY));
    assert!(seals("'*.*'", deployment) && seals("'*.*'", KEY));
}

#[test]
fn mistakes_are_named_in_upstreams_words() {
    let gcm = format!("[{{{}}}]", keys("aesgcm", "k", 7));
    let long = format!("[{{secretbox: {{keys: [{{name: k, secret: {}}}]}}}}]", secret(1, 16));
    let cases = [
        (
            config("secrets", &long),
            "resources[0].providers[0].secretbox.keys[0].secret: Invalid value: \"REDACTED\": secret is not of the \
             expected length, got 16, expected one of [32]",
        ),
        (
            config("secrets", "[{aescbc: {keys: [{name: k, secret: '!'}]}}]"),
            "resources[0].providers[0].aescbc.keys[0].secret: Invalid value: \"REDACTED\": secrets must be base64 encoded",
        ),
        (
            config("secrets", "[{aescbc: {keys: [{secret: ''}]}}]"),
            "[resources[0].providers[0].aescbc.keys[0].name: Required value: name is a mandatory field for a key, \
             resources[0].providers[0].aescbc.keys[0].secret: Required value: secret is a mandatory field for a key]",
        ),
        (
            config("secrets", "[{aesgcm: {keys: []}}]"),
            "resources[0].providers[0].aesgcm.keys: Required value: at least one keys is required",
        ),
        (
            config("secrets", "[]"),
            "resources[0].providers: Required value: at least one resources[0].providers is required",
        ),
        (
            config("'*'", &gcm),
            "resources[0].resources[0]: Invalid value: \"*\": use '*.' to encrypt all the resources from core API group \
             or *.* to encrypt all resources",
        ),
        (
            config("Secrets", &gcm),
            "resources[0].resources[0]: Invalid value: \"Secrets\": resource name should not contain capital letters",
        ),
        (
            config("secrets, secrets", &gcm),
            "resources[0].resources: Invalid value: [\"secrets\",\"secrets\"]: the same resource cannot be specified \
             multiple times",
        ),
    ];
    for (text, words) in cases {
        assert_eq!(refused(&text), words);
    }
    let kms = [
        (
            "{name: a, endpoint: 'tcp://x', apiVersion: v2}",
            "resources[0].providers[0].kms.endpoint: Invalid value: \"tcp://x\": unsupported scheme \"tcp\" for KMS \
             provider, only unix is supported",
        ),
        (
            "{name: 'a:b', endpoint: 'unix:///x', apiVersion: v2}",
            "resources[0].providers[0].kms.name: Invalid value: \"a:b\": invalid KMS provider name a:b, must not contain \
             ':'",
        ),
        (
            "{name: a, endpoint: 'unix:///x', apiVersion: v2, cachesize: 3}",
            "resources[0].providers[0].kms.cachesize: Invalid value: 3: cachesize is not supported in v2",
        ),
        (
            "{name: a, endpoint: 'unix:///x', apiVersion: v2, timeout: 0s}",
            "resources[0].providers[0].kms.timeout: Invalid value: \"0s\": timeout should be a positive value",
        ),
        (
            "{name: a, apiVersion: v2}",
            "resources[0].providers[0].kms.endpoint: Invalid value: \"\": endpoint is a mandatory field for a kms",
        ),
        (
            "{name: a, endpoint: 'unix:///x', apiVersion: v3}",
            "resources[0].providers[0].kms.apiVersion: Invalid value: \"v3\": unsupported apiVersion apiVersion for KMS \
             provider, only v1 and v2 are supported",
        ),
        (
            "{name: a, endpoint: 'unix:///x'}",
            "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.",
        ),
    ];
    for (text, words) in kms {
        assert_eq!(refused(&config("secrets", &format!("[{{kms: {text}}}]"))), words);
    }
    let masked =
        format!("{}- resources: [secrets]\n  providers: [{{identity: {{}}}}]\n", config("'*.*'", &gcm));
    assert_eq!(refused(&masked), r#"resource "secrets" is masked by earlier rule "*.*""#);
}

#[test]
fn nothing_says_a_key() {
    let hidden = "c2VjcmV0IGlzIHNlY3VyZQ==";
    let wrong = config("secrets", &format!("[{{aescbc: {{keys: [{{name: k, secrets: {hidden}}}]}}}}]"));
    assert!(!refused(&wrong).contains("c2Vj"), "{}", refused(&wrong));
    let file = config::parse(&config("secrets", &format!("[{{{}}}]", keys("aescbc", "k", 7)))).unwrap();
    assert!(!format!("{file:?}").contains(&secret(7, 32)));
    assert!(refused(&config("secrets", "[{rot13: {}}]")).starts_with("it is not an EncryptionConfiguration"));
}

#[test]
fn g032_every_value_of_this_machine_has_a_key_of_its_own() {
    let keys = vec![OwnKey { name: "k1".into(), secret: Zeroizing::new(vec![3; 32]) }];
    let encryption = Encryption::own(keys, placed(), plain());
    let salt = |sealed: &Bytes| sealed["k8s:enc:portcullis:v1:k1:".len()..][..32].to_vec();
    let sealed: std::collections::HashSet<_> =
        (0..100).map(|_| salt(&encryption.seal(KEY, Bytes::from_static(VALUE)).unwrap())).collect();
    assert_eq!(sealed.len(), 100);
}

#[test]
fn g033_a_wrong_padding_is_not_told_from_another_damage() {
    let encryption = encryption(&config("secrets", &format!("[{{{}}}]", keys("aescbc", "key1", 7))));
    let sealed = encryption.seal(KEY, Bytes::from_static(VALUE)).unwrap();
    let refusals: std::collections::HashSet<String> = (1..=255)
        .filter_map(|flip: u8| {
            let mut changed = sealed.to_vec();
            let at = changed.len() - 17;
            changed[at] ^= flip;
            encryption.open(KEY, changed.into()).err()
        })
        .chain(encryption.open(KEY, sealed.slice(..sealed.len() - 3)).err())
        .map(|error| error.to_string())
        .collect();
    assert_eq!(refusals.len(), 1);
}
