use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    read(text.as_bytes()).unwrap().value
}

fn error(text: &str) -> String {
    read(text.as_bytes()).unwrap_err()
}

#[test]
fn documents_become_trees() {
    let tree = json!({"a": 1, "b": ["x", "y", "1"], "c": [{"d": true}]});
    assert_eq!(value("a: 1\nb: [x, 'y', \"1\"]\nc:\n- d: yes\n"), tree);
    assert_eq!(value(""), json!(null));
    assert_eq!(value("---\na: |\n  x\n  y\n---\nb: 2\n"), json!({"a": "x\ny\n"}));
    assert_eq!(value("1: a\ntrue: b\n1.5: c\n"), json!({"1": "a", "true": "b", "1.5": "c"}));
    assert_eq!(value("a: !!str 12\nb: !!int \"7\"\n"), json!({"a": "12", "b": 7}));
}

#[test]
fn anchors_and_merges_are_followed() {
    let tree = json!({"a": {"k": 1}, "b": {"k": 1}, "c": {"k": 1, "l": 2}});
    assert_eq!(value("a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n  l: 2\n"), tree);
    assert!(error("a: &x [*x]").contains("contains itself"));
    assert_eq!(error("a: *nope"), "yaml: unknown anchor 'nope' referenced");
}

#[test]
fn duplicates_are_told_and_the_last_counts() {
    let yaml = read(b"a: 1\nb: 2\na: 3\n").unwrap();
    assert_eq!(yaml.value, json!({"a": 3, "b": 2}));
    let words = "yaml: unmarshal errors:\n  line 3: key \"a\" already set in map";
    assert_eq!(yaml.duplicates.as_deref(), Some(words));
}

#[test]
fn mistakes_have_libyamls_words() {
    assert_eq!(error("a: b: c"), "yaml: mapping values are not allowed in this context");
    assert_eq!(error("x: 1\na: b: c"), "yaml: line 2: mapping values are not allowed in this context");
}

#[test]
fn the_end_of_a_text_within_a_collection_is_told_as_upstream_tells_it() {
    const MAP: &str = "did not find expected ',' or '}'";
    const LIST: &str = "did not find expected ',' or ']'";
    const NODE: &str = "did not find expected node content";
    for (text, line, what) in [
        ("{", 1, NODE),
        ("[", 1, NODE),
        ("x: {a: 1", 1, MAP),
        ("x: {a: 1,", 1, NODE),
        ("x: {a:", 1, NODE),
        ("x: {a", 1, MAP),
        ("x: {\"a\"", 1, MAP),
        ("x: {a: [1", 1, LIST),
        ("x: {a: {b: c}", 1, MAP),
        ("[1, 2\n", 1, LIST),
        ("x: 1\ny: {\n", 2, NODE),
        ("x:\n- {a: b, # c\n", 2, NODE),
        ("x: {a: b # x\n# y", 2, MAP),
        ("x: {a: b\n\n\n", 3, MAP),
    ] {
        assert_eq!(error(text), format!("yaml: line {line}: {what}"), "{text:?}");
    }
    for (text, what) in [("x: {a]", MAP), ("[a}", LIST)] {
        assert_eq!(error(text), format!("yaml: {what}"), "{text:?}");
    }
}

#[test]
fn a009_alias_bombs_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let item = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", [item.as_str(); 9].join(", "));
    }
    assert_eq!(error(&text), "yaml: document contains excessive aliasing");
}

#[test]
fn a034_nesting_is_bounded() {
    for unit in ["[", "{", "- ", "? ", "a: {"] {
        assert!(read(unit.repeat(100_000).as_bytes()).is_err(), "{unit}");
    }
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..400 {
        deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(read(deep.as_bytes()).is_err());
}

#[test]
fn trees_are_written_in_upstreams_style() {
    let tree = json!({
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "y", "creationTimestamp": "2020-01-01T00:00:00Z", "labels": {}},
        "items": [],
        "list": [{"b": 1, "a": [1, [2, 3]]}, "x", null],
        "data": {
            "block": "a\n b\n", "cut": "a\nb", "keep": "a\n\n", "lead": " a\nb\n", "bad": "a \nb", "tab": "a\tb",
            "yes": "yes", "one": "1", "empty": "", "hash": "a #b", "colon": "a: b", "dash": "- a", "quote": "'a'",
            "url": "http://x:80/y", "smile": "😀", "a10": "x", "a9": "x", "ratio": "1:30", "date": "2020-1-2",
        },
    });
    let expected = r#"apiVersion: v1
data:
  a9: x
  a10: x
  bad: "a \nb"
  block: |
    a
     b
  colon: 'a: b'
  cut: |-
    a
    b
  dash: '- a'
  date: "2020-1-2"
  empty: ""
  hash: 'a #b'
  keep: |+
    a

  lead: |2
     a
    b
  one: "1"
  quote: '''a'''
  ratio: "1:30"
  smile: "\U0001F600"
  tab: "a\tb"
  url: http://x:80/y
  "yes": "yes"
items: []
kind: ConfigMap
list:
- a:
  - 1
  - - 2
    - 3
  b: 1
- x
- null
metadata:
  creationTimestamp: "2020-01-01T00:00:00Z"
  labels: {}
  name: "y"
"#;
    assert_eq!(to_string(&tree), expected);
}

#[test]
fn long_lines_are_broken_at_spaces() {
    let text = "word ".repeat(30).trim_end().to_owned();
    let expected = format!("a: {}\n  {}\n", "word ".repeat(16).trim_end(), "word ".repeat(14).trim_end());
    assert_eq!(to_string(&json!({ "a": text })), expected);
    assert_eq!(value(&expected), json!({ "a": text }));
}

#[test]
fn what_is_written_is_read_again() {
    let texts = [
        "",
        "a: b",
        "x\n",
        "\n",
        " \n x",
        "é\u{a0}\u{85}",
        "\u{feff}",
        "0x1",
        "null",
        "a'b\"c\\",
        "%a",
        "?",
        "-",
    ];
    for text in texts {
        let tree = json!({ "k": text, text: [text] });
        assert_eq!(value(&to_string(&tree)), tree, "{text:?}");
    }
}

#[test]
fn numbers_are_written_as_go_writes_them() {
    for (number, text) in [
        (json!(1.0), "1\n"),
        (json!(-0.0), "0\n"),
        (json!(0.5), "0.5\n"),
        (json!(1_234_567.5), "1.2345675e+06\n"),
        (json!(0.000_01), "1e-05\n"),
        (json!(u64::MAX), "18446744073709551615\n"),
    ] {
        assert_eq!(to_string(&number), text);
    }
}
