//! Expressions with all that is known of them: types, costs, values and complaints as upstream has them.

mod bounds;
mod patches;
mod shapes;

use serde_json::Value as Json;

use crate::types::parse_type;
use crate::{Bindings, Budget, Environment, Hints, Shape, Type, Val};

/// What an expression comes to, in one line.
pub(crate) fn facts(text: &str, variables: &Json, values: &Json) -> String {
    let any = Shape::any();
    let mut environment =
        Environment::new().variable("authorizer", Type::named("kubernetes.authorization.Authorizer"));
    for (name, kind) in variables.as_object().unwrap() {
        environment = environment.variable(name, parse_type(kind.as_str().unwrap()));
    }
    let program = match environment.compile(text) {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    let estimate = program.estimate(Hints::none());
    let known = format!("{} | {}..{}", program.output(), estimate.min, estimate.max);
    if let Some(defect) = program.defect() {
        return format!("{known} | never: {defect}");
    }
    let bindings = values
        .as_object()
        .unwrap()
        .iter()
        .fold(Bindings::new(), |all, (name, value)| all.bind_json(name, value, &any));
    let mut budget = Budget::new(u64::MAX);
    let outcome = match program.evaluate(&bindings, &mut budget) {
        Ok(value) => spell(&value),
        Err(error) => format!("failed: {error}"),
    };
    format!("{known} | {outcome} | {}", u64::MAX - budget.left())
}

/// A value as an expression would spell it.
fn spell(value: &Val<'_>) -> String {
    match value {
        Val::String(text) => format!("{:?}", text.as_str()).replace("\\'", "'"),
        Val::Uint(value) => format!("{value}u"),
        Val::Double(value) if value.is_finite() => format!("{value:?}"),
        Val::Double(value) => format!("double(\"{}\")", if value.is_nan() { "NaN" } else { "Infinity" }),
        Val::Bytes(bytes) => {
            format!("b\"{}\"", bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>())
        }
        Val::Timestamp(_) => format!("timestamp(\"{value}\")"),
        Val::Duration(_) => format!("duration(\"{value}\")"),
        Val::List(list) => {
            let values: Vec<String> = list.values().iter().map(spell).collect();
            format!("[{}]", values.join(", "))
        }
        Val::Map(map) => {
            let pair = |(key, value): &(Val<'_>, Val<'_>)| format!("{}: {}", spell(key), spell(value));
            let entries: Vec<String> = map.entries().iter().map(pair).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Val::Optional(Some(value)) => format!("optional.of({})", spell(value)),
        other => other.to_string(),
    }
}

/// Rows of an expression, its variables, their values and the facts, each as JSON, separated by tabs.
fn check(table: &str) {
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [text, variables, values, expected] = columns.as_slice() else { panic!("{line}") };
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        let expected: String = serde_json::from_str(expected).unwrap();
        let found = facts(&text, &json(variables), &json(values));
        if found != expected {
            wrong.push(format!("{text}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn f030_expressions_have_upstreams_types_costs_values_and_complaints() {
    check(include_str!("tests/facts.tsv"));
}

#[test]
fn expressions_made_at_random_come_to_what_upstream_says() {
    check(include_str!("tests/random.tsv"));
}

#[test]
fn what_is_no_expression_is_complained_about_in_upstreams_words() {
    check(include_str!("tests/syntax.tsv"));
}
