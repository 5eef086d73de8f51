//! From the text of a path to its steps.

use serde_json::Number;

use super::{Filter, Slice, Step};

/// How deeply filters may lie in each other.
const MAX_DEPTH: usize = 8;

/// Why a text is no path.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// It goes on over several lines, or ends too early.
    #[error("unclosed action")]
    Unclosed,
    /// It has a second action, which a path has no use for.
    #[error("more than one action")]
    Trailing,
    /// It has a character that means nothing here.
    #[error("unrecognized character in action: {0:?}")]
    Character(char),
    /// It descends twice in a row.
    #[error("invalid multiple recursive descent")]
    Descent,
    /// It has a malformed number.
    #[error("cannot parse number {0}")]
    Number(String),
    /// Its brackets are not closed.
    #[error("unterminated array")]
    Array,
    /// Its brackets hold nothing that makes sense.
    #[error("invalid array index {0}")]
    Index(String),
    /// A filter is not closed.
    #[error("unterminated filter")]
    Filter,
    /// A quoted text is not closed or malformed.
    #[error("unterminated quoted string")]
    Quote,
    /// Filters lie in each other too deeply.
    #[error("filters are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

/// Reads a path.
pub(super) fn path(text: &str) -> Result<Vec<Step>, ParseError> {
    Parser { rest: text, depth: 0 }.steps()
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn steps(mut self) -> Result<Vec<Step>, ParseError> {
        let mut steps = Vec::new();
        while let Some(c) = self.rest.chars().next() {
            if self.rest.starts_with("[?(") {
                steps.push(self.filter()?);
            } else if self.rest.starts_with("..") {
                self.descent(&mut steps)?;
            } else {
                self.step(c, &mut steps)?;
            }
        }
        Ok(steps)
    }

    fn step(&mut self, c: char, steps: &mut Vec<Step>) -> Result<(), ParseError> {
        match c {
            '}' => return Err(ParseError::Trailing),
            '\r' | '\n' => return Err(ParseError::Unclosed),
            ' ' | '@' | '$' => self.skip(1),
            '[' => self.brackets(steps)?,
            '"' | '\'' => steps.push(self.quote(c)?),
            '.' => {
                self.skip(1);
                steps.push(self.field());
            }
            c if c == '+' || c == '-' || c.is_numeric() => steps.push(self.number()?),
            c if c == '_' || c.is_alphanumeric() => steps.push(self.word()),
            c => return Err(ParseError::Character(c)),
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn descent(&mut self, steps: &mut Vec<Step>) -> Result<(), ParseError> {
        if matches!(steps.last(), Some(Step::Descent)) {
            return Err(ParseError::Descent);
        }
        self.skip(2);
        steps.push(Step::Descent);
        if self.rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()) {
            steps.push(self.field());
        }
        Ok(())
    }

    /// A name up to what ends names; a backslash keeps the character after it.
    fn field(&mut self) -> Step {
        let mut end = self.rest.len();
        let mut escaped = false;
        for (place, c) in self.rest.char_indices() {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if ends_name(c) {
                end = place;
                break;
            }
        }
        match self.take(end) {
            "*" => Step::Wildcard,
            name => Step::Field(name.replace('\\', "")),
        }
    }

    fn word(&mut self) -> Step {
        let end = self.rest.find(ends_name).unwrap_or(self.rest.len());
        match self.take(end) {
            "true" => Step::Literal(true.into()),
            "false" => Step::Literal(false.into()),
            word => Step::Word(word.to_owned()),
        }
    }

    fn number(&mut self) -> Result<Step, ParseError> {
        let sign = usize::from(self.rest.starts_with(['+', '-']));
        let digits = self.rest.get(sign..).unwrap_or_default();
        let length = digits.find(|c: char| c != '.' && !c.is_numeric()).unwrap_or(digits.len());
        let text = self.take(sign + length);
        if let Ok(int) = text.parse::<i64>() {
            return Ok(Step::Literal(int.into()));
        }
        let float = text.parse::<f64>().ok().and_then(Number::from_f64);
        float.map(|float| Step::Literal(float.into())).ok_or_else(|| ParseError::Number(text.to_owned()))
    }

    fn quote(&mut self, quote: char) -> Result<Step, ParseError> {
        let (mut text, mut escaped) = (String::new(), false);
        for (place, c) in self.rest.char_indices().skip(1) {
            match c {
                '\n' => return Err(ParseError::Quote),
                c if escaped => {
                    text.push(match c {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        other => other,
                    });
                    escaped = false;
                }
                '\\' => escaped = true,
                c if c == quote => {
                    self.skip(place + c.len_utf8());
                    return Ok(Step::Text(text.into()));
                }
                c => text.push(c),
            }
        }
        Err(ParseError::Quote)
    }

    fn brackets(&mut self, steps: &mut Vec<Step>) -> Result<(), ParseError> {
        let end = self.rest.find(']').ok_or(ParseError::Array)?;
        let inner = self.take(end + 1).trim_start_matches('[').trim_end_matches(']');
        if inner.contains('\n') {
            return Err(ParseError::Array);
        }
        if inner.contains(',') {
            let one = |part: &str| {
                let mut steps = Vec::new();
                self.selector(part.trim_matches(' '), &mut steps).map(|()| steps)
            };
            steps.push(Step::Union(inner.split(',').map(one).collect::<Result<_, _>>()?));
            return Ok(());
        }
        self.selector(inner, steps)
    }

    fn selector(&self, text: &str, steps: &mut Vec<Step>) -> Result<(), ParseError> {
        let name = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        if let Some(name) = name.filter(|name| !name.contains('\'')) {
            // A name in brackets is read as a path of its own, dots and all.
            steps.extend(self.inner(&format!(".{name}"))?);
        } else {
            steps.push(Step::Slice(slice(text).ok_or_else(|| ParseError::Index(text.to_owned()))?));
        }
        Ok(())
    }

    fn inner(&self, text: &str) -> Result<Vec<Step>, ParseError> {
        if self.depth >= MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        Parser { rest: text, depth: self.depth + 1 }.steps()
    }

    fn filter(&mut self) -> Result<Step, ParseError> {
        self.skip(3);
        let end = filter_end(self.rest).ok_or(ParseError::Filter)?;
        let text = self.take(end);
        if !self.rest.starts_with(")]") {
            return Err(ParseError::Filter);
        }
        self.skip(2);
        let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
        let left_end = text.find(is_operator).unwrap_or(text.len());
        let (left, rest) = text.split_at_checked(left_end).unwrap_or((text, ""));
        let right_start = rest.find(|c| !is_operator(c)).unwrap_or(rest.len().saturating_sub(1));
        let (operator, right) = rest.split_at_checked(right_start).unwrap_or((rest, ""));
        if left.is_empty() || operator.is_empty() || right.is_empty() {
            return Ok(Step::Filter(Box::new(Filter { left: self.inner(text)?, right: None })));
        }
        let right = Some((operator.to_owned(), self.inner(right)?));
        Ok(Step::Filter(Box::new(Filter { left: self.inner(left)?, right })))
    }
}

/// The parenthesis that closes a filter: one outside of quotes, of which there may be one pair.
fn filter_end(text: &str) -> Option<usize> {
    let (mut pair, mut closed, mut before) = (None, false, '(');
    for (place, c) in text.char_indices() {
        match c {
            '\n' => return None,
            '"' | '\'' if pair.is_none() => pair = Some(c),
            '"' | '\'' if before != '\\' && pair == Some(c) => closed = true,
            ')' if pair.is_some() == closed => return Some(place),
            _ => {}
        }
        before = c;
    }
    None
}

fn slice(text: &str) -> Option<Slice> {
    if text == "*" {
        return Some(Slice::default());
    }
    let number = |text: &str| match text {
        "" => Some(None),
        text => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            whole.then(|| text.parse().ok()).flatten().map(Some)
        }
    };
    let parts: Vec<Option<i64>> = text.split(':').map(number).collect::<Option<_>>()?;
    match parts.as_slice() {
        // Upstream takes brackets with nothing in them for the first entry.
        [start] => {
            let end = start.unwrap_or_default().checked_add(1)?;
            Some(Slice { start: *start, end: Some(end), step: None, single: true })
        }
        [start, end] => Some(Slice { start: *start, end: *end, ..Slice::default() }),
        [start, end, step] => Some(Slice { start: *start, end: *end, step: *step, single: false }),
        _ => None,
    }
}

fn ends_name(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}
