//! Why a text is not JSON, in the words of Go's scanner. Runs only on texts that were refused.

use super::MAX_DEPTH;

/// The first mistake in a text; none if it is JSON that is not nested too deeply.
pub(crate) fn mistake(text: &[u8]) -> Option<String> {
    let mut scanner = Scanner { text, at: 0, open: Vec::new() };
    match scanner.value_and_end() {
        Ok(()) => None,
        Err(Mistake::End) => Some("unexpected end of JSON input".to_owned()),
        Err(Mistake::Byte(byte, context)) => Some(format!("invalid character {} {context}", quoted(byte))),
    }
}

enum Mistake {
    End,
    Byte(u8, &'static str),
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// What is open, outermost first.
    open: Vec<Open>,
}

#[derive(Clone, Copy, PartialEq)]
enum Open {
    Array,
    Object,
}

const BEGIN_VALUE: &str = "looking for beginning of value";
const BEGIN_KEY: &str = "looking for beginning of object key string";

impl Scanner<'_> {
    fn value_and_end(&mut self) -> Result<(), Mistake> {
        self.begin_value()?;
        while let Some(open) = self.open.last().copied() {
            self.after_value(open)?;
        }
        self.skip_space();
        match self.text.get(self.at) {
            Some(byte) => Err(Mistake::Byte(*byte, "after top-level value")),
            None => Ok(()),
        }
    }

    /// Reads a literal, or what opens a collection down to its first literal or empty collection.
    fn begin_value(&mut self) -> Result<(), Mistake> {
        loop {
            match self.next_solid()? {
                b'{' => {
                    self.enter(Open::Object, b'{')?;
                    if self.closes(b'}') {
                        return Ok(());
                    }
                    self.key(BEGIN_KEY)?;
                }
                b'[' => {
                    self.enter(Open::Array, b'[')?;
                    if self.closes(b']') {
                        return Ok(());
                    }
                }
                b'"' => return self.string(),
                b't' => return self.word("true"),
                b'f' => return self.word("false"),
                b'n' => return self.word("null"),
                byte @ (b'-' | b'0'..=b'9') => return self.number(byte),
                byte => return Err(Mistake::Byte(byte, BEGIN_VALUE)),
            }
        }
    }

    fn after_value(&mut self, open: Open) -> Result<(), Mistake> {
        match (self.next_solid()?, open) {
            (b',', Open::Array) => self.begin_value(),
            (b',', Open::Object) => {
                self.key(BEGIN_KEY)?;
                self.begin_value()
            }
            (b']', Open::Array) | (b'}', Open::Object) => {
                self.open.pop();
                Ok(())
            }
            (byte, Open::Array) => Err(Mistake::Byte(byte, "after array element")),
            (byte, Open::Object) => Err(Mistake::Byte(byte, "after object key:value pair")),
        }
    }

    fn enter(&mut self, open: Open, byte: u8) -> Result<(), Mistake> {
        self.open.push(open);
        if self.open.len() > MAX_DEPTH { Err(Mistake::Byte(byte, "exceeded max depth")) } else { Ok(()) }
    }

    fn closes(&mut self, byte: u8) -> bool {
        self.skip_space();
        let closes = self.text.get(self.at) == Some(&byte);
        if closes {
            self.at += 1;
            self.open.pop();
        }
        closes
    }

    fn key(&mut self, context: &'static str) -> Result<(), Mistake> {
        match self.next_solid()? {
            b'"' => self.string()?,
            byte => return Err(Mistake::Byte(byte, context)),
        }
        match self.next_solid()? {
            b':' => Ok(()),
            byte => Err(Mistake::Byte(byte, "after object key")),
        }
    }

    fn string(&mut self) -> Result<(), Mistake> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte @ 0..0x20 => return Err(Mistake::Byte(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), Mistake> {
        match self.next()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => Ok(()),
            b'u' => (0..4).try_for_each(|_| match self.next()? {
                byte if byte.is_ascii_hexdigit() => Ok(()),
                byte => Err(Mistake::Byte(byte, "in \\u hexadecimal character escape")),
            }),
            byte => Err(Mistake::Byte(byte, "in string escape code")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Mistake> {
        for expected in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                return Err(Mistake::Byte(byte, expecting(word, expected)));
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Result<(), Mistake> {
        let first = if first == b'-' { self.digit("in numeric literal")? } else { first };
        if first != b'0' {
            self.skip_digits();
        }
        if self.takes(b".") {
            self.digit("after decimal point in numeric literal")?;
            self.skip_digits();
        }
        if self.takes(b"eE") {
            self.takes(b"+-");
            self.digit("in exponent of numeric literal")?;
            self.skip_digits();
        }
        Ok(())
    }

    fn digit(&mut self, context: &'static str) -> Result<u8, Mistake> {
        match self.next()? {
            byte if byte.is_ascii_digit() => Ok(byte),
            byte => Err(Mistake::Byte(byte, context)),
        }
    }

    fn skip_digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn takes(&mut self, any: &[u8]) -> bool {
        let takes = self.text.get(self.at).is_some_and(|byte| any.contains(byte));
        self.at += usize::from(takes);
        takes
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn next_solid(&mut self) -> Result<u8, Mistake> {
        self.skip_space();
        self.next()
    }

    fn next(&mut self) -> Result<u8, Mistake> {
        let byte = self.text.get(self.at).copied().ok_or(Mistake::End)?;
        self.at += 1;
        Ok(byte)
    }
}

fn expecting(word: &'static str, letter: u8) -> &'static str {
    match (word, letter) {
        ("true", b'r') => "in literal true (expecting 'r')",
        ("true", b'u') => "in literal true (expecting 'u')",
        ("true", _) => "in literal true (expecting 'e')",
        ("false", b'a') => "in literal false (expecting 'a')",
        ("false", b'l') => "in literal false (expecting 'l')",
        ("false", b's') => "in literal false (expecting 's')",
        ("false", _) => "in literal false (expecting 'e')",
        (_, b'u') => "in literal null (expecting 'u')",
        _ => "in literal null (expecting 'l')",
    }
}

/// A byte as Go quotes the character of that number.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        0x07 => "'\\a'".to_owned(),
        0x08 => "'\\b'".to_owned(),
        0x0c => "'\\f'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        0x0b => "'\\v'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_have_gos_words() {
        for (text, expected) in [
            ("{", "unexpected end of JSON input"),
            ("", "unexpected end of JSON input"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("nul!", "invalid character '!' in literal null (expecting 'l')"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("01", "invalid character '1' after top-level value"),
            ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
        ] {
            assert_eq!(mistake(text.as_bytes()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(mistake(br#" {"a":[1,{"b":null}],"c":-0.5e+7} "#), None);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert_eq!(mistake(&nested(MAX_DEPTH)), None);
        let expected = "invalid character '[' exceeded max depth";
        assert_eq!(mistake(&nested(MAX_DEPTH + 1)).as_deref(), Some(expected));
    }
}
