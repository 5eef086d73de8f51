//! Text: the standard functions and version 2 of the strings extension. Positions count code points.

use super::Native;
use crate::error::Fault;
use crate::meter::{MAKE, Meter};
use crate::value::{Val, short};

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "contains" => |args, meter| test(args, meter, |text, part| text.contains(part)),
        "startsWith" => |args, meter| test(args, meter, |text, part| text.starts_with(part)),
        "endsWith" => |args, meter| test(args, meter, |text, part| text.ends_with(part)),
        "charAt" => char_at,
        "lowerAscii" => |args, meter| change(args, meter, str::to_ascii_lowercase),
        "upperAscii" => |args, meter| change(args, meter, str::to_ascii_uppercase),
        "trim" => |args, meter| change(args, meter, |text| text.trim().to_owned()),
        "jsonpatch.escapeKey" => {
            |args, meter| change(args, meter, |text| text.replace('~', "~0").replace('/', "~1"))
        }
        "strings.quote" => |args, meter| change(args, meter, quote),
        "replace" => replace,
        "split" => split,
        "substring" => substring,
        "join" => join,
        "format" => super::format::format,
        _ => return None,
    })
}

fn test<'v>(args: &[Val<'v>], meter: &mut Meter, holds: fn(&str, &str) -> bool) -> Result<Val<'v>, Fault> {
    match args {
        [Val::String(text), Val::String(part)] => {
            meter.work_of(text.as_str().len(), 1)?;
            Ok(Val::Bool(holds(text.as_str(), part.as_str())))
        }
        _ => Err(Fault::Bare),
    }
}

fn change<'v>(args: &[Val<'v>], meter: &mut Meter, with: fn(&str) -> String) -> Result<Val<'v>, Fault> {
    match args {
        [Val::String(text)] => {
            meter.work_of(text.as_str().len(), 2)?;
            Ok(Val::text(with(text.as_str())))
        }
        _ => Err(Fault::Arguments),
    }
}

fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn out_of_range(index: i64) -> Fault {
    Fault::new(format!("index out of range: {index}"))
}

/// The octet at which a code point starts; the end counts as one.
fn octet(text: &str, index: i64) -> Result<usize, Fault> {
    let index_of = usize::try_from(index).map_err(|_| out_of_range(index))?;
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts.nth(index_of).ok_or_else(|| out_of_range(index))
}

fn int<'v>(value: usize) -> Val<'v> {
    Val::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn char_at<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::String(text), Val::Int(index)] = args else { return Err(Fault::Arguments) };
    meter.work_of(text.as_str().len(), 1)?;
    let start = octet(text.as_str(), *index)?;
    let found = text.as_str().get(start..).and_then(|rest| rest.chars().next());
    Ok(Val::text(found.map(String::from).unwrap_or_default()))
}

fn substring<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let (text, start, end) = match args {
        [Val::String(text), Val::Int(start)] => (text, *start, None),
        [Val::String(text), Val::Int(start), Val::Int(end)] => (text, *start, Some(*end)),
        _ => return Err(Fault::Arguments),
    };
    if let Some(end) = end.filter(|end| start > *end) {
        return Err(Fault::new(format!("invalid substring range. start: {start}, end: {end}")));
    }
    let text = text.as_str();
    meter.work_of(text.len(), 1)?;
    let from = octet(text, start)?;
    let to = end.map_or(Ok(text.len()), |end| octet(text, end))?;
    Ok(Val::text(text.get(from..to).unwrap_or_default()))
}

/// The text, what is sought in it, and where the search starts.
fn sought<'a>(args: &'a [Val<'_>]) -> Result<(&'a str, &'a str, Option<i64>), Fault> {
    match args {
        [Val::String(text), Val::String(part)] => Ok((text.as_str(), part.as_str(), None)),
        [Val::String(text), Val::String(part), Val::Int(from)] => {
            Ok((text.as_str(), part.as_str(), Some(*from)))
        }
        _ => Err(Fault::Arguments),
    }
}

/// The code points before an octet.
fn place<'v>(text: &str, at: Option<usize>) -> Val<'v> {
    match at.and_then(|at| text.get(..at)) {
        Some(before) => int(before.chars().count()),
        None => Val::Int(-1),
    }
}

pub(super) fn index_of<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let (text, part, from) = sought(args)?;
    let from = from.unwrap_or_default();
    meter.work_of(text.len(), 2)?;
    if part.is_empty() {
        return Ok(Val::Int(from));
    }
    if from < 0 {
        return Err(out_of_range(from));
    }
    let Ok(start) = octet(text, from) else { return Ok(Val::Int(-1)) };
    let found = text.get(start..).and_then(|rest| rest.find(part)).map(|at| at + start);
    Ok(place(text, found))
}

pub(super) fn last_index_of<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let (text, part, from) = sought(args)?;
    meter.work_of(text.len(), 2)?;
    let length = text.chars().count();
    let Some(from) = from else {
        return Ok(if part.is_empty() { int(length) } else { place(text, text.rfind(part)) });
    };
    if part.is_empty() {
        return Ok(Val::Int(from));
    }
    if from < 0 {
        return Err(out_of_range(from));
    }
    if usize::try_from(from).map_or(true, |from| from >= length) {
        return Ok(Val::Int(-1));
    }
    let end = octet(text, from)?.saturating_add(part.len()).min(text.len());
    let end = (end..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
    Ok(place(text, text.get(..end).and_then(|head| head.rfind(part))))
}

fn replace<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let (text, old, new, count) = match args {
        [Val::String(text), Val::String(old), Val::String(new)] => (text, old, new, -1),
        [Val::String(text), Val::String(old), Val::String(new), Val::Int(count)] => (text, old, new, *count),
        _ => return Err(Fault::Arguments),
    };
    let (text, old, new) = (text.as_str(), old.as_str(), new.as_str());
    meter.work_of(text.len(), 2)?;
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let times = text.matches(old).take(most).count();
    meter.work_of(times, new.len().try_into().unwrap_or(u64::MAX))?;
    Ok(Val::text(text.replacen(old, new, times)))
}

fn split<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let (text, separator, count) = match args {
        [Val::String(text), Val::String(separator)] => (text, separator, -1),
        [Val::String(text), Val::String(separator), Val::Int(count)] => (text, separator, *count),
        _ => return Err(Fault::Arguments),
    };
    let (text, separator) = (text.as_str(), separator.as_str());
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    meter.work_of(text.len(), 2)?;
    let parts: Vec<&str> = if separator.is_empty() {
        characters(text, most)
    } else {
        meter.work_of(text.matches(separator).take(most).count(), MAKE)?;
        text.splitn(most, separator).collect()
    };
    meter.work_of(parts.len(), MAKE)?;
    Ok(Val::list(parts.into_iter().map(Val::text).collect()))
}

/// Each character; the last of so many parts is the rest.
fn characters(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        if parts.len() + 1 >= most {
            if most > 0 {
                parts.push(rest);
            }
            return parts;
        }
        let (part, after) = rest.split_at_checked(char.len_utf8()).unwrap_or((rest, ""));
        parts.push(part);
        rest = after;
    }
    parts
}

fn join<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let (list, separator) = match args {
        [Val::List(list)] => (list, ""),
        [Val::List(list), Val::String(separator)] => (list, separator.as_str()),
        _ => return Err(Fault::Arguments),
    };
    let mut out = String::new();
    for (index, value) in list.iter().enumerate() {
        let value = value?;
        let Val::String(text) = &value else {
            let only = Fault::new(format!("join: invalid input: {}", short(&value)));
            return Err(if index == 0 { Fault::Arguments } else { only });
        };
        let separator = if index == 0 { "" } else { separator };
        meter.work_of(separator.len().saturating_add(text.as_str().len()), 1)?;
        out.push_str(separator);
        out.push_str(text.as_str());
    }
    Ok(Val::text(out))
}
