use proptest::prelude::*;
use rcgen::string::{BmpString, TeletexString, UniversalString};
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

use super::*;

fn certificate(fill: impl FnOnce(&mut DistinguishedName)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    fill(&mut params.distinguished_name);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn named(value: impl Into<DnValue>) -> Result<String, String> {
    Leaf::parse(&certificate(|dn| dn.push(DnType::CommonName, value))).map(|leaf| leaf.common_name)
}

fn uid_type() -> DnType {
    DnType::CustomDnType(UID.to_vec())
}

#[test]
fn d038_common_names_are_exact_or_refused() {
    assert_eq!(named("admin ").unwrap(), "admin ");
    assert_ne!(named("e\u{301}").unwrap(), "\u{e9}");
    assert_eq!(named("a\u{202e}b").unwrap(), "a\u{202e}b");
    for refused in [
        named("admin\0x"),
        named("admin\n"),
        named(DnValue::BmpString(BmpString::try_from("admin").unwrap())),
        named(DnValue::TeletexString(TeletexString::try_from("admin").unwrap())),
        named(DnValue::UniversalString(UniversalString::try_from("admin").unwrap())),
        named("a".repeat(64 << 10)),
    ] {
        assert!(refused.is_err(), "{refused:?}");
    }
}

#[test]
fn d039_an_organization_is_one_group_as_written() {
    let leaf = Leaf::parse(&certificate(|dn| {
        dn.push(DnType::OrganizationName, "system:masters,foo");
        dn.push(DnType::CustomDnType(vec![2, 5, 4, 10]), "second");
    }))
    .unwrap();
    assert_eq!(leaf.organizations, ["system:masters,foo", "second"]);
    let empty = Leaf::parse(&certificate(|dn| dn.push(DnType::OrganizationName, ""))).unwrap();
    assert!(empty.organizations.is_empty());
    assert!(Leaf::parse(&certificate(|dn| dn.push(DnType::OrganizationName, "a\nb"))).is_err());
}

#[test]
fn e010_two_common_names_are_refused() {
    let der = certificate(|dn| {
        dn.push(DnType::CommonName, "low");
        dn.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "admin");
    });
    assert_eq!(Leaf::parse(&der), Err("more than one common name".into()));
}

#[test]
fn d066_a_uid_is_one_text_or_none() {
    let uid = |value: &str| Leaf::parse(&certificate(|dn| dn.push(uid_type(), value))).map(|l| l.uid);
    assert_eq!(uid("7").unwrap().as_deref(), Some("7"));
    assert!(uid("").is_err());
    let der = certificate(|dn| dn.push(uid_type(), DnValue::BmpString(BmpString::try_from("7").unwrap())));
    assert!(Leaf::parse(&der).is_err());
    assert_eq!(Leaf::parse(&certificate(|dn| dn.push(DnType::CommonName, "a"))).unwrap().uid, None);
}

proptest! {
    #[test]
    fn any_bytes_parse_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Leaf::parse(&bytes);
    }

    #[test]
    fn a_damaged_certificate_parses_or_is_refused(at in 0usize..400, to in any::<u8>()) {
        let mut der = certificate(|dn| {
            dn.push(DnType::CommonName, "someone");
            dn.push(DnType::OrganizationName, "group");
        });
        if let Some(byte) = der.get_mut(at) {
            *byte = to;
        }
        let _ = Leaf::parse(&der);
    }
}
