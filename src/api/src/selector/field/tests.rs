use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> FieldSelector {
    FieldSelector::parse(text).unwrap()
}

#[test]
fn terms_compare_as_upstream() {
    let lookup = |field: &str| match field {
        "metadata.name" => Some("a"),
        "x" => Some("p,q=r\\"),
        _ => None,
    };
    for yes in ["", ",", "metadata.name=a", "metadata.name==a,", "metadata.name!=b", "none=", r"x=p\,q\=r\\"]
    {
        assert!(parse(yes).matches(lookup), "{yes}");
    }
    for no in ["metadata.name=b", "metadata.name!=a", "none=x", "metadata.name=a,none!="] {
        assert!(!parse(no).matches(lookup), "{no}");
    }
    assert_eq!(parse("a!=1,metadata.name==n").exact("metadata.name"), Some("n"));
    assert_eq!(parse("metadata.name!=n").exact("metadata.name"), None);
}

#[test]
fn refusals_are_worded_as_upstream() {
    let refused = |text: &str| FieldSelector::parse(text).unwrap_err();
    assert_eq!(refused("x"), "invalid selector: 'x'; can't understand 'x'");
    assert_eq!(refused("a=1,x"), "invalid selector: 'a=1,x'; can't understand 'x'");
    assert_eq!(refused("a=b=c"), "invalid field selector: unescaped character in value: 61");
    assert_eq!(refused(r"a=\x"), r"invalid field selector: invalid escape sequence: \x");
    assert_eq!(refused(r"a=b\"), r"invalid field selector: invalid escape sequence: \");
}

#[test]
fn unknown_fields_are_refused_in_the_words_of_the_resource() {
    let refused = |group: &str, resource: &str| {
        let words = UnknownField::of(&GroupResource::new(group, resource));
        parse("no.such=x,metadata.name=a").check_known(&["metadata.name"], words).unwrap_err()
    };
    assert_eq!(
        refused("", "configmaps"),
        "\"no.such\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
    assert_eq!(refused("", "pods"), "field label not supported: no.such");
    assert_eq!(refused("batch", "jobs"), "field label \"no.such\" not supported for Job");
    assert_eq!(
        refused("resource.k8s.io", "resourceslices"),
        "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: no.such"
    );
    assert_eq!(parse("metadata.name=a").check_known(&["metadata.name"], UnknownField::OnlyNames), Ok(()));
}

proptest! {
    #[test]
    fn printed_selectors_read_back(terms in proptest::collection::vec(("[a-z.]{1,5}", any::<bool>(), "[a-z\\\\,=]{0,6}"), 0..5)) {
        let terms = terms.iter().map(|(f, e, v)| if *e { FieldTerm::equal(f, v) } else { FieldTerm::not_equal(f, v) });
        let text = FieldSelector::of(terms.collect()).unwrap().to_string();
        let read = parse(&text);
        prop_assert_eq!(parse(&read.to_string()), read);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-c!=,\\\\ \\PC]{0,30}") {
        if let Ok(selector) = FieldSelector::parse(&text) {
            prop_assert_eq!(parse(&selector.to_string()).terms().len(), selector.terms().len());
        }
    }
}
