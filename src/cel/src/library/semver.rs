//! Versions: major, minor, patch, and what stands behind `-` and `+`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::Native;
use super::format::go_quoted;
use crate::error::Fault;
use crate::meter::Meter;
use crate::value::{Opaque, Val};

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Semver {
    numbers: [u64; 3],
    pre: Vec<Part>,
    build: Vec<String>,
}

/// A part of what stands behind `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Number(u64),
    Text(String),
}

impl Semver {
    /// Which version comes first; what stands behind `+` does not count.
    pub(crate) fn precedence(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.cmp(&other.numbers);
        numbers.then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.pre.cmp(&other.pre),
        })
    }
}

impl Ord for Part {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Semver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(out, "{major}.{minor}.{patch}")?;
        for (index, part) in self.pre.iter().enumerate() {
            out.write_str(if index == 0 { "-" } else { "." })?;
            match part {
                Part::Number(number) => write!(out, "{number}")?,
                Part::Text(text) => out.write_str(text)?,
            }
        }
        let build = self.build.join(".");
        if build.is_empty() { Ok(()) } else { write!(out, "+{build}") }
    }
}

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "semver" => |args, _| read(args).and_then(|version| version.map(semver).map_err(Fault::new)),
        "isSemver" => |args, _| read(args).map(|version| Val::Bool(version.is_ok())),
        "major" => |args, meter| number(args, meter, 0),
        "minor" => |args, meter| number(args, meter, 1),
        "patch" => |args, meter| number(args, meter, 2),
        _ => return None,
    })
}

fn semver<'v>(version: Semver) -> Val<'v> {
    Val::Opaque(Opaque::Semver(Arc::new(version)))
}

fn read(args: &[Val<'_>]) -> Result<Result<Semver, String>, Fault> {
    match args {
        [Val::String(text)] | [Val::String(text), Val::Bool(false)] => Ok(parse(text.as_str())),
        [Val::String(text), Val::Bool(true)] => Ok(normalize(text.as_str()).and_then(|text| parse(&text))),
        _ => Err(Fault::Arguments),
    }
}

fn number<'v>(args: &[Val<'v>], _: &mut Meter, index: usize) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Semver(version))] => {
            let number = version.numbers.get(index).copied().unwrap_or_default();
            Ok(Val::Int(i64::try_from(number).unwrap_or(i64::MAX)))
        }
        _ => Err(Fault::Arguments),
    }
}

/// Takes away a leading `v` and leading zeros, and fills in missing numbers.
fn normalize(text: &str) -> Result<String, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
    if parts.len() < 3 {
        if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return Err("short version cannot contain PreRelease/Build meta data".to_owned());
        }
        parts.resize(3, "0".to_owned());
    }
    Ok(parts.join("."))
}

fn without_zeros(part: &str) -> String {
    if part.len() <= 1 {
        return part.to_owned();
    }
    let short = part.trim_start_matches('0');
    if short.starts_with(|char: char| char.is_ascii_digit()) { short.to_owned() } else { format!("0{short}") }
}

fn parse(text: &str) -> Result<Semver, String> {
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let mut parts = text.splitn(3, '.');
    let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let major = digits("major", "Major", major)?;
    let minor = digits("minor", "Minor", minor)?;
    let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
    let (patch, pre) = rest.split_once('-').map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
    let patch = digits("patch", "Patch", patch)?;
    let pre = pre.map_or(Ok(Vec::new()), |pre| pre.split('.').map(part).collect())?;
    let build = build.map_or(Ok(Vec::new()), |build| build.split('.').map(meta).collect())?;
    Ok(Semver { numbers: [major, minor, patch], pre, build })
}

fn digits(name: &str, title: &str, text: &str) -> Result<u64, String> {
    if !text.chars().all(|char| char.is_ascii_digit()) {
        return Err(format!("Invalid character(s) found in {name} number {}", go_quoted(text)));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("{title} number must not contain leading zeroes {}", go_quoted(text)));
    }
    let what = if text.is_empty() { "invalid syntax" } else { "value out of range" };
    text.parse().map_err(|_| format!("strconv.ParseUint: parsing {}: {what}", go_quoted(text)))
}

fn is_identifier(text: &str) -> bool {
    text.chars().all(|char| char.is_ascii_alphanumeric() || char == '-')
}

fn part(text: &str) -> Result<Part, String> {
    if text.is_empty() {
        return Err("Prerelease is empty".to_owned());
    }
    if text.chars().all(|char| char.is_ascii_digit()) {
        if text.len() > 1 && text.starts_with('0') {
            let quoted = go_quoted(text);
            return Err(format!("Numeric PreRelease version must not contain leading zeroes {quoted}"));
        }
        return match text.parse() {
            Ok(number) => Ok(Part::Number(number)),
            Err(_) => Err(format!("strconv.ParseUint: parsing {}: value out of range", go_quoted(text))),
        };
    }
    if is_identifier(text) {
        return Ok(Part::Text(text.to_owned()));
    }
    Err(format!("Invalid character(s) found in prerelease {}", go_quoted(text)))
}

fn meta(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("Build meta data is empty".to_owned());
    }
    if is_identifier(text) {
        return Ok(text.to_owned());
    }
    Err(format!("Invalid character(s) found in build meta data {}", go_quoted(text)))
}
