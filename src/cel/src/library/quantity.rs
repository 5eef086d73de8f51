//! Amounts.

use std::sync::Arc;

use portcullis_api::quantity::{Format, Quantity};

use super::Native;
use crate::error::Fault;
use crate::meter::Meter;
use crate::value::{Opaque, Val};

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "quantity" => |args, _| match args {
            [Val::String(text)] => parse(text.as_str()).map(quantity),
            _ => Err(Fault::Arguments),
        },
        "isQuantity" => |args, _| match args {
            [Val::String(text)] => Ok(Val::Bool(parse(text.as_str()).is_ok())),
            _ => Err(Fault::Arguments),
        },
        "sign" => |args, _| one(args, |amount| Ok(Val::Int(i64::from(amount.signum())))),
        "isInteger" => |args, _| one(args, |amount| Ok(Val::Bool(amount.as_int().is_some()))),
        "asInteger" => |args, _| {
            one(args, |amount| {
                amount.as_int().map(Val::Int).ok_or_else(|| Fault::new("cannot convert value to integer"))
            })
        },
        "asApproximateFloat" => |args, _| one(args, |amount| Ok(Val::Double(amount.approximate()))),
        "add" => |args, meter| combine(args, meter, Quantity::add),
        "sub" => |args, meter| combine(args, meter, Quantity::sub),
        _ => return None,
    })
}

fn quantity<'v>(amount: Quantity) -> Val<'v> {
    Val::Opaque(Opaque::Quantity(Arc::new(amount)))
}

fn parse(text: &str) -> Result<Quantity, Fault> {
    Quantity::parse(text).map_err(|error| Fault::new(error.to_string()))
}

fn one<'v>(
    args: &[Val<'v>],
    take: impl FnOnce(&Quantity) -> Result<Val<'v>, Fault>,
) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Quantity(amount))] => take(amount),
        _ => Err(Fault::Arguments),
    }
}

fn combine<'v>(
    args: &[Val<'v>],
    _: &mut Meter,
    with: fn(&mut Quantity, &Quantity),
) -> Result<Val<'v>, Fault> {
    let (amount, other) = match args {
        [Val::Opaque(Opaque::Quantity(amount)), Val::Opaque(Opaque::Quantity(other))] => {
            (amount, (**other).clone())
        }
        [Val::Opaque(Opaque::Quantity(amount)), Val::Int(other)] => {
            (amount, Quantity::new(*other, Format::DecimalExponent))
        }
        _ => return Err(Fault::Arguments),
    };
    let mut result = (**amount).clone();
    with(&mut result, &other);
    Ok(quantity(result))
}
