//! Lists taken as sets.

use super::Native;
use crate::error::Fault;
use crate::meter::Meter;
use crate::value::{List, Val, equal};

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "sets.contains" => |args, meter| pair(args, |one, other| holds(one, other, meter)),
        "sets.equivalent" => {
            |args, meter| pair(args, |one, other| Ok(holds(one, other, meter)? && holds(other, one, meter)?))
        }
        "sets.intersects" => |args, meter| {
            pair(args, |one, other| {
                for value in other.iter() {
                    if has(one, &value?, meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
        },
        _ => return None,
    })
}

fn pair<'v>(
    args: &[Val<'v>],
    test: impl FnOnce(&List<'v>, &List<'v>) -> Result<bool, Fault>,
) -> Result<Val<'v>, Fault> {
    match args {
        [Val::List(one), Val::List(other)] => test(one, other).map(Val::Bool),
        _ => Err(Fault::Arguments),
    }
}

fn holds(one: &List<'_>, other: &List<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    for value in other.iter() {
        if !has(one, &value?, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has(list: &List<'_>, sought: &Val<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    for value in list.iter() {
        if equal(&value?, sought, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}
