//! Classes of characters and escapes.

use std::fmt::Write as _;

use super::{BadPattern, NOTHING, Parser, bad, push};

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

impl Parser<'_> {
    /// `[a-z]`
    pub(super) fn class(&mut self) -> Result<(), BadPattern> {
        let start = self.at;
        self.at += 1;
        self.out.push('[');
        if self.rest().starts_with('^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        while first || !self.rest().starts_with(']') {
            first = false;
            if self.posix()? || (self.rest().starts_with('\\') && self.named_class()?) {
                continue;
            }
            self.range(start)?;
        }
        self.at += 1;
        self.out.push(']');
        Ok(())
    }

    /// A character or a range of them, in the class that starts at `class`.
    fn range(&mut self, class: usize) -> Result<(), BadPattern> {
        let start = self.at;
        let low = self.class_char(class)?;
        let mut high = low;
        let is_range =
            self.rest().strip_prefix('-').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(']'));
        if is_range {
            self.at += 1;
            high = self.class_char(class)?;
            if high < low {
                return Err(bad("invalid character class range", self.since(start)));
            }
        }
        // Halves of surrogate pairs are no characters.
        let is_half = |code: u32| (0xd800..0xe000).contains(&code);
        let (low, high) =
            (if is_half(low) { 0xe000 } else { low }, if is_half(high) { 0xd7ff } else { high });
        if low <= high {
            push(&mut self.out, low);
            if low < high {
                self.out.push('-');
                push(&mut self.out, high);
            }
        } else {
            self.out.push_str(NOTHING);
        }
        Ok(())
    }

    fn class_char(&mut self, class: usize) -> Result<u32, BadPattern> {
        match self.rest().chars().next() {
            None => Err(bad("missing closing ]", self.text.get(class..).unwrap_or_default())),
            Some('\\') => self.escaped(),
            Some(c) => {
                self.at += c.len_utf8();
                Ok(u32::from(c))
            }
        }
    }

    /// `[:alpha:]`, if there is one here.
    fn posix(&mut self) -> Result<bool, BadPattern> {
        let Some((name, _)) = self.rest().strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else {
            return Ok(false);
        };
        let whole = self.rest().get(..name.len() + 4).unwrap_or_default();
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(bad("invalid character class range", whole));
        }
        self.at += whole.len();
        self.out.push_str(whole);
        Ok(true)
    }

    /// `\d`, `\pL`, `\p{Greek}`, if there is one here.
    pub(super) fn named_class(&mut self) -> Result<bool, BadPattern> {
        let rest = self.rest();
        let ascii = match rest.as_bytes().get(1) {
            Some(b'd') => "[0-9]",
            Some(b'D') => "[^0-9]",
            Some(b's') => "[\\t\\n\\x0c\\r ]",
            Some(b'S') => "[^\\t\\n\\x0c\\r ]",
            Some(b'w') => "[0-9A-Za-z_]",
            Some(b'W') => "[^0-9A-Za-z_]",
            Some(sign @ (b'p' | b'P')) => return self.unicode(*sign == b'P').map(|()| true),
            _ => return Ok(false),
        };
        self.at += 2;
        self.out.push_str(ascii);
        Ok(true)
    }

    fn unicode(&mut self, mut negated: bool) -> Result<(), BadPattern> {
        let rest = self.rest();
        let after = rest.get(2..).unwrap_or_default();
        let (name, length) = match after.strip_prefix('{') {
            Some(inner) => {
                let name = inner.split_once('}').map(|(name, _)| name);
                let name = name.ok_or_else(|| bad("invalid character class range", rest))?;
                (name, name.len() + 4)
            }
            None => {
                let length = after.chars().next().map_or(0, char::len_utf8);
                (after.get(..length).unwrap_or_default(), 2 + length)
            }
        };
        let whole = rest.get(..length).unwrap_or(rest);
        self.at += whole.len();
        let plain = match name.strip_prefix('^') {
            Some(name) => {
                negated = !negated;
                name
            }
            None => name,
        };
        if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(bad("invalid character class range", whole));
        }
        let letter = if negated { 'P' } else { 'p' };
        let _infallible = write!(self.out, "\\{letter}{{{plain}}}");
        Ok(())
    }

    /// Reads an escape that stands for one character.
    pub(super) fn escaped(&mut self) -> Result<u32, BadPattern> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.rest().chars().next() else {
            return Err(bad("trailing backslash at end of expression", ""));
        };
        self.at += c.len_utf8();
        let octal = |parser: &Self| parser.rest().starts_with(|c: char| c.is_digit(8));
        let code = match c {
            '1'..='7' if !octal(self) => None,
            '0'..='7' => Some(self.octal(c)),
            'x' => self.hexadecimal(),
            'a' => Some(0x07),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        code.ok_or_else(|| bad("invalid escape sequence", self.since(start)))
    }

    fn octal(&mut self, first: char) -> u32 {
        let mut code = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.rest().chars().next().and_then(|c| c.to_digit(8)) else { break };
            self.at += 1;
            code = code * 8 + digit;
        }
        code
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        if !self.rest().starts_with('{') {
            let mut code = 0;
            for _ in 0..2 {
                let c = self.rest().chars().next()?;
                self.at += c.len_utf8();
                code = code * 16 + c.to_digit(16)?;
            }
            return Some(code);
        }
        self.at += 1;
        let (mut code, mut digits) = (0_u32, 0);
        loop {
            let c = self.rest().chars().next()?;
            self.at += c.len_utf8();
            if c == '}' {
                return (digits > 0).then_some(code);
            }
            code = code * 16 + c.to_digit(16)?;
            digits += 1;
            if code > 0x10_ffff {
                return None;
            }
        }
    }
}
