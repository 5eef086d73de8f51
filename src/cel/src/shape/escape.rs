//! Names of properties as expressions spell them.
//!
//! `__`, `.`, `-` and `/` have words for them, reserved words stand between underscores; what holds anything else cannot be
//! named.

use std::borrow::Cow;

/// Words that an expression cannot use as a name.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
/// What has a word, and the word.
const WORDS: [(&str, &str); 4] = [("__", "underscores"), (".", "dot"), ("-", "dash"), ("/", "slash")];

/// Whether a variable can have this name.
#[must_use]
pub fn is_identifier(name: &str) -> bool {
    let word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    !name.starts_with(|char: char| char.is_ascii_digit())
        && name.chars().all(word)
        && !RESERVED.contains(&name)
}

/// The name of a property in expressions, if it can have one.
#[must_use]
pub fn escape(name: &str) -> Option<Cow<'_, str>> {
    if name.is_empty() || name.starts_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__").into());
    }
    if !name.chars().all(|char| char.is_ascii_alphanumeric() || "_.-/".contains(char)) {
        return None;
    }
    if !WORDS.iter().any(|(text, _)| name.contains(text)) {
        return Some(name.into());
    }
    let (mut out, mut rest) = (String::new(), name);
    while let Some(next) = rest.chars().next() {
        let word = WORDS.iter().find_map(|(text, word)| Some((word, rest.strip_prefix(text)?)));
        let Some((word, after)) = word else {
            out.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            continue;
        };
        out = format!("{out}__{word}__");
        rest = after;
    }
    Some(out.into())
}

/// The name of a property in the data, if an expression's name is one.
#[must_use]
pub fn unescape(name: &str) -> Option<Cow<'_, str>> {
    if !name.contains("__") {
        return Some(name.into());
    }
    let (mut out, mut rest) = (String::new(), name);
    while let Some((before, word, after)) = escaped(rest) {
        out.push_str(before);
        match WORDS.iter().find(|(_, known)| *known == word) {
            Some((text, _)) => out.push_str(text),
            None if RESERVED.contains(&word) && before.is_empty() && after.is_empty() && out.is_empty() => {
                return Some(word.to_owned().into());
            }
            None => return None,
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out.into())
}

/// The first `__word__`, with what is before and after it.
fn escaped(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find("__").map(|at| at + from) {
        let inner = text.get(start + 2..)?;
        let end = inner.find('_')?;
        if end > 0 && inner.get(end..)?.starts_with("__") {
            return Some((text.get(..start)?, inner.get(..end)?, inner.get(end + 2..)?));
        }
        from = start + 1;
    }
    None
}
