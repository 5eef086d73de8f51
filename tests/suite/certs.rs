//! `certs`: issuing, listing, renewing.

use serde_json::Value;

use crate::program::{Home, words};

#[test]
fn an_issued_kubeconfig_is_printed_and_merged() {
    let home = Home::new();
    let server = home.serve(&["apiserver"]);
    let printed = home.told_of_data(&["certs", "issue", "--user", "jane", "--group", "dev", "--ttl", "1h"]);
    for part in ["name: jane@portcullis", "client-key-data:", server.state["server"].as_str().unwrap()] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    let file = home.path().join("jane.kubeconfig");
    let merged =
        home.told_of_data(&["certs", "issue", "--user", "jane", "--kubeconfig", file.to_str().unwrap()]);
    assert!(merged.is_empty(), "a key is written, not printed: {merged}");
    assert!(std::fs::read_to_string(file).unwrap().contains("jane@portcullis"));
}

#[test]
fn what_cannot_be_issued_says_why() {
    let home = Home::new();
    let said = words(&home.run(&["certs", "issue", "--user", "jane"]));
    assert!(said.contains("fix: start a server once"), "{said}");
    drop(home.serve(&["apiserver"]));
    let dir = home.data_dir();
    let base = ["certs", "issue", "--user", "jane", "--data-dir", dir.to_str().unwrap()];
    let three = ["--group", "a", "--group", "b", "--group", "c"];
    assert!(words(&home.run(&[&base[..], &three].concat())).contains("at most two groups"));
    assert!(words(&home.run(&[&base[..], &["--ttl", "soon"]].concat())).contains("write it like"));
}

#[test]
fn certificates_are_listed_and_renewed_with_their_names() {
    let home = Home::new();
    drop(home.serve(&["apiserver", "--tls-san", "portcullis.example"]));
    let serving = || {
        let list: Value =
            serde_json::from_str(&home.told_of_data(&["certs", "list", "--output", "json"])).unwrap();
        list.as_array().unwrap().iter().find(|entry| entry["profile"] == "apiserver").unwrap().clone()
    };
    let read = || std::fs::read(serving()["path"].as_str().unwrap()).unwrap();
    let before = read();
    assert!(home.told_of_data(&["certs", "renew", "apiserver"]).starts_with("✓ "));
    let after = read();
    assert_ne!(before, after);
    let has = |certificate: &[u8], name: &str| {
        let pem = std::str::from_utf8(certificate).unwrap();
        let der = rustls_pki_types::pem::PemObject::from_pem_slice(pem.as_bytes());
        let der: rustls_pki_types::CertificateDer<'_> = der.unwrap();
        der.windows(name.len()).any(|part| part == name.as_bytes())
    };
    assert!(has(&before, "portcullis.example") && has(&after, "portcullis.example"));
    assert!(home.told_of_data(&["certs", "list"]).contains("front-proxy-ca"));
}
