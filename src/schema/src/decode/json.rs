//! Tokens from JSON text. It accepts exactly what Go's scanner accepts.

use std::borrow::Cow;

use super::source::{Malformed, Source, Token};

/// JSON text being read.
pub(super) struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Json<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.skip_space() != Some(byte) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, Malformed> {
        let rest = self.text.get(self.at..).ok_or(Malformed)?;
        if !rest.starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(token)
    }

    fn slice(&self, from: usize, to: usize) -> Result<&'a str, Malformed> {
        self.text.get(from..to).ok_or(Malformed)
    }

    /// Reads a string whose opening quote is at the current place.
    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let start = self.at + 1;
        let end = self.plain_until(start)?;
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return self.slice(start, end).map(Cow::Borrowed);
        }
        self.escaped(start, end).map(Cow::Owned)
    }

    /// The place of the first quote or backslash; control characters may not stand before it.
    fn plain_until(&self, start: usize) -> Result<usize, Malformed> {
        let rest = self.text.as_bytes().get(start..).ok_or(Malformed)?;
        let stop = rest.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20);
        match stop.and_then(|stop| Some((stop, rest.get(stop)?))) {
            Some((stop, b'"' | b'\\')) => Ok(start + stop),
            _ => Err(Malformed),
        }
    }

    fn escaped(&mut self, start: usize, first: usize) -> Result<String, Malformed> {
        let mut text = self.slice(start, first)?.to_owned();
        self.at = first;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => {
                    let end = self.plain_until(self.at)?;
                    text.push_str(self.slice(self.at, end)?);
                    self.at = end;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let escape = self.text.as_bytes().get(self.at + 1).ok_or(Malformed)?;
        self.at += 2;
        Ok(match escape {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode_escape()?,
            _ => return Err(Malformed),
        })
    }

    /// Reads the digits of `\uXXXX`, and of a second one that completes a surrogate pair. Half a pair
    /// becomes the replacement character.
    fn unicode_escape(&mut self) -> Result<char, Malformed> {
        let unit = self.hex4(self.at).ok_or(Malformed)?;
        self.at += 4;
        if !(0xD800..0xDC00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let follows = self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u");
        let low = follows.then(|| self.hex4(self.at + 2)).flatten();
        match low.filter(|low| (0xDC00..0xE000).contains(low)) {
            Some(low) => {
                self.at += 6;
                let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            None => Ok(char::REPLACEMENT_CHARACTER),
        }
    }

    fn hex4(&self, at: usize) -> Option<u32> {
        let digits = self.text.as_bytes().get(at..at + 4)?;
        digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
    }

    fn number(&mut self) -> Result<Token<'a>, Malformed> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Token::Number(Cow::Borrowed(self.slice(start, self.at)?)))
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(Malformed) } else { Ok(()) }
    }

    /// Steps over the comma before all but the first member; false at the closing byte.
    fn more(&mut self, first: bool, close: u8) -> Result<bool, Malformed> {
        match self.skip_space() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(Malformed),
        }
    }
}

impl<'a> Source<'a> for Json<'a> {
    fn token(&mut self) -> Result<Token<'a>, Malformed> {
        match self.skip_space().ok_or(Malformed)? {
            b'"' => self.string().map(Token::String),
            b'{' => {
                self.at += 1;
                Ok(Token::Object)
            }
            b'[' => {
                self.at += 1;
                Ok(Token::Array)
            }
            b't' => self.word("true", Token::Bool(true)),
            b'f' => self.word("false", Token::Bool(false)),
            b'n' => self.word("null", Token::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(Malformed),
        }
    }

    fn next_item(&mut self, first: bool) -> Result<bool, Malformed> {
        self.more(first, b']')
    }

    fn next_key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Malformed> {
        if !self.more(first, b'}')? {
            return Ok(None);
        }
        if self.skip_space() != Some(b'"') {
            return Err(Malformed);
        }
        let key = self.string()?;
        self.expect(b':')?;
        Ok(Some(key))
    }

    fn end(&mut self) -> Result<(), Malformed> {
        if self.skip_space().is_some() { Err(Malformed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Option<String> {
        match Json::new(text).token() {
            Ok(Token::String(text)) => Some(text.into_owned()),
            _ => None,
        }
    }

    #[test]
    fn escapes_are_read_as_go_reads_them() {
        assert_eq!(string(r#""a\n\u00e9\/\ud83d\ude00b""#).as_deref(), Some("a\né/😀b"));
        assert_eq!(string(r#""\ud800x\udc00\ud800\u0041""#).as_deref(), Some("\u{fffd}x\u{fffd}\u{fffd}A"));
        for bad in [r#""\x""#, r#""\u12g4""#, "\"a\nb\"", r#""open"#, r#""\ud800\u12"#, r#""\"#] {
            assert_eq!(string(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_strict() {
        for good in ["0", "-0", "10", "1.5", "1e9", "1E-9", "-12.5e+3"] {
            assert!(matches!(Json::new(good).token(), Ok(Token::Number(text)) if text == good));
        }
        for bad in ["-", "1.", ".5", "1e", "+1", "0x1", "NaN"] {
            let mut json = Json::new(bad);
            assert!(json.token().and_then(|_| json.end()).is_err(), "{bad}");
        }
    }
}
