//! Expressions: what compiles evaluates within its budget, and says the same when read again.

use portcullis_cel::{Bindings, Budget, CALL_LIMIT, Environment, Hints, Shape, Type};
use serde_json::json;

/// The whole input is the expression. `self` is data without a schema, `n`, `s` and `l` have types.
pub fn cel(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    patches(text);
    let environment = Environment::new()
        .variable("self", Type::Dyn)
        .variable("n", Type::Int)
        .variable("s", Type::String)
        .variable("l", Type::list(Type::Int));
    let program = match environment.compile(text) {
        Ok(program) => program,
        Err(error) => {
            assert!(!error.issues().is_empty(), "a refusal has a reason");
            assert!(error.to_string().starts_with("ERROR: <input>:"), "{error}");
            return;
        }
    };
    let estimate = program.estimate(Hints::none());
    let data = json!({"a": {"b": [1, "x", null, 1.5]}, "c": "text", "d": -7, "e": true});
    let (number, string, list) = (json!(41), json!("10.0.0.1/8"), json!([3, 1, 2]));
    let any = Shape::any();
    let bindings = Bindings::new()
        .bind_json("self", &data, &any)
        .bind_json("n", &number, &any)
        .bind_json("s", &string, &any)
        .bind_json("l", &list, &any);
    let mut budget = Budget::new(u64::MAX);
    let outcome = program.evaluate(&bindings, &mut budget).map(|value| value.to_string());
    let spent = u64::MAX - budget.left();
    assert!(outcome.is_err() || spent <= CALL_LIMIT, "{spent} were spent");
    assert!(outcome.is_err() || estimate.max > 0 || spent == 0, "what cannot cost anything costs nothing");
}

/// The same expression where patches can be written: what it makes leaves as JSON, and is no larger than allowed.
fn patches(text: &str) {
    const MOST: usize = 1 << 16;
    let environment = Environment::new().variable("object", Type::Dyn).writing_patches();
    let Ok(program) = environment.compile(text) else { return };
    let object = json!({"spec": {"replicas": 3, "names": ["a", "b"]}});
    let any = Shape::any();
    let bindings = Bindings::new().bind_json("object", &object, &any);
    let Ok(value) = program.evaluate(&bindings, &mut Budget::new(CALL_LIMIT)) else { return };
    for made in [value.to_configuration(MOST).map(serde_json::Value::Object), value.to_json_patch(MOST)] {
        // Each octet may be written as six.
        let length = made.map_or(0, |made| made.to_string().len());
        assert!(length <= 8 * MOST, "{length} octets");
    }
}
