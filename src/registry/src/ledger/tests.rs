use portcullis_api::time;
use portcullis_authn::{BoundObject, MintedToken, ServiceAccount};
use portcullis_storage::{Key, Revision};
use serde_json::{Value, json};

use super::*;

fn minted(id: &str, told: i64, real: i64) -> MintedToken {
    let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
    MintedToken {
        token: "SECRET".into(),
        credential_id: format!("JTI={id}"),
        expires_at: at(told),
        issued_at: at(0),
        good_until: at(real),
    }
}

fn record(minted: &MintedToken, bound: Option<&BoundObject>, issued_by: &str) -> Record {
    let account = ServiceAccount { namespace: "a", name: "x", uid: "u-x" };
    Record::of_token(&NewToken { minted, account, audiences: &["here".to_owned()], bound, issued_by })
}

fn pod() -> BoundObject {
    BoundObject::Pod { name: "p".into(), uid: "u-p".into(), node: None }
}

fn change(name: &str, value: Option<Value>) -> Change {
    let key: Key = format!("/registry/x/{name}").into();
    Change { revision: Revision(1), key, value: value.map(|v| v.to_string().into()), previous: None }
}

#[test]
fn a_record_says_who_what_and_until_when_but_never_the_token() {
    let record = record(&minted("ID-1", 600, 600), None, "jane");
    assert_eq!(record.name(), "jti-id-1");
    let spec = record.object.get("spec").unwrap();
    assert_eq!(
        *spec,
        json!({
            "type": "ServiceAccountToken", "credentialID": "JTI=ID-1", "issuedBy": "jane",
            "user": "system:serviceaccount:a:x", "audiences": ["here"],
            "serviceAccount": {"namespace": "a", "name": "x", "uid": "u-x"},
            "issuedTimestamp": "2027-01-15T08:00:00Z", "expirationTimestamp": "2027-01-15T08:10:00Z",
        })
    );
    assert!(!format!("{record:?}").contains("SECRET"));
    assert_eq!(record.ends, time::parse("2027-01-15T08:11:00Z").unwrap());
}

#[test]
fn tokens_of_a_pod_that_live_long_are_one_series() {
    let (long, pod) = (3600 * 24 * 365, pod());
    let first = record(&minted("1", 3607, long), Some(&pod), "system:node:n");
    assert!(first.series && first.name().starts_with("pod-u-p-"));
    assert_eq!(record(&minted("2", 3607, long), Some(&pod), "system:node:n").name(), first.name());
    assert_ne!(record(&minted("2", 3607, long), Some(&pod), "jane").name(), first.name());
    assert_eq!(record(&minted("3", 600, 600), Some(&pod), "jane").name(), "jti-3");
    assert_eq!(
        first.object.at(&["spec", "boundTo"]).unwrap(),
        &json!({"kind": "Pod", "namespace": "a", "name": "p", "uid": "u-p"})
    );
}

#[test]
fn a_series_names_its_last_tokens_and_counts_the_others() {
    let (long, pod) = (3600 * 24 * 365, pod());
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let new = |id: i64| record(&minted(&id.to_string(), 3607, long), Some(&pod), "n");
    let first = new(0);
    let uid = first.object.uid().to_owned();
    let mut live = first.object;
    for id in 1..=40 {
        live = new(id).after(&live, now).object;
    }
    assert_eq!(live.uid(), uid);
    assert_eq!(live.str_at(&["spec", "credentialID"]), "JTI=40");
    let earlier = live.at(&["spec", "earlier"]).and_then(Value::as_array).unwrap();
    assert_eq!(earlier.len(), 15);
    assert_eq!(
        (&earlier[0]["credentialID"], &earlier[14]["credentialID"]),
        (&json!("JTI=39"), &json!("JTI=25"))
    );
    assert_eq!(live.at(&["spec", "earlierUnnamed"]), Some(&json!(25)));
    let much_later = Timestamp::from_second(1_800_000_000 + long + 1).unwrap();
    let after = new(41).after(&live, much_later).object;
    assert_eq!(after.at(&["spec", "earlier"]), Some(&json!([])));
}

#[test]
fn credentials_are_counted_for_whoever_asked_for_them() {
    let ledger = Ledger::default();
    let by = |who: &str| Some(json!({"spec": {"issuedBy": who}}));
    for i in 0..MOST {
        ledger.apply(&format!("r{i}"), &change("r", by("jane")));
    }
    assert!(!ledger.has_room("jane") && ledger.has_room("joe"));
    // A record that is written again is not counted twice, one that is gone not at all.
    ledger.apply("r0", &change("r", by("joe")));
    assert!(ledger.has_room("jane"));
    ledger.apply("r0", &change("r", by("jane")));
    assert!(!ledger.has_room("jane"));
    ledger.apply("r1", &change("r", None));
    ledger.apply("r1", &change("r", None));
    assert!(ledger.has_room("jane"));
    for i in 0..MOST {
        ledger.apply(&format!("r{i}"), &change("r", None));
    }
    assert!(ledger.0.lock().by.is_empty() && ledger.0.lock().of.is_empty());
}

#[test]
fn the_server_itself_is_not_bounded() {
    let ledger = Ledger::default();
    for i in 0..=MOST {
        ledger.apply(&format!("r{i}"), &change("r", Some(json!({"spec": {}}))));
    }
    assert!(ledger.has_room(""));
}

#[test]
fn a_certificate_is_written_down_once_it_is_there() {
    let mut params =
        rcgen::CertificateParams::new(vec!["n1.example.org".to_owned(), "10.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "system:node:n1");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
    let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    use base64::Engine as _;
    let certificate = base64::engine::general_purpose::STANDARD.encode(&pem);
    let tree = json!({
        "metadata": {"name": "csr-1", "uid": "u-1"},
        "spec": {"username": "system:node:n1", "signerName": "kubernetes.io/kubelet-serving", "usages": ["server auth"]},
        "status": {"certificate": certificate},
    });
    let mut request = Object::new(tree.as_object().unwrap().clone());
    let record = Record::of_request(&request).unwrap();
    let spec = record.object.get("spec").unwrap();
    assert_eq!(spec["user"], "system:node:n1");
    assert_eq!(spec["groups"], json!(["system:nodes"]));
    assert_eq!(spec["subjectAltNames"], json!(["n1.example.org", "10.0.0.1"]));
    assert_eq!(spec["usages"], json!(["server auth"]));
    assert_eq!(spec["origin"], json!({"kind": "CertificateSigningRequest", "name": "csr-1", "uid": "u-1"}));
    assert_eq!(spec["credentialID"], json!(format!("X509SHA256={}", spec["fingerprint"].as_str().unwrap())));
    assert_eq!((&*record.issued_by, record.series), ("system:node:n1", false));
    request.remove_at(&["status", "certificate"]);
    assert!(Record::of_request(&request).is_none());
}
