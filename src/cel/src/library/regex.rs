//! Regular expressions. They run in time linear in the text; their compiled size is bounded.

use portcullis_api::re2;
use regex::{Regex, RegexBuilder};

use super::Native;
use crate::error::Fault;
use crate::meter::{MAKE, Meter};
use crate::value::Val;

/// What a compiled expression may take.
const LARGEST: usize = 1 << 20;
/// What matching may cache.
const CACHE: usize = 1 << 18;

/// Compiles an expression, or says in Go's words why not.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = re2::translate(pattern).map_err(|bad| bad.to_string())?;
    let built = RegexBuilder::new(&translated).size_limit(LARGEST).dfa_size_limit(CACHE).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("error parsing regexp: expression too large: `{pattern}`"),
        _ => format!("error parsing regexp: invalid character class range: `{pattern}`"),
    })
}

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "matches" => |args, meter| match args {
            [Val::String(text), Val::String(pattern)] => {
                let regex = dynamic(pattern.as_str(), meter).map_err(Fault::new)?;
                matches(&regex, text.as_str(), meter)
            }
            _ => Err(Fault::Bare),
        },
        "find" | "findAll" => {
            return Some(if name == "find" { find_first } else { find_all });
        }
        _ => return None,
    })
}

/// What a function does with a compiled expression.
pub(crate) fn compiled<'v>(
    name: &str,
    regex: &Regex,
    args: &[Val<'v>],
    meter: &mut Meter,
) -> Result<Val<'v>, Fault> {
    match (name, args) {
        ("matches", [Val::String(text), _]) => matches(regex, text.as_str(), meter),
        ("find", [Val::String(text), _]) => first(regex, text.as_str(), meter),
        ("findAll", [Val::String(text), _]) => all(regex, text.as_str(), -1, meter),
        ("findAll", [Val::String(text), _, Val::Int(most)]) => all(regex, text.as_str(), *most, meter),
        ("matches", _) => Err(Fault::Bare),
        _ => Err(Fault::Arguments),
    }
}

fn dynamic(pattern: &str, meter: &mut Meter) -> Result<Regex, String> {
    let spent = meter.work_of(pattern.len(), 1_000);
    spent.map_err(|_| "expression is too large".to_owned())?;
    compile(pattern)
}

fn illegal(pattern: &str, meter: &mut Meter) -> Result<Regex, Fault> {
    dynamic(pattern, meter).map_err(|error| Fault::new(format!("Illegal regex: {error}")))
}

fn find_first<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::String(text), Val::String(pattern)] => {
            let regex = illegal(pattern.as_str(), meter)?;
            first(&regex, text.as_str(), meter)
        }
        _ => Err(Fault::Arguments),
    }
}

fn find_all<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let (text, pattern, most) = match args {
        [Val::String(text), Val::String(pattern)] => (text, pattern, -1),
        [Val::String(text), Val::String(pattern), Val::Int(most)] => (text, pattern, *most),
        _ => return Err(Fault::Arguments),
    };
    let regex = illegal(pattern.as_str(), meter)?;
    all(&regex, text.as_str(), most, meter)
}

/// Matching touches each octet; an expression that needs more steps is bounded by its size.
fn matches<'v>(regex: &Regex, text: &str, meter: &mut Meter) -> Result<Val<'v>, Fault> {
    meter.work_of(text.len(), 2)?;
    Ok(Val::Bool(regex.is_match(text)))
}

fn first<'v>(regex: &Regex, text: &str, meter: &mut Meter) -> Result<Val<'v>, Fault> {
    meter.work_of(text.len(), 4)?;
    Ok(Val::text(regex.find(text).map_or("", |found| found.as_str())))
}

fn all<'v>(regex: &Regex, text: &str, most: i64, meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for part in regex.find_iter(text).take(most) {
        meter.work_of(part.as_str().len(), 4)?;
        meter.work(MAKE)?;
        found.push(Val::text(part.as_str()));
    }
    Ok(Val::list(found))
}
