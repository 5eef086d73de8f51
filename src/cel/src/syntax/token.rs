//! Text becomes tokens.
//!
//! The longest match wins. A character that starts no token, or a literal that is not closed, is reported with
//! the text up to and with the character that cannot follow; reading goes on behind it.

use super::Complaint;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Equals,
    NotEquals,
    In,
    Less,
    LessEquals,
    GreaterEquals,
    Greater,
    And,
    Or,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    LeftParen,
    RightParen,
    Dot,
    Comma,
    Minus,
    Not,
    Question,
    Colon,
    Plus,
    Star,
    Slash,
    Percent,
    True,
    False,
    Null,
    Float,
    Int,
    Uint,
    String,
    Bytes,
    Identifier,
    EscapedIdentifier,
    End,
}

impl Token {
    /// An operator between two operands and how tightly it binds.
    pub(crate) fn operator(self) -> Option<(&'static str, u8)> {
        Some(match self {
            Self::Less => ("_<_", 0),
            Self::LessEquals => ("_<=_", 0),
            Self::GreaterEquals => ("_>=_", 0),
            Self::Greater => ("_>_", 0),
            Self::Equals => ("_==_", 0),
            Self::NotEquals => ("_!=_", 0),
            Self::In => ("@in", 0),
            Self::Plus => ("_+_", 1),
            Self::Minus => ("_-_", 1),
            Self::Star => ("_*_", 2),
            Self::Slash => ("_/_", 2),
            Self::Percent => ("_%_", 2),
            _ => return None,
        })
    }

    /// The spelling in messages about what was expected.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Equals => "'=='",
            Self::NotEquals => "'!='",
            Self::In => "'in'",
            Self::Less => "'<'",
            Self::LessEquals => "'<='",
            Self::GreaterEquals => "'>='",
            Self::Greater => "'>'",
            Self::And => "'&&'",
            Self::Or => "'||'",
            Self::LeftBracket => "'['",
            Self::RightBracket => "']'",
            Self::LeftBrace => "'{'",
            Self::RightBrace => "'}'",
            Self::LeftParen => "'('",
            Self::RightParen => "')'",
            Self::Dot => "'.'",
            Self::Comma => "','",
            Self::Minus => "'-'",
            Self::Not => "'!'",
            Self::Question => "'?'",
            Self::Colon => "':'",
            Self::Plus => "'+'",
            Self::Star => "'*'",
            Self::Slash => "'/'",
            Self::Percent => "'%'",
            Self::True => "'true'",
            Self::False => "'false'",
            Self::Null => "'null'",
            Self::Float => "NUM_FLOAT",
            Self::Int => "NUM_INT",
            Self::Uint => "NUM_UINT",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Identifier => "IDENTIFIER",
            Self::EscapedIdentifier => "ESC_IDENTIFIER",
            Self::End => "<EOF>",
        }
    }
}

/// A token with its text and place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexeme<'t> {
    pub(crate) token: Token,
    pub(crate) text: &'t str,
    /// Offset in code points.
    pub(crate) at: u32,
}

/// All tokens of a text, the last being [`Token::End`], and what could not be read.
pub(crate) fn tokens(text: &str) -> (Vec<Lexeme<'_>>, Vec<Complaint>) {
    let mut lexer = Lexer { rest: text, at: 0, complaints: Vec::new() };
    let mut found = Vec::new();
    while let Some(lexeme) = lexer.next() {
        found.push(lexeme);
    }
    found.push(Lexeme { token: Token::End, text: "<EOF>", at: lexer.at });
    (found, lexer.complaints)
}

struct Lexer<'t> {
    rest: &'t str,
    at: u32,
    complaints: Vec<Complaint>,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) -> Option<Lexeme<'t>> {
        loop {
            self.take(space(self.rest));
            self.rest.chars().next()?;
            let at = self.at;
            match read(self.rest) {
                Ok((token, length)) => return Some(Lexeme { token, text: self.take(length), at }),
                Err(length) => {
                    let text = self.take(length);
                    self.complaints
                        .push(Complaint::syntax(at, format!("token recognition error at: '{text}'")));
                }
            }
        }
    }

    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        let count = u32::try_from(taken.chars().count()).unwrap_or(u32::MAX);
        self.at = self.at.saturating_add(count);
        taken
    }
}

/// The length of the white space and comments that lead.
fn space(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']);
        if !rest.starts_with("//") {
            return text.len() - rest.len();
        }
        rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or("");
    }
}

/// The first token with its length, or the length of what cannot be read.
fn read(text: &str) -> Result<(Token, usize), usize> {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or('\0');
    let second = chars.next();
    if let Some(found) = symbol(first, second) {
        return found;
    }
    match first {
        '0'..='9' => Ok(number(text)),
        '.' if second.is_some_and(|char| char.is_ascii_digit()) => Ok(number(text)),
        '.' => Ok((Token::Dot, 1)),
        '"' | '\'' => literal(text, false).map(|length| (Token::String, length)),
        '`' => escaped(text),
        'A'..='Z' | 'a'..='z' | '_' => Ok(prefixed(text).unwrap_or_else(|| word(text))),
        other => Err(other.len_utf8()),
    }
}

/// What starts with a sign, or nothing if the first character is no sign.
fn symbol(first: char, second: Option<char>) -> Option<Result<(Token, usize), usize>> {
    let either = |with: char, two: Token, one: Token| {
        if second == Some(with) { Ok((two, 2)) } else { Ok((one, 1)) }
    };
    let both = |with: char, two: Token| {
        if second == Some(with) { Ok((two, 2)) } else { Err(1 + second.map_or(0, char::len_utf8)) }
    };
    let one = |token| Ok((token, 1));
    Some(match first {
        '=' => both('=', Token::Equals),
        '&' => both('&', Token::And),
        '|' => both('|', Token::Or),
        '!' => either('=', Token::NotEquals, Token::Not),
        '<' => either('=', Token::LessEquals, Token::Less),
        '>' => either('=', Token::GreaterEquals, Token::Greater),
        '[' => one(Token::LeftBracket),
        ']' => one(Token::RightBracket),
        '{' => one(Token::LeftBrace),
        '}' => one(Token::RightBrace),
        '(' => one(Token::LeftParen),
        ')' => one(Token::RightParen),
        ',' => one(Token::Comma),
        '-' => one(Token::Minus),
        '?' => one(Token::Question),
        ':' => one(Token::Colon),
        '+' => one(Token::Plus),
        '*' => one(Token::Star),
        '/' => one(Token::Slash),
        '%' => one(Token::Percent),
        _ => return None,
    })
}

/// A number; the text starts with a digit or with a point before one.
fn number(text: &str) -> (Token, usize) {
    if let Some(hex) = text.strip_prefix("0x") {
        let digits = run(hex, |char| char.is_ascii_hexdigit());
        if digits > 0 {
            return unsigned(text, 2 + digits);
        }
    }
    let whole = run(text, |char| char.is_ascii_digit());
    let fraction = text.get(whole..).and_then(|rest| rest.strip_prefix('.'));
    let digits = fraction.map_or(0, |rest| run(rest, |char| char.is_ascii_digit()));
    let plain = if digits > 0 { whole + 1 + digits } else { whole };
    let power = text.get(plain..).map_or(0, exponent);
    if digits > 0 || power > 0 { (Token::Float, plain + power) } else { unsigned(text, whole) }
}

fn unsigned(text: &str, length: usize) -> (Token, usize) {
    let marked = text.get(length..).is_some_and(|rest| rest.starts_with(['u', 'U']));
    if marked { (Token::Uint, length + 1) } else { (Token::Int, length) }
}

fn exponent(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let sign = usize::from(rest.starts_with(['+', '-']));
    let digits = rest.get(sign..).map_or(0, |rest| run(rest, |char| char.is_ascii_digit()));
    if digits == 0 { 0 } else { 1 + sign + digits }
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|char| !fits(char)).unwrap_or(text.len())
}

/// A literal whose quotes have `b` or `r` before them; nothing if it is a word after all.
fn prefixed(text: &str) -> Option<(Token, usize)> {
    let bytes = text.strip_prefix(['b', 'B']);
    let rest = bytes.unwrap_or(text);
    let raw = rest.strip_prefix(['r', 'R']);
    let quoted = raw.unwrap_or(rest);
    if !quoted.starts_with(['"', '\'']) || (bytes.is_none() && raw.is_none()) {
        return None;
    }
    let length = literal(quoted, raw.is_some()).ok()?;
    let token = if bytes.is_some() { Token::Bytes } else { Token::String };
    Some((token, text.len() - quoted.len() + length))
}

/// The length of a quoted text, or of what cannot be one.
fn literal(text: &str, raw: bool) -> Result<usize, usize> {
    for quotes in ["\"\"\"", "'''"] {
        if let Some(length) = text.strip_prefix(quotes).and_then(|rest| closed(rest, quotes, raw, true).ok())
        {
            return Ok(length + 3);
        }
    }
    let quotes = if text.starts_with('"') { "\"" } else { "'" };
    let rest = text.get(1..).unwrap_or_default();
    closed(rest, quotes, raw, false).map(|length| length + 1).map_err(|length| length + 1)
}

/// The length up to and with the closing quotes.
fn closed(text: &str, quotes: &str, raw: bool, lines: bool) -> Result<usize, usize> {
    let mut rest = text;
    let length = |rest: &str| text.len() - rest.len();
    loop {
        if rest.starts_with(quotes) {
            return Ok(length(rest) + quotes.len());
        }
        let Some(char) = rest.chars().next() else { return Err(text.len()) };
        let step = match char {
            '\\' if !raw => escape(rest).map_err(|bad| length(rest) + bad)?,
            '\n' | '\r' if !lines => return Err(length(rest) + 1),
            char => char.len_utf8(),
        };
        rest = rest.get(step..).unwrap_or_default();
    }
}

/// The length of an escape sequence, or of the part up to and with what does not belong.
fn escape(text: &str) -> Result<usize, usize> {
    let mut chars = text.chars().skip(1);
    let Some(kind) = chars.next() else { return Err(1) };
    let (count, fits): (usize, fn(char) -> bool) = match kind {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => return Ok(2),
        'x' | 'X' => (2, |char| char.is_ascii_hexdigit()),
        'u' => (4, |char| char.is_ascii_hexdigit()),
        'U' => (8, |char| char.is_ascii_hexdigit()),
        '0'..='3' => (2, |char| ('0'..='7').contains(&char)),
        other => return Err(1 + other.len_utf8()),
    };
    let mut length = 2;
    for char in chars.take(count) {
        if !fits(char) {
            return Err(length + char.len_utf8());
        }
        length += 1;
    }
    if length == 2 + count { Ok(length) } else { Err(length) }
}

fn escaped(text: &str) -> Result<(Token, usize), usize> {
    let fits = |char: char| char.is_ascii_alphanumeric() || "_.-/ ".contains(char);
    let inner = text.get(1..).map_or(0, |rest| run(rest, fits));
    match text.get(1 + inner..).and_then(|rest| rest.chars().next()) {
        Some('`') if inner > 0 => Ok((Token::EscapedIdentifier, inner + 2)),
        other => Err(1 + inner + other.map_or(0, char::len_utf8)),
    }
}

fn word(text: &str) -> (Token, usize) {
    let length = run(text, |char| char.is_ascii_alphanumeric() || char == '_');
    let token = match text.get(..length) {
        Some("in") => Token::In,
        Some("true") => Token::True,
        Some("false") => Token::False,
        Some("null") => Token::Null,
        _ => Token::Identifier,
    };
    (token, length)
}
