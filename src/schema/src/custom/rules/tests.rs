//! Rules with all that upstream says about them.

use portcullis_api::field::{ErrorList, Path};
use portcullis_api::{Object, Value};

use crate::custom::{Structural, validate_schema};

fn no_rules(_: &Object, _: &mut ErrorList) {}

fn told(errors: &ErrorList) -> Vec<String> {
    errors.iter().map(|error| error.to_string().replace("spec.validation.openAPIV3Schema", "AT")).collect()
}

fn object(value: &Value) -> Option<Object> {
    value.as_object().cloned().map(Object::new)
}

#[test]
fn rules_are_told_of_as_upstream_does() {
    let mut wrong = Vec::new();
    for line in include_str!("tests/facts.tsv").lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<Value> = line.split('\t').map(|text| serde_json::from_str(text).unwrap()).collect();
        let [schema, new, old, definition, errors, warnings] = columns.as_slice() else { panic!("{line}") };
        let found = told(&validate_schema(schema, false, &Path::new("spec.validation"), &no_rules));
        let mut judged = (Vec::new(), Vec::new());
        if let (Some(new), Ok(compiled)) = (object(new), Structural::compile(schema, false)) {
            let judgement = compiled.check_rules(&new, object(old).as_ref());
            judged = (told(&judgement.errors), judgement.warnings);
        }
        let expected = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
        let pairs =
            [(found, expected(definition)), (judged.0, expected(errors)), (judged.1, expected(warnings))];
        for (found, expected) in pairs.into_iter().filter(|(found, expected)| found != expected) {
            wrong.push(format!("{schema}\n  expected {expected:#?}\n  found    {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn all_rules_of_an_object_share_one_budget() {
    let schema = serde_json::json!({"type": "object", "properties": {"l": {"type": "array", "items": {
        "type": "array", "items": {"type": "integer"},
        "x-kubernetes-validations": [{"rule": "self.all(x, self.all(y, x + y >= 0))"}],
    }}}});
    let row: Vec<u32> = (0..300).collect();
    let value = serde_json::json!({"l": vec![row; 40]});
    let compiled = Structural::compile(&schema, false).unwrap();
    let judgement = compiled.check_rules(&object(&value).unwrap(), None);
    let errors = told(&judgement.errors);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let spent =
        "validation failed due to running out of cost budget, no further validation rules will be run";
    assert!(errors[0].ends_with(spent), "{errors:?}");
}

#[test]
fn a_rule_beyond_its_own_limit_ends_all() {
    let schema = serde_json::json!({"type": "object", "properties": {"l": {
        "type": "array", "items": {"type": "integer"},
        "x-kubernetes-validations": [
            {"rule": "self.all(x, self.all(y, x + y >= 0))", "message": "m"},
            {"rule": "false"},
        ],
    }}});
    let value = serde_json::json!({"l": (0..2_000).collect::<Vec<u32>>()});
    let compiled = Structural::compile(&schema, false).unwrap();
    let errors = told(&compiled.check_rules(&object(&value).unwrap(), None).errors);
    let limit = "l: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no further validation \
                 rules will be run due to call cost exceeds limit for rule: m";
    assert_eq!(errors, [limit]);
}
