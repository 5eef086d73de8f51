//! Makes a tree fit the types as upstream does where it has no text: what a strategic patch or an apply made
//! is turned into Go's structs value by value. Integers lose the bits that do not fit, whole floats become
//! integers, and what fits nowhere is named in words that are not those of a decoder.

use portcullis_api::{Object, Value};
use serde_json::{Map, Number};

use super::FieldValidation;
use super::at::At;
use super::reader::{Reader, Stop};
use super::source::Source as _;
use super::tree::Tree;
use crate::kind::Kind;
use crate::types::{StructId, Type, types};

impl Kind {
    /// Brings a tree that [`Kind::normalize`] refused into normal form after all, or says why it cannot be.
    /// Slower, so for that case only. After an error the tree may be empty.
    ///
    /// # Errors
    /// What upstream says of the first value, in the order of Go's structs, that fits no field.
    pub fn fit(&self, object: &mut Object, validation: FieldValidation) -> Result<Vec<String>, String> {
        members(self.root(), object.map_mut())?;
        self.convert(object, validation).map_err(|error| error.message().to_owned())
    }
}

fn members(of: StructId, tree: &mut Map<String, Value>) -> Result<(), String> {
    for field in types().get(of).in_go_order() {
        if let Some(value) = tree.get_mut(field.json) {
            fit(&field.ty, field.go, value)?;
        }
    }
    Ok(())
}

/// `go` is Go's name of the type. The depth is bounded: the types limit it, or a decoder reads on.
fn fit(ty: &Type, go: &'static str, value: &mut Value) -> Result<(), String> {
    let source = kind(value);
    let inner = || types().go_element(go);
    match (ty, value) {
        (_, Value::Null) => Ok(()),
        (Type::Struct(id), Value::Object(map)) => members(*id, map),
        (Type::Map(of), Value::Object(map)) => map.values_mut().try_for_each(|value| fit(of, inner(), value)),
        (Type::List(of), Value::Array(items)) => items.iter_mut().try_for_each(|item| fit(of, inner(), item)),
        (Type::Struct(_), _) => Err(format!("cannot restore struct from: {source}")),
        (Type::Map(_), _) => Err(format!("cannot restore map from {source}")),
        (Type::Bytes, value @ Value::String(_)) => {
            decoded(ty, value).map_err(|why| format!("error decoding from json: {why}"))
        }
        (Type::List(_) | Type::Bytes, _) => Err(format!("cannot restore slice from {source}")),
        (Type::String, _) => simple(source, "string", (source == "int64").then_some(go)),
        (Type::Bool, _) => simple(source, "bool", None),
        (Type::Int32 | Type::Int64, Value::Number(number)) => integer(ty, go, number),
        (Type::Int32, _) => simple(source, "int32", None),
        (Type::Int64, _) => simple(source, "int64", None),
        (Type::Float64, Value::Number(_)) => Ok(()),
        (Type::Float64, _) => simple(source, "float64", None),
        (Type::Time | Type::MicroTime | Type::Duration | Type::Quantity | Type::IntOrString, value) => {
            decoded(ty, value)
        }
        _ => Ok(()),
    }
}

/// A value for a simple type. `convertible` names a type that Go could convert it to, but JSON may not.
fn simple(source: &str, wanted: &str, convertible: Option<&str>) -> Result<(), String> {
    match convertible {
        _ if source == wanted => Ok(()),
        Some(go) => Err(format!("cannot convert {source} to {go}")),
        None => Err(format!("unrecognized type: {wanted}")),
    }
}

/// What a conversion in Go makes of a number; as there, nothing is said of lost bits.
#[expect(clippy::cast_possible_truncation, reason = "Go's conversions truncate, and so must this")]
fn integer(ty: &Type, go: &str, number: &mut Number) -> Result<(), String> {
    let wide = match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole,
        (None, Some(float)) if float.fract() == 0.0 => out_of_float(float),
        _ => return Err(format!("cannot convert float64 to {go}")),
    };
    *number = if *ty == Type::Int32 { Number::from(wide as i32) } else { Number::from(wide) };
    Ok(())
}

/// Too large a float becomes the least integer, as on the machines upstream runs on.
#[expect(clippy::cast_possible_truncation, reason = "the range was looked at")]
fn out_of_float(float: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&float) { float as i64 } else { i64::MIN }
}

/// Asks the type's own decoder, which Go gives the value alone.
fn decoded(ty: &Type, value: &Value) -> Result<(), String> {
    let mut reader = Reader::new(Tree::new(value.clone()), false);
    let outcome = match (ty, reader.source.token()) {
        (Type::Bytes, Ok(super::source::Token::String(text))) => Ok(reader.bytes(&text)),
        (_, Ok(token)) => reader.special(ty, token, &At::ROOT),
        (_, Err(_)) => Ok(None),
    };
    match outcome {
        Err(Stop::Refused(why)) => Err(why),
        Err(Stop::Malformed) | Ok(_) => reader.finish().map(drop),
    }
}

/// Go's kind of an untyped value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::kind_named;

    fn fitted(kind: &str, tree: &Value) -> Result<Value, String> {
        let kind = kind_named("apps", "v1", kind).unwrap();
        let mut object = Object::new(tree.as_object().unwrap().clone());
        kind.fit(&mut object, FieldValidation::Ignore).map(|_| object.into())
    }

    #[test]
    fn numbers_are_converted_as_in_go() {
        for (sent, kept) in [
            (json!(2_147_483_648_i64), json!(-2_147_483_648_i64)),
            (json!(4_294_967_297_i64), json!(1)),
            (json!(3.0), json!(3)),
        ] {
            let tree = json!({"spec": {"replicas": sent}});
            assert_eq!(fitted("Deployment", &tree).unwrap()["spec"]["replicas"], kept, "{sent}");
        }
        assert_eq!(out_of_float(1e30), i64::MIN);
        assert_eq!(out_of_float(-4.0), -4);
    }

    #[test]
    fn the_first_misfit_is_named_in_the_order_of_the_structs() {
        let status = |status: Value| fitted("DaemonSet", &json!({"status": status})).unwrap_err();
        let time = json!([{"lastTransitionTime": ""}]);
        assert_eq!(
            status(json!({"conditions": time, "collisionCount": 1.5})),
            "cannot convert float64 to int32"
        );
        assert_eq!(
            status(json!({"conditions": time})),
            "parsing time \"\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"2006\""
        );
        assert_eq!(
            status(json!({"conditions": [{"lastTransitionTime": 5}]})),
            "json: cannot unmarshal number into Go value of type string"
        );
        assert_eq!(status(json!({"conditions": {}})), "cannot restore slice from map");
        assert_eq!(status(json!([])), "cannot restore struct from: slice");
    }
}
