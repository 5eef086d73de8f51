//! No expression takes more than it may: of time, of memory, of the stack.

use proptest::prelude::*;
use serde_json::json;

use super::facts;
use crate::{Bindings, Budget, Environment, EvalError, Shape, Type, Val};

const OVER: &str = "operation cancelled: actual cost limit exceeded";

fn evaluate(text: &str) -> Result<String, EvalError> {
    let long = json!("x".repeat(100_000));
    let many = json!((0..20_000).collect::<Vec<_>>());
    let any = Shape::any();
    let environment = Environment::new().variable("s", Type::String).variable("l", Type::list(Type::Int));
    let program = environment.compile(text).unwrap_or_else(|error| panic!("{error}"));
    let bindings = Bindings::new().bind_json("s", &long, &any).bind_json("l", &many, &any);
    let value = program.evaluate(&bindings, &mut Budget::new(u64::MAX));
    value.map(|value| value.kind().to_string())
}

#[test]
fn f029_what_upstreams_costs_do_not_see_is_bounded_as_well() {
    for text in [
        "s.replace('x', s)",
        "l.map(a, l.map(b, 1))",
        "l.map(a, s).join(s)",
        "l.map(a, s).map(b, s).size() > 0 && l.map(a, s).join('').size() > 0",
        "lists.range(9223372036854775807)",
        "'%s%s%s%s%s%s%s%s'.format([l.map(a,s),l.map(a,s),l.map(a,s),l,l,l,l,l])",
        "s.split('').map(c, s).join('')",
        "[l,l,l,l,l,l,l,l].map(a, [a,a,a,a,a,a,a,a]).map(a, [a,a,a,a,a,a,a,a]).map(a, [a,a]) == [l,l,l,l,l,l,l,l].map(a, [a,a,a,a,a,a,a,a]).map(a, [a,a,a,a,a,a,a,a]).map(a, [a,a])",
        "l.sortBy(a, s + string(a))",
        "l.distinct()",
        "l.all(i, timestamp(s) == timestamp(s) || true)",
        "l.all(i, {s: 1}[s] == 1)",
        "l.all(i, size(s) > i)",
        "s.find(s + '(')",
    ] {
        match evaluate(text) {
            Err(error) => {
                let message = error.to_string();
                assert!(message == OVER || message.contains("regexp"), "{text}: {message}");
            }
            Ok(kind) => panic!("{text} came to {kind}"),
        }
    }
}

#[test]
fn loops_that_make_lists_and_maps_take_time_by_their_length() {
    assert_eq!(evaluate("l.map(a, a)").unwrap(), "list(dyn)");
    assert_eq!(evaluate("l.filter(a, a > 5)").unwrap(), "list(dyn)");
    assert_eq!(evaluate("l.transformMap(a, b, b)").unwrap(), "map(dyn, dyn)");
    assert_eq!(evaluate("(l + l).map(a, l + l)[5].size()").unwrap(), "int");
}

#[test]
fn f029_messages_quote_only_the_start_of_what_is_long() {
    let eight = |text: String| format!("[{text}].map(a, [a, a, a, a, a, a, a, a])[0]");
    let deep = (0..14).fold("l".to_owned(), |text, _| eight(text));
    let error = evaluate(&format!("{{'a': 1}}[dyn({deep})] == 1")).unwrap_err().to_string();
    assert!(error.starts_with("no such key: [[[") && error.len() < 2_000, "{error}");
}

#[test]
fn a_budget_is_shared_and_says_when_it_is_spent() {
    let program = Environment::new().compile("[1, 2, 3].all(x, x > 0)").unwrap();
    let mut budget = Budget::new(20);
    assert!(program.evaluate(&Bindings::new(), &mut budget).is_ok());
    assert_eq!(budget.left(), 4);
    assert_eq!(program.evaluate(&Bindings::new(), &mut budget).unwrap_err(), EvalError::Budget);
    let mut tight = Budget::new(1_000).with_call_limit(5);
    assert_eq!(program.evaluate(&Bindings::new(), &mut tight).unwrap_err(), EvalError::CallCost);
}

#[test]
fn f003_j022_nesting_is_refused_before_the_stack_is_at_risk() {
    let cases = [
        format!("{}1{}", "(".repeat(251), ")".repeat(251)),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        "!(".repeat(30_000),
        vec!["1"; 252].join("+"),
        format!("x{}", ".a".repeat(20_000)),
        format!("x{}", "[0]".repeat(300)),
    ];
    for text in &cases {
        let error = facts(text, &json!({"x": "dyn"}), &json!({}));
        assert!(error.contains("limit") || error.contains("depth") || error.contains("Syntax"), "{error}");
    }
}

#[test]
fn what_is_just_within_the_bounds_is_evaluated() {
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let deep = |open: &str, inner: &str, close: &str, count: usize| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let work = small.spawn(move || {
        for text in [
            deep("(", "1", ")", 249),
            deep("[", "1", "]", 249),
            deep("!(", "true", ")", 240),
            deep("[1].map(x, ", "x", ")", 80),
            deep("[1].all(x, ", "x > 0", ")", 80),
            vec!["1"; 250].join("+"),
            vec!["true"; 5_000].join("&&"),
        ] {
            let found = facts(&text, &json!({}), &json!({}));
            assert!(!found.contains("ERROR"), "{found}");
        }
    });
    work.unwrap().join().unwrap();
}

#[test]
fn macros_that_repeat_their_argument_do_not_grow_without_bound() {
    let text = format!("optional.of(1){}", ".optMap(x, x)".repeat(60));
    let error = facts(&text, &json!({}), &json!({}));
    assert!(error.contains("parts"), "{error}");
}

/// Pieces that make sense together often enough.
const PIECES: [&str; 44] = [
    "x",
    "y",
    "1",
    "2u",
    "1.5",
    "'a'",
    "b'a'",
    "true",
    "null",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ".",
    ",",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "<",
    ">=",
    "in",
    "&&",
    "||",
    "!",
    ".map(a, a)",
    ".all(a, a > 0)",
    ".size()",
    "size(",
    "has(x.y)",
    ".matches('a+')",
    "'%s'.format([",
    "optional.of(",
    ".orValue(",
    "duration('1s')",
    " ",
    "[?",
    ".?y",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_that_is_written_ends_badly(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..14)) {
        facts(&pieces.concat(), &json!({"x": "dyn", "y": "list(int)"}), &json!({"x": {"y": [1]}, "y": [1, 2]}));
    }

    #[test]
    fn no_text_ends_badly(text in "\\PC{0,40}") {
        facts(&text, &json!({}), &json!({}));
    }

    #[test]
    fn an_evaluation_stops_one_step_after_its_limit(limit in 0_u64..200) {
        let program = Environment::new().compile("[3, 2, 1].map(x, x * 2).filter(x, x > 2).size() == 2").unwrap();
        let mut budget = Budget::new(u64::MAX).with_call_limit(limit);
        let outcome = program.evaluate(&Bindings::new(), &mut budget);
        let spent = u64::MAX - budget.left();
        prop_assert!(spent <= limit + 12, "{spent} of {limit}");
        prop_assert_eq!(outcome.is_ok(), spent <= limit);
        prop_assert!(!matches!(outcome, Ok(Val::Null)));
    }
}
