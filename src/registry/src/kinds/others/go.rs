//! JSON texts with their fields in a given order, as Go writes the fields of a struct.
//!
//! The annotations that carry what a version lacks show structs this way, some under the names of
//! upstream's internal types.

use std::fmt::Write as _;

use portcullis_api::Value;

/// How to write a struct: each field by its name in the tree, its name in the text, and its own shape.
pub(in crate::kinds::others) type Struct = &'static [Field];

/// One field of a struct.
pub(in crate::kinds::others) struct Field {
    /// The name in the tree.
    pub(in crate::kinds::others) from: &'static str,
    /// The name in the text.
    pub(in crate::kinds::others) to: &'static str,
    /// How the value is written.
    pub(in crate::kinds::others) shape: Shape,
    /// Whether an absent value is written as `null`.
    pub(in crate::kinds::others) nullable: bool,
}

/// How a value is written.
pub(in crate::kinds::others) enum Shape {
    /// As it is.
    Plain,
    /// As a struct.
    Struct(Struct),
    /// As a list of structs.
    List(Struct),
}

/// A field that keeps its name and is left out when absent.
pub(in crate::kinds::others) const fn field(name: &'static str, shape: Shape) -> Field {
    Field { from: name, to: name, shape, nullable: false }
}

/// A plain field.
pub(in crate::kinds::others) const fn plain(name: &'static str) -> Field {
    field(name, Shape::Plain)
}

/// A list of structs as text.
pub(in crate::kinds::others) fn list(values: &[Value], shape: Struct) -> String {
    let mut out = String::new();
    write_list(&mut out, values, shape);
    out
}

/// A struct as text.
pub(in crate::kinds::others) fn object(value: &Value, shape: Struct) -> String {
    let mut out = String::new();
    write_struct(&mut out, value, shape);
    out
}

fn write_list(out: &mut String, values: &[Value], shape: Struct) {
    out.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_struct(out, value, shape);
    }
    out.push(']');
}

fn write_struct(out: &mut String, value: &Value, shape: Struct) {
    out.push('{');
    let mut first = true;
    for field in shape {
        let found = value.get(field.from);
        if found.is_none() && !field.nullable {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        let _ = write!(out, "\"{}\":", field.to);
        match (found, &field.shape) {
            (None, _) => out.push_str("null"),
            (Some(value), Shape::Plain) => out.push_str(&escaped(value)),
            (Some(value), Shape::Struct(shape)) => write_struct(out, value, shape),
            (Some(value), Shape::List(shape)) => {
                write_list(out, value.as_array().map_or(&[], Vec::as_slice), shape);
            }
        }
    }
    out.push('}');
}

/// A value as Go writes it: what could end a script element is escaped.
fn escaped(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}
