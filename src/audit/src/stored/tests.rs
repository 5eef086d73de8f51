use std::sync::Arc;

use http::Method;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::outbox::Record;
use crate::tests::slot_by;
use crate::{AuditSlot, Event, Memory, Policy};

/// A slot of a request about which everything is known.
fn told() -> (Arc<Memory>, AuditSlot) {
    let memory = Arc::new(Memory::default());
    let uri = "/apis/apps/v1/namespaces/a/deployments?dryRun=All&token=canary";
    let slot = slot_by(memory.clone(), Policy::everything(), &Method::POST, uri);
    let mut user = UserInfo::new("eve<\u{202e}>", ["dev", "ops"]);
    user.extra = Arc::new(BTreeMap::from([("k".to_owned(), vec!["v".to_owned(), String::new()])]));
    slot.user(&user);
    slot.impersonated(&UserInfo::new("bob", ["ops"]));
    slot.impersonation_constraint("impersonate:user-info");
    slot.annotate("authorization.k8s.io/decision", "allow");
    slot.annotate("portcullis.io/decision-id", "d".repeat(2_000));
    (memory, slot)
}

fn line(record: &[u8]) -> Value {
    let record = Record { sequence: 1, revision: 7, line: record.to_vec().into() };
    serde_json::from_slice(&record.to_line()).unwrap()
}

/// An object that the path does not name, as the commit knows it.
fn made() -> ObjectRef {
    ObjectRef { name: "web".into(), uid: "u".into(), resource_version: String::new() }
}

fn record(slot: &AuditSlot) -> Vec<u8> {
    slot.record(&made(), StatusCode::CREATED).unwrap()
}

#[test]
fn a_record_reads_as_the_event_would_have_read() {
    let (memory, slot) = told();
    let mut stored = line(&record(&slot));
    slot.object(made());
    slot.complete(StatusCode::CREATED);
    let event: Event = memory.take().remove(0);
    let mut event: Value = serde_json::from_slice(&event.to_json()).unwrap();
    for one in [&mut stored, &mut event] {
        one.as_object_mut().unwrap().remove("stageTimestamp").unwrap();
    }
    let notes = stored["annotations"].as_object_mut().unwrap();
    assert_eq!(notes.remove("portcullis.io/revision"), Some("7".into()));
    let outcome = notes.remove("portcullis.io/outcome").unwrap();
    assert!(outcome.as_str().unwrap().starts_with("recovered: "), "{outcome}");
    assert_eq!(stored, event);
    assert!(!stored.to_string().contains("canary"));
}

#[test]
fn older_records_are_lines_already() {
    let old = br#"{"kind":"Event","auditID":"x","annotations":{"a":"b"}}"#;
    assert_eq!(audit_id(old).unwrap(), "x");
    assert_eq!(line(old)["annotations"]["portcullis.io/revision"], "7");
}

#[test]
fn a_record_that_is_cut_or_longer_is_none() {
    let whole = record(&told().1);
    assert!(decode(&whole).is_some());
    for end in 0..whole.len() {
        assert_eq!(decode(&whole[..end]), None, "{end}");
    }
    assert_eq!(decode(&[&whole[..], b"x"].concat()), None);
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0..2_000usize, byte: u8) {
        decode(&bytes);
        bytes.insert(0, MARK);
        decode(&bytes);
        let mut whole = record(&told().1);
        let at = at % whole.len();
        whole[at] = byte;
        if decode(&whole).is_some() {
            line(&whole);
        }
    }
}
