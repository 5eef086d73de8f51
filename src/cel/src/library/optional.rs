//! Values that may be missing.

use super::Native;
use crate::error::Fault;
use crate::meter::{MAKE, Meter};
use crate::value::{Val, short};

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "optional.none" => |_, _| Ok(Val::Optional(None)),
        "optional.of" => |args, _| args.first().cloned().map(Val::some).ok_or(Fault::Arguments),
        "optional.ofNonZeroValue" => |args, _| match args {
            [value] if value.is_zero() => Ok(Val::Optional(None)),
            [value] => Ok(Val::some(value.clone())),
            _ => Err(Fault::Arguments),
        },
        "hasValue" => |args, _| match args {
            [Val::Optional(value)] => Ok(Val::Bool(value.is_some())),
            _ => Err(Fault::Arguments),
        },
        "value" => |args, _| match args {
            [Val::Optional(Some(value))] => Ok((**value).clone()),
            [Val::Optional(None)] => Err(Fault::new("optional.none() dereference")),
            _ => Err(Fault::Arguments),
        },
        "optional.unwrap" | "unwrapOpt" => unwrap,
        _ => return None,
    })
}

fn unwrap<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::List(list)] = args else { return Err(Fault::Arguments) };
    meter.work_of(list.len(), MAKE)?;
    let mut values = Vec::new();
    for value in list.iter() {
        match value? {
            Val::Optional(Some(value)) => values.push((*value).clone()),
            Val::Optional(None) => {}
            other => return Err(Fault::new(format!("value {} is not optional", short(&other)))),
        }
    }
    Ok(Val::list(values))
}
