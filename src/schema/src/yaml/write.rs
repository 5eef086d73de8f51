//! Writes a tree as upstream's library does: block style, keys sorted, lists not indented, long lines
//! broken at spaces.

use std::cmp::Ordering;

use portcullis_api::{Map, Value};

use super::style::{self, Style};

/// A line is broken at the first space after this column.
const WIDTH: usize = 80;

/// A tree as YAML text.
pub fn to_string(value: &Value) -> String {
    let mut writer = Writer { text: String::new(), column: 0 };
    match value {
        Value::Array(items) if !items.is_empty() => writer.list(items, 0),
        Value::Object(map) if !map.is_empty() => writer.map(map, 0),
        value => writer.leaf(value, 2),
    }
    writer.text
}

struct Writer {
    text: String,
    column: usize,
}

impl Writer {
    fn map(&mut self, map: &Map<String, Value>, indent: usize) {
        let mut members: Vec<_> = map.iter().collect();
        members.sort_by(|(a, _), (b, _)| key_order(a, b));
        for (place, (key, value)) in members.into_iter().enumerate() {
            if place > 0 {
                self.spaces(indent);
            }
            self.string(key, style::of_key(key), None);
            self.put(':');
            self.member(value, indent);
        }
    }

    fn member(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Array(items) if !items.is_empty() => {
                self.line_break(indent);
                self.list(items, indent);
            }
            Value::Object(map) if !map.is_empty() => {
                self.line_break(indent + 2);
                self.map(map, indent + 2);
            }
            value => {
                self.put(' ');
                self.leaf(value, indent + 2);
            }
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) {
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.spaces(indent);
            }
            self.put('-');
            self.put(' ');
            match item {
                Value::Array(items) if !items.is_empty() => self.list(items, indent + 2),
                Value::Object(map) if !map.is_empty() => self.map(map, indent + 2),
                value => self.leaf(value, indent + 2),
            }
        }
    }

    /// Writes a value that is no filled collection, and ends the line.
    fn leaf(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.puts("null"),
            Value::Bool(value) => self.puts(if *value { "true" } else { "false" }),
            Value::Number(number) => self.puts(&style::number(number)),
            Value::String(text) => match style::of(text) {
                Style::Literal => return self.literal(text, indent),
                style => self.string(text, style, Some(indent)),
            },
            Value::Array(_) => self.puts("[]"),
            Value::Object(_) => self.puts("{}"),
        }
        self.line_break(0);
    }

    /// Writes a block that keeps its line breaks.
    fn literal(&mut self, text: &str, indent: usize) {
        self.put('|');
        if text.starts_with([' ', '\n']) {
            self.put('2');
        }
        let body = text.trim_end_matches('\n');
        match text.len() - body.len() {
            0 => self.put('-'),
            1 if !body.is_empty() => {}
            _ => self.put('+'),
        }
        self.line_break(0);
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if !line.is_empty() {
                self.spaces(indent);
                self.puts(line);
            }
            self.line_break(0);
        }
    }

    /// Writes a text on one line, or on several where `wrap` says how far the next ones are indented.
    fn string(&mut self, text: &str, style: Style, wrap: Option<usize>) {
        let quote = match style {
            Style::Plain | Style::Literal => None,
            Style::Single => Some('\''),
            Style::Double => Some('"'),
        };
        if let Some(quote) = quote {
            self.put(quote);
        }
        self.words(text, style, wrap);
        if let Some(quote) = quote {
            self.put(quote);
        }
    }

    fn words(&mut self, text: &str, style: Style, wrap: Option<usize>) {
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let after_space = before == Some(' ');
            let next = chars.peek().copied();
            let inner = before.is_some() && next.is_some();
            let room = self.column <= WIDTH || after_space || !inner || c != ' ';
            let breaks = !room && (style == Style::Double || next != Some(' '));
            match (wrap, breaks) {
                (Some(indent), true) => {
                    self.line_break(indent);
                    if style == Style::Double && next == Some(' ') {
                        self.put('\\');
                    }
                }
                _ => self.char(c, style),
            }
            before = Some(c);
        }
    }

    fn char(&mut self, c: char, style: Style) {
        match (style, c) {
            (Style::Single, '\'') => self.puts("''"),
            (Style::Double, c) => match style::escape(c) {
                Some(escape) => self.puts(&escape),
                None => self.put(c),
            },
            (_, c) => self.put(c),
        }
    }

    fn put(&mut self, c: char) {
        self.text.push(c);
        self.column += 1;
    }

    fn puts(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn line_break(&mut self, indent: usize) {
        self.text.push('\n');
        self.column = 0;
        self.spaces(indent);
    }

    fn spaces(&mut self, count: usize) {
        self.text.extend(std::iter::repeat_n(' ', count));
        self.column += count;
    }
}

/// The order of keys: numbers in names by their value, letters after everything else.
fn key_order(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else { return a.len().cmp(&b.len()) };
    let (Some(x), Some(y)) = (a.get(at), b.get(at)) else { return a.len().cmp(&b.len()) };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => x.cmp(y),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            // A zero counts only after a digit that is none.
            let zero = *x == '0' || *y == '0';
            let before = a.iter().take(at).rev().take_while(|c| c.is_ascii_digit());
            let start = u64::from(zero && before.copied().any(|c| c != '0'));
            digits(&a, at, start).cmp(&digits(&b, at, start)).then(x.cmp(y))
        }
    }
}

/// The number that starts at a place, and how many digits it has.
fn digits(text: &[char], at: usize, start: u64) -> (u64, usize) {
    let digits = text.iter().skip(at).map_while(|c| c.to_digit(10));
    digits.fold((start, 0), |(value, count), digit| {
        (value.saturating_mul(10).saturating_add(u64::from(digit)), count + 1)
    })
}
