//! Arithmetic, comparison and membership.

use std::cmp::Ordering;

use super::Native;
use crate::error::Fault;
use crate::meter::{MAKE, Meter, TOUCH};
use crate::value::{List, Val, compare, equal};

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "_+_" => add,
        "_-_" => subtract,
        "_*_" => multiply,
        "_/_" => divide,
        "_%_" => modulo,
        "-_" => negate,
        "!_" => |args, _| match args {
            [Val::Bool(value)] => Ok(Val::Bool(!value)),
            _ => Err(Fault::Bare),
        },
        "@not_strictly_false" => |args, _| match args {
            [Val::Bool(value)] => Ok(Val::Bool(*value)),
            _ => Ok(Val::Bool(true)),
        },
        "_==_" => |args, meter| pair(args, |one, other| equal(one, other, meter).map(Val::Bool)),
        "_!=_" => {
            |args, meter| pair(args, |one, other| equal(one, other, meter).map(|same| Val::Bool(!same)))
        }
        "_<_" => |args, meter| order(args, "_<_", meter, Ordering::is_lt),
        "_<=_" => |args, meter| order(args, "_<=_", meter, Ordering::is_le),
        "_>_" => |args, meter| order(args, "_>_", meter, Ordering::is_gt),
        "_>=_" => |args, meter| order(args, "_>=_", meter, Ordering::is_ge),
        "@in" => |args, meter| pair(args, |one, other| contains(other, one, meter).map(Val::Bool)),
        _ => return None,
    })
}

fn pair<'v>(
    args: &[Val<'v>],
    with: impl FnOnce(&Val<'v>, &Val<'v>) -> Result<Val<'v>, Fault>,
) -> Result<Val<'v>, Fault> {
    match args {
        [one, other] => with(one, other),
        _ => Err(Fault::Arguments),
    }
}

/// What an operator says to operands of a type that never has it.
fn never(operator: &str) -> Fault {
    Fault::new(format!("no such overload: {operator}"))
}

fn order<'v>(
    args: &[Val<'v>],
    operator: &str,
    meter: &mut Meter,
    holds: fn(Ordering) -> bool,
) -> Result<Val<'v>, Fault> {
    pair(args, |one, other| {
        meter.work(TOUCH)?;
        if matches!(
            one,
            Val::Null
                | Val::List(_)
                | Val::Map(_)
                | Val::Type(_)
                | Val::Optional(_)
                | Val::Opaque(_)
                | Val::Hidden(_)
        ) {
            return Err(never(operator));
        }
        Ok(Val::Bool(compare(one, other)?.is_some_and(holds)))
    })
}

/// Whether a list has an element, or a map a key.
pub(crate) fn contains<'v>(within: &Val<'v>, value: &Val<'v>, meter: &mut Meter) -> Result<bool, Fault> {
    match within {
        Val::List(list) => {
            for element in list.iter() {
                if equal(&element?, value, meter)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Val::Map(map) => map.find(value).transpose().map(|found| found.is_some()),
        _ => Err(Fault::Bare),
    }
}

fn overflow() -> Fault {
    Fault::new("integer overflow")
}

fn unsigned_overflow() -> Fault {
    Fault::new("unsigned integer overflow")
}

fn int<'v>(value: Option<i64>) -> Result<Val<'v>, Fault> {
    value.map(Val::Int).ok_or_else(overflow)
}

fn uint<'v>(value: Option<u64>) -> Result<Val<'v>, Fault> {
    value.map(Val::Uint).ok_or_else(unsigned_overflow)
}

fn duration<'v>(value: Option<i64>) -> Result<Val<'v>, Fault> {
    value.map(Val::Duration).ok_or_else(overflow)
}

pub(super) fn add<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Int(one), Val::Int(other)] => int(one.checked_add(*other)),
        [Val::Uint(one), Val::Uint(other)] => uint(one.checked_add(*other)),
        [Val::Double(one), Val::Double(other)] => Ok(Val::Double(one + other)),
        [Val::String(one), Val::String(other)] => {
            meter.work_of(one.as_str().len().saturating_add(other.as_str().len()), 1)?;
            Ok(Val::text(format!("{one}{other}")))
        }
        [Val::Bytes(one), Val::Bytes(other)] => {
            meter.work_of(one.len().saturating_add(other.len()), 1)?;
            Ok(Val::Bytes(one.iter().chain(other.iter()).copied().collect()))
        }
        [Val::List(one), Val::List(other)] => add_lists(one, other, meter).map(Val::List),
        [Val::Duration(one), Val::Duration(other)] => duration(one.checked_add(*other)),
        [Val::Duration(span), Val::Timestamp(time)] | [Val::Timestamp(time), Val::Duration(span)] => {
            time.shift(*span).map(Val::Timestamp)
        }
        [Val::Bool(_) | Val::Null | Val::Map(_) | Val::Type(_) | Val::Optional(_) | Val::Opaque(_), _] => {
            Err(never("_+_"))
        }
        _ => Err(Fault::Bare),
    }
}

/// Lists that are sets or have keys are merged; others follow each other.
fn add_lists<'v>(one: &List<'v>, other: &List<'v>, meter: &mut Meter) -> Result<List<'v>, Fault> {
    use crate::shape::Merge;
    use crate::value::{key_of, merge, scalar};
    let keys: &[String] = match merge(one) {
        Some(Merge::Set) => &[],
        Some(Merge::Keys(keys)) => keys.as_slice(),
        _ => {
            meter.work(MAKE)?;
            return Ok(one.clone().join(other.clone()));
        }
    };
    meter.work_of(one.len().saturating_add(other.len()), MAKE)?;
    // What is no scalar has no place of its own: it is only added.
    let place = |value: &Val<'v>| -> Option<Vec<Option<String>>> {
        if keys.is_empty() { scalar(value).map(|own| vec![Some(own)]) } else { Some(key_of(value, keys)) }
    };
    let mut places = std::collections::HashMap::new();
    let mut merged = Vec::with_capacity(one.len());
    for value in one.iter().chain(other.iter()) {
        let value = value?;
        meter.work(value.size())?;
        let own = place(&value);
        let known = own.as_ref().and_then(|own| places.get(own)).copied();
        match known.and_then(|at: usize| merged.get_mut(at)) {
            Some(known) => *known = value,
            None => {
                if let Some(own) = own {
                    places.insert(own, merged.len());
                }
                merged.push(value);
            }
        }
    }
    Ok(List::Shared(merged.into()))
}

fn subtract<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Int(one), Val::Int(other)] => int(one.checked_sub(*other)),
        [Val::Uint(one), Val::Uint(other)] => uint(one.checked_sub(*other)),
        [Val::Double(one), Val::Double(other)] => Ok(Val::Double(one - other)),
        [Val::Duration(one), Val::Duration(other)] => duration(one.checked_sub(*other)),
        [Val::Timestamp(time), Val::Duration(span)] => {
            time.shift(span.checked_neg().ok_or_else(overflow)?).map(Val::Timestamp)
        }
        [Val::Timestamp(one), Val::Timestamp(other)] => duration(other.until(*one)),
        [Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::Duration(_) | Val::Timestamp(_), _] => {
            Err(Fault::Bare)
        }
        [Val::String(_), _] => Err(Fault::Bare),
        _ => Err(never("_-_")),
    }
}

fn multiply<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Int(one), Val::Int(other)] => int(one.checked_mul(*other)),
        [Val::Uint(one), Val::Uint(other)] => uint(one.checked_mul(*other)),
        [Val::Double(one), Val::Double(other)] => Ok(Val::Double(one * other)),
        [Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::String(_), _] => Err(Fault::Bare),
        _ => Err(never("_*_")),
    }
}

fn divide<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    let zero = || Fault::new("division by zero");
    match args {
        [Val::Int(_), Val::Int(0)] | [Val::Uint(_), Val::Uint(0)] => Err(zero()),
        [Val::Int(one), Val::Int(other)] => int(one.checked_div(*other)),
        [Val::Uint(one), Val::Uint(other)] => uint(one.checked_div(*other)),
        [Val::Double(one), Val::Double(other)] => Ok(Val::Double(one / other)),
        [Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::String(_), _] => Err(Fault::Bare),
        _ => Err(never("_/_")),
    }
}

fn modulo<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Int(_), Val::Int(0)] | [Val::Uint(_), Val::Uint(0)] => Err(Fault::new("modulus by zero")),
        [Val::Int(one), Val::Int(other)] => int(one.checked_rem(*other)),
        [Val::Uint(one), Val::Uint(other)] => uint(one.checked_rem(*other)),
        [Val::Int(_) | Val::Uint(_), _] => Err(Fault::Bare),
        _ => Err(never("_%_")),
    }
}

fn negate<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Int(value)] => int(value.checked_neg()),
        [Val::Double(value)] => Ok(Val::Double(-value)),
        [Val::Duration(value)] => duration(value.checked_neg()),
        [Val::List(_) | Val::Map(_) | Val::Type(_) | Val::Optional(_) | Val::Opaque(_)] => Err(never("-_")),
        _ => Err(Fault::Bare),
    }
}
