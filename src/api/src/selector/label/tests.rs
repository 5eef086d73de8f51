use proptest::prelude::*;
use serde_json::json;

use super::*;

fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
    let labels: Vec<(&str, &str)> = labels.to_vec();
    LabelSelector::parse(selector)
        .unwrap()
        .matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v))
}

fn refused(selector: &str) -> String {
    LabelSelector::parse(selector).unwrap_err()
}

#[test]
fn operators_compare_as_upstream() {
    let labels = [("a", "1"), ("b", ""), ("x.io/y", "z")];
    for yes in [
        "",
        "a",
        "a=1",
        "a==1",
        "a!=2",
        "a in (1,2)",
        "a notin (2)",
        "!c",
        "c!=1",
        "c notin (1)",
        "b=",
        "b in ()",
        "x.io/y=z",
        "a>0",
        "a<2",
        " a = 1 , ! c ",
        "b in (,q)",
        "in!=1",
        "a in (in,1)",
    ] {
        assert!(matches(yes, &labels), "{yes}");
    }
    for no in ["c", "a=2", "!a", "a!=1", "a in (2)", "a notin (1,2)", "!b", "a>1", "a<1", "b>0", "c>0"] {
        assert!(!matches(no, &labels), "{no}");
    }
}

#[test]
fn refusals_are_worded_as_upstream() {
    let name_rule = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    assert_eq!(refused("((("), "found '(', expected: !, identifier, or 'end of string'");
    assert_eq!(
        refused("UP PER=x"),
        "unable to parse requirement: found 'PER', expected: in, notin, =, ==, !=, gt, lt"
    );
    assert!(refused("a=-x-").starts_with(
        "unable to parse requirement: values[0][a]: Invalid value: \"-x-\": a valid label must be an empty string"
    ));
    assert_eq!(refused("a,"), "found '', expected: identifier after ','");
    assert_eq!(refused("a=b c"), "found 'c', expected: ',' or 'end of string'");
    assert_eq!(refused("!"), "unable to parse requirement: found '', expected: identifier");
    assert_eq!(refused("a in b"), "unable to parse requirement: found 'b' expected: '('");
    assert_eq!(refused("a in (b"), "unable to parse requirement: found '', expected: ',' or ')'");
    assert_eq!(refused("a in (b,"), "unable to parse requirement: found '', expected: ',', or identifier");
    assert_eq!(
        refused("a in (="),
        "unable to parse requirement: found '=', expected: ',', ')' or identifier"
    );
    assert_eq!(
        refused("_=1"),
        format!("unable to parse requirement: <nil>: Invalid value: \"_\": name part {name_rule}")
    );
    assert_eq!(
        refused("a>x"),
        "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"
    );
    assert_eq!(
        refused("/a"),
        "unable to parse requirement: <nil>: Invalid value: \"/a\": prefix part must be non-empty"
    );
    assert_eq!(refused(&"a".repeat(64)).split("; ").count(), 1);
}

#[test]
fn a_nul_byte_ends_nothing() {
    assert!(LabelSelector::parse("a=b\0,c=d").is_err());
}

#[test]
fn object_form_selects_as_upstream() {
    let object =
        |labels: Value| Object::new(json!({"metadata": {"labels": labels}}).as_object().unwrap().clone());
    let parse = |v: Value| LabelSelector::from_object(Some(&v));
    assert!(!LabelSelector::from_object(None).unwrap().matches_object(&object(json!({}))));
    assert!(parse(json!({})).unwrap().matches_object(&object(json!({}))));
    let both = json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]});
    assert!(parse(both.clone()).unwrap().matches_object(&object(json!({"a": "1", "b": ""}))));
    assert!(!parse(both).unwrap().matches_object(&object(json!({"a": "1"}))));
    let odd = parse(json!({"matchExpressions": [{"key": "b", "operator": "Like"}]}));
    assert_eq!(odd.unwrap_err(), "\"Like\" is not a valid label selector operator");
}

#[test]
fn f058_huge_selectors_are_refused_or_cheap() {
    assert!(LabelSelector::parse(&"a,".repeat(1 << 19)).is_err());
    let values = (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let selector = LabelSelector::parse(&format!("a in ({values})")).unwrap();
    assert!(selector.matches(|_| Some("19999")));
    assert!(LabelSelector::parse(&"(".repeat(100_000)).is_err());
}

proptest! {
    #[test]
    fn printed_selectors_read_back(parts in proptest::collection::vec(requirement_text(), 0..6)) {
        let selector = LabelSelector::parse(&parts.join(",")).unwrap();
        prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-c!=<>(), \\PC]{0,40}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
        }
    }
}

fn requirement_text() -> impl Strategy<Value = String> {
    let key = "[a-z]{1,3}(\\.[a-z]/[a-z])?";
    prop_oneof![
        (key, prop_oneof!["=", "==", "!=", " = "], "[a-z0-9]{0,3}")
            .prop_map(|(k, o, v)| format!("{k}{o}{v}")),
        (key, prop_oneof!["in", "notin"], proptest::collection::vec("[a-z]{0,2}", 1..4))
            .prop_map(|(k, o, v)| format!("{k} {o} ({})", v.join(","))),
        (prop_oneof!["", "!"], key).prop_map(|(not, k)| format!("{not}{k}")),
        (key, prop_oneof!["<", ">"], 0..99i64).prop_map(|(k, o, n)| format!("{k}{o}{n}")),
    ]
}
