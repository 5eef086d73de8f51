//! Patterns as Go reads them (RE2), in the words of the `regex` crate.
//!
//! The two languages are close, but not the same: Go's `\d`, `\s`, `\w` and `\b` know ASCII only, `\Q…\E`
//! quotes, brackets have no set operations, and some escapes differ. Mistakes have Go's words.

mod class;

use std::collections::HashSet;
use std::fmt::Write as _;

/// The largest number of repetitions, also of repetitions in each other.
const MAX_REPEAT: usize = 1_000;
/// How deeply groups may lie in each other.
const MAX_DEPTH: usize = 200;

/// What is wrong with a pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("error parsing regexp: {what}: `{part}`")]
pub struct BadPattern {
    what: &'static str,
    part: String,
}

/// Translates a pattern. What names an unknown class of characters is left for the other side to refuse.
pub fn translate(pattern: &str) -> Result<String, BadPattern> {
    let mut parser = Parser {
        text: pattern,
        at: 0,
        out: String::with_capacity(pattern.len() + 8),
        groups: Vec::new(),
        level: 1,
        last: None,
        names: HashSet::new(),
    };
    parser.pattern()?;
    Ok(parser.out)
}

struct Parser<'p> {
    text: &'p str,
    at: usize,
    out: String,
    /// For each open group, how often its surroundings repeat something so far.
    groups: Vec<usize>,
    /// The same for the level being read.
    level: usize,
    /// How often the last item repeats something; `None` where there is nothing to repeat.
    last: Option<usize>,
    names: HashSet<&'p str>,
}

impl<'p> Parser<'p> {
    fn pattern(&mut self) -> Result<(), BadPattern> {
        let mut repeated = None;
        while let Some(c) = self.rest().chars().next() {
            let start = self.at;
            match c {
                '*' | '+' | '?' => {
                    self.at += 1;
                    self.out.push(c);
                    self.repeat(start, repeated, None)?;
                    repeated = Some(repeated.unwrap_or(start));
                    continue;
                }
                '{' => {
                    if let Some((min, max)) = self.counts() {
                        self.counted(start, min, max)?;
                        self.repeat(start, repeated, Some((min, max)))?;
                        repeated = Some(repeated.unwrap_or(start));
                        continue;
                    }
                    self.at += 1;
                    self.literal(c);
                }
                _ => self.item(c)?,
            }
            repeated = None;
        }
        if self.groups.is_empty() { Ok(()) } else { Err(bad("missing closing )", self.text)) }
    }

    fn item(&mut self, c: char) -> Result<(), BadPattern> {
        match c {
            '(' => return self.open(),
            ')' => {
                let Some(outer) = self.groups.pop() else { return Err(bad("unexpected )", self.text)) };
                self.at += 1;
                self.out.push(')');
                let inner = std::mem::replace(&mut self.level, outer);
                self.done(inner);
            }
            '|' => {
                self.at += 1;
                self.out.push('|');
                self.last = None;
            }
            '^' | '$' | '.' => {
                self.at += 1;
                self.out.push(c);
                self.done(1);
            }
            '[' => {
                self.class()?;
                self.done(1);
            }
            '\\' => self.escape()?,
            c => {
                self.at += c.len_utf8();
                self.literal(c);
            }
        }
        Ok(())
    }

    fn rest(&self) -> &'p str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'p str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// An item that repeats something so often has been read.
    fn done(&mut self, repeats: usize) {
        self.last = Some(repeats);
        self.level = self.level.max(repeats);
    }

    fn literal(&mut self, c: char) {
        push(&mut self.out, u32::from(c));
        self.done(1);
    }

    /// `{2}`, `{2,}`, `{2,3}`; anything else in braces stands for itself.
    fn counts(&self) -> Option<(usize, Option<usize>)> {
        let (inner, _) = self.rest().strip_prefix('{')?.split_once('}')?;
        let number = |text: &str| {
            let plain = !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text.len() == 1 || !text.starts_with('0'));
            // What has more digits than a number has room for is too large as well.
            plain.then(|| text.parse().unwrap_or(usize::MAX))
        };
        match inner.split_once(',') {
            None => number(inner).map(|min| (min, Some(min))),
            Some((min, "")) => number(min).map(|min| (min, None)),
            Some((min, max)) => Some((number(min)?, Some(number(max)?))),
        }
    }

    fn counted(&mut self, start: usize, min: usize, max: Option<usize>) -> Result<(), BadPattern> {
        self.at += self.rest().find('}').map_or(0, |end| end + 1);
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || min > max) {
            return Err(bad("invalid repeat count", self.since(start)));
        }
        let text = self.since(start);
        self.out.push_str(text);
        Ok(())
    }

    /// An operator that repeats the last item has been read; a question mark may follow it.
    fn repeat(
        &mut self,
        start: usize,
        repeated: Option<usize>,
        counts: Option<(usize, Option<usize>)>,
    ) -> Result<(), BadPattern> {
        if self.rest().starts_with('?') {
            self.at += 1;
            self.out.push('?');
        }
        if let Some(first) = repeated {
            return Err(bad("invalid nested repetition operator", self.since(first)));
        }
        let Some(last) = self.last else {
            return Err(bad("missing argument to repetition operator", self.since(start)));
        };
        let times = counts.map_or(1, |(min, max)| max.unwrap_or(min).max(1));
        let total = last.saturating_mul(times);
        if times >= 2 && total > MAX_REPEAT {
            return Err(bad("invalid repeat count", self.since(start)));
        }
        self.done(total);
        Ok(())
    }

    fn open(&mut self) -> Result<(), BadPattern> {
        if self.groups.len() >= MAX_DEPTH {
            return Err(bad("expression nests too deeply", self.text));
        }
        let rest = self.rest();
        if let Some(named) = rest.strip_prefix("(?P<").or_else(|| rest.strip_prefix("(?<")) {
            self.named(named)?;
        } else if rest.starts_with("(?") {
            return self.flags();
        } else {
            self.at += 1;
            self.out.push('(');
        }
        self.enter();
        Ok(())
    }

    fn enter(&mut self) {
        self.groups.push(self.level);
        self.level = 1;
        self.last = None;
    }

    fn named(&mut self, named: &'p str) -> Result<(), BadPattern> {
        let Some((name, after)) = named.split_once('>') else {
            return Err(bad("invalid named capture", self.rest()));
        };
        let start = self.at;
        self.at = self.text.len() - after.len();
        if name.is_empty() || !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
            return Err(bad("invalid named capture", self.since(start)));
        }
        // Names that start with a digit, or are there twice, are no names on the other side.
        if !name.starts_with(|c: char| c.is_ascii_digit()) && self.names.insert(name) {
            let _infallible = write!(self.out, "(?P<{name}>");
        } else {
            self.out.push('(');
        }
        Ok(())
    }

    /// `(?i:` opens a group, `(?i)` does not.
    fn flags(&mut self) -> Result<(), BadPattern> {
        let start = self.at;
        self.at += 2;
        let (mut on, mut off, mut negated, mut saw) = (String::new(), String::new(), false, false);
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            match c {
                'i' | 'm' | 's' | 'U' => {
                    let (here, there) = if negated { (&mut off, &mut on) } else { (&mut on, &mut off) };
                    there.retain(|other| other != c);
                    if !here.contains(c) {
                        here.push(c);
                    }
                    saw = true;
                }
                '-' if !negated => (negated, saw) = (true, false),
                ':' | ')' if !negated || saw => {
                    self.put_flags(&on, &off, c);
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(bad("invalid or unsupported Perl syntax", self.since(start)))
    }

    fn put_flags(&mut self, on: &str, off: &str, end: char) {
        let minus = if off.is_empty() { "" } else { "-" };
        if end == ':' {
            let _infallible = write!(self.out, "(?{on}{minus}{off}:");
            self.enter();
        } else if !on.is_empty() || !off.is_empty() {
            let _infallible = write!(self.out, "(?{on}{minus}{off})");
        }
    }

    fn escape(&mut self) -> Result<(), BadPattern> {
        let rest = self.rest();
        let same = match rest.as_bytes().get(1) {
            Some(b'A') => "\\A",
            Some(b'z') => "\\z",
            Some(b'b') => "(?-u:\\b)",
            Some(b'B') => "(?-u:\\B)",
            Some(b'C') => {
                self.at += 2;
                return Err(bad("invalid escape sequence", rest.get(..2).unwrap_or_default()));
            }
            Some(b'Q') => {
                self.at += 2;
                self.quoted();
                return Ok(());
            }
            _ => "",
        };
        if !same.is_empty() {
            self.at += 2;
            self.out.push_str(same);
            self.done(1);
            return Ok(());
        }
        if self.named_class()? {
            self.done(1);
            return Ok(());
        }
        let code = self.escaped()?;
        push(&mut self.out, code);
        self.done(1);
        Ok(())
    }

    fn quoted(&mut self) {
        let (text, length) = match self.rest().split_once("\\E") {
            Some((text, _)) => (text, text.len() + 2),
            None => (self.rest(), self.rest().len()),
        };
        text.chars().for_each(|c| self.literal(c));
        self.at += length;
    }
}

/// Writes a character that stands for itself, in brackets as outside of them. Halves of surrogate pairs
/// stand for nothing.
fn push(out: &mut String, code: u32) {
    match char::from_u32(code) {
        Some(c) if c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii() => out.push(c),
        Some(_) => {
            let _infallible = write!(out, "\\x{{{code:x}}}");
        }
        None => out.push_str(NOTHING),
    }
}

/// A class without characters.
const NOTHING: &str = "[^\\x{0}-\\x{10ffff}]";

fn bad(what: &'static str, part: &str) -> BadPattern {
    BadPattern { what, part: part.to_owned() }
}

#[cfg(test)]
mod tests;
