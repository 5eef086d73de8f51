//! `format`: values put into a text in place of its clauses.

use crate::error::Fault;
use crate::meter::Meter;
use crate::types::Type;
use crate::value::{List, Map, Val};

/// The most digits behind the point.
const MOST_DIGITS: usize = 1_000;

/// What stands in a text to be formatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clause {
    String,
    Decimal,
    Fixed(usize),
    Scientific(usize),
    Binary,
    Hex { upper: bool },
    Octal,
}

/// A part of a text to be formatted: as it is, or a clause.
pub(crate) type Part<'t> = Result<&'t str, Clause>;

/// The parts of a text with so many arguments, as far as it makes sense, and what is wrong with it then.
pub(crate) fn clauses(text: &str, args: usize) -> (Vec<Part<'_>>, Option<String>) {
    let mut parts = Vec::new();
    let error = read(text, args, &mut parts).err();
    (parts, error)
}

fn read<'t>(text: &'t str, args: usize, parts: &mut Vec<Part<'t>>) -> Result<(), String> {
    let (mut rest, mut used) = (text, 0);
    while let Some((before, after)) = rest.split_once('%') {
        parts.push(Ok(before));
        if let Some(after) = after.strip_prefix('%') {
            parts.push(Ok("%"));
            rest = after;
            continue;
        }
        if used >= args {
            return Err(format!("index {used} out of range"));
        }
        if after.is_empty() {
            return Err("unexpected end of string".to_owned());
        }
        let (clause, after) =
            clause(after).map_err(|error| format!("could not parse formatting clause: {error}"))?;
        parts.push(Err(clause));
        used += 1;
        rest = after;
    }
    parts.push(Ok(rest));
    Ok(())
}

fn clause(text: &str) -> Result<(Clause, &str), String> {
    let (digits, rest) = match text.strip_prefix('.') {
        None => (6, text),
        Some(after) => {
            let end = after
                .find(|char: char| !char.is_ascii_digit())
                .ok_or("error while parsing precision: could not find end of precision specifier")?;
            let (digits, rest) = after.split_at_checked(end).unwrap_or(("", after));
            (precision(digits)?, rest)
        }
    };
    let kind = rest.chars().next().unwrap_or_default();
    let found = match kind {
        's' => Clause::String,
        'd' => Clause::Decimal,
        'f' => Clause::Fixed(digits),
        'e' => Clause::Scientific(digits),
        'b' => Clause::Binary,
        'x' | 'X' => Clause::Hex { upper: kind == 'X' },
        'o' => Clause::Octal,
        other => return Err(format!("unrecognized formatting clause \"{other}\"")),
    };
    Ok((found, rest.get(kind.len_utf8()..).unwrap_or_default()))
}

fn precision(digits: &str) -> Result<usize, String> {
    let wrong = |what: &str| {
        format!(
            "error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing {digits:?}: {what}"
        )
    };
    if digits.is_empty() {
        return Err(wrong("invalid syntax"));
    }
    digits.parse().ok().filter(|digits| *digits <= MOST_DIGITS).ok_or_else(|| wrong("value out of range"))
}

/// What a clause says to a value of a type it is not for.
pub(crate) fn refusal(clause: Clause, kind: &Type) -> String {
    let what = match clause {
        Clause::String => {
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
        }
        Clause::Decimal => "decimal clause can only be used on integers",
        Clause::Fixed(_) => "fixed-point clause can only be used on doubles",
        Clause::Scientific(_) => "scientific clause can only be used on doubles",
        Clause::Binary => "only integers and bools can be formatted as binary",
        Clause::Hex { .. } => "only integers, byte buffers, and strings can be formatted as hex",
        Clause::Octal => "octal clause can only be used on integers",
    };
    format!("error during formatting: {what}, was given {}", kind.name())
}

pub(super) fn format<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::String(text), Val::List(values)] = args else { return Err(Fault::Arguments) };
    let (parts, error) = clauses(text.as_str(), values.len());
    let mut values = values.iter();
    let mut out = Writer { text: String::new(), meter };
    for part in parts {
        match part {
            Ok(text) => out.put(text)?,
            Err(clause) => match values.next() {
                Some(value) => out.clause(clause, &value?)?,
                None => return Err(Fault::Arguments),
            },
        }
    }
    match error {
        Some(error) => Err(Fault::new(error)),
        None => Ok(Val::text(out.text)),
    }
}

struct Writer<'m> {
    text: String,
    meter: &'m mut Meter,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) -> Result<(), Fault> {
        self.meter.work_of(text.len(), 1)?;
        self.text.push_str(text);
        Ok(())
    }

    fn clause(&mut self, clause: Clause, value: &Val<'_>) -> Result<(), Fault> {
        let refused = || Fault::new(refusal(clause, &value.kind()));
        match (clause, value) {
            (Clause::String, value) => self.value(value, false),
            (Clause::Decimal, Val::Int(_) | Val::Uint(_)) => self.put(&value.to_string()),
            (Clause::Fixed(digits), value) => self.put(&fixed(double(value).ok_or_else(refused)?, digits)),
            (Clause::Scientific(digits), value) => {
                self.put(&scientific(double(value).ok_or_else(refused)?, digits))
            }
            (Clause::Binary, Val::Bool(value)) => self.put(if *value { "1" } else { "0" }),
            (Clause::Binary, value) => {
                self.put(&radix(value, |value| format!("{value:b}")).ok_or_else(refused)?)
            }
            (Clause::Octal, value) => {
                self.put(&radix(value, |value| format!("{value:o}")).ok_or_else(refused)?)
            }
            (Clause::Hex { upper }, value) => {
                let text = match value {
                    Val::String(text) => octets(text.as_str().as_bytes(), self.meter)?,
                    Val::Bytes(bytes) => octets(bytes, self.meter)?,
                    value => radix(value, |value| format!("{value:x}")).ok_or_else(refused)?,
                };
                self.put(&if upper { text.to_ascii_uppercase() } else { text })
            }
            _ => Err(refused()),
        }
    }

    /// A value as text; inside lists and maps as an expression would spell it.
    fn value(&mut self, value: &Val<'_>, inside: bool) -> Result<(), Fault> {
        match value {
            Val::List(list) => self.list(list),
            Val::Map(map) => self.map(map),
            Val::String(text) if inside => {
                self.meter.work_of(text.as_str().len(), 1)?;
                self.put(&go_quoted(text.as_str()))
            }
            Val::String(text) => self.put(text.as_str()),
            Val::Bytes(bytes) => {
                self.meter.work_of(bytes.len(), 1)?;
                let text = String::from_utf8_lossy(bytes);
                if inside { self.put(&format!("b{}", go_quoted(&text))) } else { self.put(&text) }
            }
            Val::Timestamp(_) if inside => self.put(&format!("timestamp(\"{value}\")")),
            Val::Duration(_) if inside => self.put(&format!("duration(\"{value}\")")),
            Val::Double(number) if inside => {
                let text = plain(*number, 6);
                self.put(&if number.is_finite() { text } else { format!("\"{text}\"") })
            }
            Val::Null | Val::Bool(_) | Val::Int(_) | Val::Uint(_) | Val::Double(_) => {
                self.put(&value.to_string())
            }
            Val::Timestamp(_) | Val::Duration(_) | Val::Type(_) => self.put(&value.to_string()),
            other if inside => {
                let kind = other.kind();
                Err(Fault::new(format!(
                    "error during formatting: no formatting function for {}",
                    kind.name()
                )))
            }
            other => Err(Fault::new(refusal(Clause::String, &other.kind()))),
        }
    }

    fn list(&mut self, list: &List<'_>) -> Result<(), Fault> {
        self.put("[")?;
        for (index, value) in list.iter().enumerate() {
            self.put(if index == 0 { "" } else { ", " })?;
            self.value(&value?, true)?;
        }
        self.put("]")
    }

    fn map(&mut self, map: &Map<'_>) -> Result<(), Fault> {
        let mut entries = Vec::new();
        for key in map.keys() {
            if !matches!(key, Val::String(_) | Val::Bool(_) | Val::Int(_) | Val::Uint(_)) {
                let kind = key.kind();
                let message = format!("no formatting function for map key of type {}", kind.name());
                return Err(Fault::new(format!("error during formatting: {message}")));
            }
            let text = if let Val::String(text) = &key { go_quoted(text.as_str()) } else { key.to_string() };
            self.meter.work_of(text.len(), 1)?;
            let value = map.find(&key).ok_or(Fault::Arguments)??;
            entries.push((text, value));
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        self.put("{")?;
        for (index, (key, value)) in entries.iter().enumerate() {
            self.put(if index == 0 { "" } else { ", " })?;
            self.put(key)?;
            self.put(":")?;
            self.value(value, true)?;
        }
        self.put("}")
    }
}

fn double(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Double(value) => Some(*value),
        Val::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// Digits without groups.
fn plain(value: f64, digits: usize) -> String {
    match (value.is_nan(), value.is_infinite()) {
        (true, _) => "NaN".to_owned(),
        (_, true) => if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        _ => format!("{value:.digits$}"),
    }
}

/// Digits in groups of three.
fn fixed(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    let text = plain(value, digits);
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => ("-", text),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
    format!("{sign}{grouped}{fraction}")
}

/// One digit, a point, and the power of ten in small digits.
fn scientific(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return fixed(value, digits);
    }
    let text = format!("{value:.digits$e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ("⁻", power),
        None => ("", power),
    };
    let small: String = format!("{power:0>2}")
        .chars()
        .filter_map(|char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(usize::try_from(char.to_digit(10)?).ok()?))
        .collect();
    format!("{mantissa}×10{sign}{small}")
}

/// A whole number to another base, with its sign.
fn radix(value: &Val<'_>, write: fn(u64) -> String) -> Option<String> {
    match value {
        Val::Int(value) => {
            let sign = if *value < 0 { "-" } else { "" };
            Some(format!("{sign}{}", write(value.unsigned_abs())))
        }
        Val::Uint(value) => Some(write(*value)),
        _ => None,
    }
}

fn octets(bytes: &[u8], meter: &mut Meter) -> Result<String, Fault> {
    use std::fmt::Write as _;
    meter.work_of(bytes.len(), 2)?;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(out, "{byte:02x}").map_err(|_| Fault::Arguments)?;
    }
    Ok(out)
}

/// Text between quotes as Go writes it.
pub(crate) fn go_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            char if char < ' ' || char == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}
