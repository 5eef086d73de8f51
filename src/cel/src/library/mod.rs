//! The functions of the standard and of Kubernetes' libraries.
//!
//! A function looks at the values it is given: what the checker let through as `dyn` may be anything. What it does not know
//! is [`Fault::Arguments`]. Functions whose result can be much larger than what they are given pay for it before
//! they make it.

mod authz;
mod convert;
mod format;
mod lists;
mod names;
mod net;
mod operators;
mod optional;
mod quantity;
mod regex;
mod semver;
mod sets;
mod strings;
pub(crate) mod time;
mod url;

pub use authz::{Authorizer, Check, Decision, Question};
pub(crate) use convert::is_conversion;
pub(crate) use format::{Clause, clauses, refusal};
pub use names::NamedFormat;
pub(crate) use names::constant;
pub use net::Cidr;
pub(crate) use operators::contains;
pub(crate) use regex::{compile as compile_regex, compiled as compiled_regex};
pub use semver::Semver;
pub use time::Moment;
pub use url::Url;

use crate::error::Fault;
use crate::meter::Meter;
use crate::value::{Opaque, Val};

/// What evaluates a function.
pub(crate) type Native = for<'v> fn(&[Val<'v>], &mut Meter) -> Result<Val<'v>, Fault>;

/// What evaluates the function of this name, its target being the first argument.
pub(crate) fn native(name: &str) -> Option<Native> {
    let finders = [
        operators::find,
        convert::find,
        strings::find,
        lists::find,
        sets::find,
        regex::find,
        time::find,
        url::find,
        quantity::find,
        net::find,
        semver::find,
        names::find,
        optional::find,
        authz::find,
        shared,
    ];
    finders.into_iter().find_map(|find| find(name))
}

/// Functions that several libraries have.
fn shared(name: &str) -> Option<Native> {
    Some(match name {
        "size" => size,
        "indexOf" => |args, meter| match args {
            [Val::List(_), ..] => lists::index_of(args, meter),
            _ => strings::index_of(args, meter),
        },
        "lastIndexOf" => |args, meter| match args {
            [Val::List(_), ..] => lists::last_index_of(args, meter),
            _ => strings::last_index_of(args, meter),
        },
        "isGreaterThan" => |args, _| ordered(args, |order| Val::Bool(order.is_gt())),
        "isLessThan" => |args, _| ordered(args, |order| Val::Bool(order.is_lt())),
        "compareTo" => |args, _| ordered(args, |order| Val::Int(order as i64)),
        "ip" => net::ip,
        _ => return None,
    })
}

fn size<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [value @ (Val::String(_) | Val::Bytes(_) | Val::List(_) | Val::Map(_))] => {
            if let Val::String(text) = value {
                meter.work_of(text.as_str().len() / 8, 1)?;
            }
            Ok(Val::Int(i64::try_from(value.size()).unwrap_or(i64::MAX)))
        }
        _ => Err(Fault::new("no such overload: size")),
    }
}

fn ordered<'v>(args: &[Val<'v>], tell: fn(std::cmp::Ordering) -> Val<'v>) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Quantity(one)), Val::Opaque(Opaque::Quantity(other))] => {
            Ok(tell(one.cmp(other)))
        }
        [Val::Opaque(Opaque::Semver(one)), Val::Opaque(Opaque::Semver(other))] => {
            Ok(tell(one.precedence(other)))
        }
        _ => Err(Fault::Arguments),
    }
}
