//! An etcd that asks who it is spoken to by: certificates, users and passwords.

use std::path::Path;

use portcullis_storage::{CommitOutcome, Etcd, EtcdOptions, EtcdTls, Store as _, StoreError, Txn};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};

use crate::members::{Cluster, binaries, free_port};

async fn works(store: &Etcd, name: &str) {
    let key: portcullis_storage::Key = format!("/registry/configmaps/ns/{name}").into();
    let made = store.commit(Txn::create(key.clone(), "{}".into())).await.unwrap();
    let CommitOutcome::Committed { revision, .. } = made else { panic!("{made:?}") };
    assert!(store.fresh().await.unwrap() >= revision);
    assert_eq!(store.get(&key, None).await.unwrap().unwrap().mod_revision, revision);
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Makes a user who may only use the store's keys, and turns authentication on.
fn ask_for_users(etcd: &Cluster, user: &str) {
    let (first, end) = (base64("/registry/"), base64("/registry0"));
    etcd.gateway("/v3/auth/user/add", r#"{"name":"root","password":"r00t"}"#);
    etcd.gateway("/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#);
    etcd.gateway("/v3/auth/role/add", r#"{"name":"store"}"#);
    let permission = format!(r#"{{"permType":"READWRITE","key":"{first}","range_end":"{end}"}}"#);
    etcd.gateway("/v3/auth/role/grant", &format!(r#"{{"name":"store","perm":{permission}}}"#));
    etcd.gateway("/v3/auth/user/add", user);
    etcd.gateway("/v3/auth/user/grant", r#"{"user":"portcullis","role":"store"}"#);
    etcd.gateway("/v3/auth/enable", "{}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_and_a_password_open_an_etcd_that_asks_for_them() {
    for binary in binaries() {
        let mut etcd = Cluster::start(&binary, 1, &[]);
        drop(etcd.open().await);
        ask_for_users(&etcd, r#"{"name":"portcullis","password":"pass word"}"#);
        let refused = Etcd::connect(etcd.options()).await.unwrap_err();
        assert!(refused.to_string().contains("user name is empty"), "{refused}");
        let user = |password: &str| EtcdOptions {
            user: Some(("portcullis".to_owned(), password.to_owned().into())),
            ..etcd.options()
        };
        let wrong = Etcd::connect(user("wrong")).await.unwrap_err();
        assert!(wrong.to_string().contains("authentication failed"), "{wrong}");

        let options = user("pass word");
        let store = etcd.open_with(options).await;
        works(&store, "a").await;
        let elsewhere = EtcdOptions { prefix: "/elsewhere".to_owned(), ..user("pass word") };
        let refused = Etcd::connect(elsewhere).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{refused}");

        // A member that is started again knows no token of before.
        etcd.kill(0);
        etcd.restart(0);
        while let Err(error) = store.fresh().await {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        works(&store, "b").await;
    }
}

/// Writes an authority, and a certificate and key for each name, into a folder.
fn certificates(folder: &Path, names: &[&str]) -> String {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    std::fs::write(folder.join("ca.crt"), &authority).unwrap();
    for name in names {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, *name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    authority
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_opens_an_etcd_that_asks_for_one_and_names_its_user() {
    for binary in binaries() {
        let folder = tempfile::tempdir().unwrap();
        let authorities = certificates(folder.path(), &["etcd", "portcullis", "stranger"]);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let (plain, secure) = (free_port(), free_port());
        let listen = format!("http://127.0.0.1:{plain},https://127.0.0.1:{secure}");
        let etcd = Cluster::start_at(
            &binary,
            1,
            Some(plain),
            &[
                "--listen-client-urls",
                &listen,
                "--advertise-client-urls",
                &listen,
                "--client-cert-auth",
                "--cert-file",
                &file("etcd.crt"),
                "--key-file",
                &file("etcd.key"),
                "--trusted-ca-file",
                &file("ca.crt"),
            ],
        );
        let options = |identity: Option<&str>| EtcdOptions {
            endpoints: vec![format!("https://127.0.0.1:{secure}")],
            tls: Some(EtcdTls {
                authorities: authorities.clone(),
                identity: identity.map(|name| {
                    let read = |end: &str| std::fs::read_to_string(file(&format!("{name}.{end}"))).unwrap();
                    (read("crt"), read("key").into())
                }),
            }),
            ..etcd.options()
        };
        let store = etcd.open_with(options(Some("portcullis"))).await;
        works(&store, "a").await;
        assert!(Etcd::connect(options(None)).await.is_err(), "it asks for a certificate");
        let others = certificates(&tempfile::tempdir().unwrap().keep(), &[]);
        let tls = Some(EtcdTls { authorities: others, ..options(Some("portcullis")).tls.unwrap() });
        let refused = Etcd::connect(EtcdOptions { tls, ..options(None) }).await;
        assert!(refused.is_err(), "etcd's own certificate is checked");

        // With users, the name in the certificate is who asks.
        ask_for_users(&etcd, r#"{"name":"portcullis","options":{"no_password":true}}"#);
        let store = etcd.open_with(options(Some("portcullis"))).await;
        works(&store, "b").await;
        let refused = Etcd::connect(options(Some("stranger"))).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    }
}
