//! When values are equal, and which one is less.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::Value as Json;

use super::{List, Map, Opaque, Val};
use crate::error::Fault;
use crate::meter::{Meter, TOUCH};
use crate::shape::{Kind, Merge};

/// Whether two values are equal; numbers are so across their types, values of other types never.
pub(crate) fn equal(one: &Val<'_>, other: &Val<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    meter.work(TOUCH)?;
    Ok(match (one, other) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(one), Val::Bool(other)) => one == other,
        (Val::String(one), Val::String(other)) => {
            meter.work_of(one.as_str().len().min(other.as_str().len()), 1)?;
            one.as_str() == other.as_str()
        }
        (Val::Bytes(one), Val::Bytes(other)) => {
            meter.work_of(one.len().min(other.len()), 1)?;
            one == other
        }
        (Val::Timestamp(one), Val::Timestamp(other)) => one == other,
        (Val::Duration(one), Val::Duration(other)) => one == other,
        (Val::List(one), Val::List(other)) => return equal_lists(one, other, meter),
        (Val::Map(one), Val::Map(other)) => return equal_maps(one, other, meter),
        (Val::Made(one), Val::Made(other)) => return one.equal(other, meter),
        (Val::Type(one), Val::Type(other)) => one.name() == other.name(),
        (Val::Optional(None), Val::Optional(None)) => true,
        (Val::Optional(Some(one)), Val::Optional(Some(other))) => return equal(one, other, meter),
        (Val::Opaque(one), Val::Opaque(other)) => one.equal(other),
        (Val::Hidden(one), Val::Hidden(other)) => return equal_json(one, other, meter),
        _ => numbers(one, other) == Some(Ordering::Equal),
    })
}

fn equal_lists(one: &List<'_>, other: &List<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    if one.len() != other.len() {
        return Ok(false);
    }
    match merge(one) {
        Some(Merge::Set) => return contains_all(one, other, meter),
        Some(Merge::Keys(keys)) => return equal_keyed(one, other, keys, meter),
        _ => {}
    }
    for (one, other) in one.iter().zip(other.iter()) {
        if !equal(&one?, &other?, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How the elements of a list are told apart.
pub(crate) fn merge<'v>(list: &List<'v>) -> Option<&'v Merge> {
    match list {
        List::Json(_, shape) => match &shape.kind {
            Kind::List(_, merge) => Some(merge),
            _ => None,
        },
        List::Joined(pair) => merge(&pair.0),
        List::Shared(_) => None,
    }
}

/// What two scalars are equal by.
pub(crate) fn scalar(value: &Val<'_>) -> Option<String> {
    Some(match value {
        Val::String(text) => format!("s{text}"),
        Val::Int(value) => format!("n{value}"),
        Val::Double(value) => format!("d{value}"),
        Val::Bool(value) => format!("b{value}"),
        Val::Null => "0".to_owned(),
        Val::Timestamp(value) => format!("t{value}"),
        Val::Duration(value) => format!("u{value}"),
        _ => return None,
    })
}

fn contains_all(one: &List<'_>, other: &List<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    meter.work_of(one.len(), 4 * TOUCH)?;
    let known: HashSet<Option<String>> =
        one.iter().map(|value| Ok(scalar(&value?))).collect::<Result<_, Fault>>()?;
    for value in other.iter() {
        let value = value?;
        meter.work(value.size())?;
        if !known.contains(&scalar(&value)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The values of an element's key fields.
pub(crate) fn key_of(value: &Val<'_>, keys: &[String]) -> Vec<Option<String>> {
    let field = |key: &String| match value {
        Val::Map(map) => scalar(&map.field(&crate::shape::escape(key)?)?.ok()?),
        _ => None,
    };
    keys.iter().map(field).collect()
}

fn equal_keyed(one: &List<'_>, other: &List<'_>, keys: &[String], meter: &mut Meter) -> Result<bool, Fault> {
    meter.work_of(one.len(), 4 * TOUCH)?;
    let mut known = std::collections::HashMap::new();
    for value in one.iter() {
        let value = value?;
        known.insert(key_of(&value, keys), value);
    }
    for value in other.iter() {
        let value = value?;
        meter.work(4 * TOUCH)?;
        match known.get(&key_of(&value, keys)) {
            Some(own) if equal(own, &value, meter)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn equal_maps(one: &Map<'_>, other: &Map<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    if one.len() != other.len() {
        return Ok(false);
    }
    if let (Map::Json(one, shape), Map::Json(other, _)) = (one, other)
        && let Kind::Object(object) = &shape.kind
    {
        let unknown = one.iter().filter(|(name, _)| !object.properties.contains_key(name.as_str()));
        for (name, value) in unknown {
            if other.get(name).is_some_and(|other| value != other) {
                return Ok(false);
            }
        }
    }
    for key in one.keys() {
        meter.work(TOUCH)?;
        let same = match (one.find(&key), other.find(&key)) {
            (Some(one), Some(other)) => equal(&one?, &other?, meter)?,
            (None, None) => true,
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_json(one: &Json, other: &Json, meter: &mut Meter) -> Result<bool, Fault> {
    meter.work(json_size(one).min(json_size(other)))?;
    Ok(one == other)
}

/// The work of walking over a tree.
fn json_size(json: &Json) -> u64 {
    TOUCH
        + match json {
            Json::Array(items) => items.iter().map(json_size).sum(),
            Json::Object(object) => object.values().map(json_size).sum(),
            Json::String(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
            _ => 0,
        }
}

impl Opaque {
    fn equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Quantity(one), Self::Quantity(other)) => one == other,
            (Self::Url(one), Self::Url(other)) => one.text() == other.text(),
            (Self::Ip(one), Self::Ip(other)) => one == other,
            (Self::Cidr(one), Self::Cidr(other)) => one == other,
            (Self::Semver(one), Self::Semver(other)) => one.precedence(other) == Ordering::Equal,
            (Self::Format(one), Self::Format(other)) => one.name == other.name,
            (Self::Check(one), Self::Check(other)) => one == other,
            _ => false,
        }
    }
}

/// The order of two values that have one; none for a NaN.
pub(crate) fn compare(one: &Val<'_>, other: &Val<'_>) -> Result<Option<Ordering>, Fault> {
    Ok(match (one, other) {
        (Val::Bool(one), Val::Bool(other)) => Some(one.cmp(other)),
        (Val::String(one), Val::String(other)) => Some(one.as_str().cmp(other.as_str())),
        (Val::Bytes(one), Val::Bytes(other)) => Some(one.cmp(other)),
        (Val::Timestamp(one), Val::Timestamp(other)) => Some(one.cmp(other)),
        (Val::Duration(one), Val::Duration(other)) => Some(one.cmp(other)),
        (one, other) if is_number(one) && is_number(other) => {
            return numbers(one, other).map(Some).ok_or_else(|| Fault::new("NaN values cannot be ordered"));
        }
        _ => return Err(Fault::bare()),
    })
}

fn is_number(value: &Val<'_>) -> bool {
    matches!(value, Val::Int(_) | Val::Uint(_) | Val::Double(_))
}

fn numbers(one: &Val<'_>, other: &Val<'_>) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (integer(one), integer(other)) {
        return Some(one.cmp(&other));
    }
    match (one, other) {
        (Val::Double(one), Val::Double(other)) => one.partial_cmp(other),
        (Val::Double(one), other) => double_to_integer(*one, integer(other)?),
        (one, Val::Double(other)) => double_to_integer(*other, integer(one)?).map(Ordering::reverse),
        _ => None,
    }
}

fn integer(value: &Val<'_>) -> Option<i128> {
    match value {
        Val::Int(value) => Some(i128::from(*value)),
        Val::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

/// Orders a number and a whole one without losing digits.
fn double_to_integer(one: f64, other: i128) -> Option<Ordering> {
    if one.is_nan() {
        return None;
    }
    if one.abs() >= 2.0_f64.powi(65) {
        return Some(if one > 0.0 { Ordering::Greater } else { Ordering::Less });
    }
    #[expect(clippy::cast_possible_truncation, reason = "the value is whole and within range")]
    let whole = one.floor() as i128;
    Some(whole.cmp(&other).then(if one > one.floor() { Ordering::Greater } else { Ordering::Equal }))
}
