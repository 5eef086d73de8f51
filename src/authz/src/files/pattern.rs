//! Patterns of policy files: plain words, or globs that cannot surprise.
//!
//! `?` is one character and `*` any run of characters, but neither crosses a separator (`/` or `:`); `**`
//! crosses them. A lone `*` is anything. Everything else is itself, byte for byte: there is no escape, no class,
//! no regular expression. Matching takes time in proportion to the lengths of text and pattern.

use std::fmt;

/// Longest pattern, in characters.
const MAX_LENGTH: usize = 256;
/// Most wildcards in a pattern.
const MAX_WILDCARDS: usize = 8;
/// Separates the items of a list where lists travel as one text; no pattern holds it.
pub(crate) const LIST: char = '\u{1f}';
/// Stands for [`LIST`] in texts that are asked about; no pattern holds it.
pub(crate) const STRAY: char = '\u{fffd}';

/// A pattern.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Box<str>,
    form: Form,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    Anything,
    Word,
    /// The text without its last star, and then no separator.
    Prefix(Box<str>),
    /// This, and then anything.
    Begins(Box<str>),
    Glob(Box<[Token]>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Exactly(char),
    One,
    Run,
    All,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > MAX_LENGTH {
            return Err(format!("a pattern has at most {MAX_LENGTH} characters"));
        }
        if text.chars().any(|c| c.is_control() || c == STRAY) {
            return Err("a pattern holds no control characters".to_owned());
        }
        if text.contains("***") {
            return Err("more than two stars in a row".to_owned());
        }
        let form = match text {
            "*" | "**" => Form::Anything,
            _ => form(text)?,
        };
        Ok(Self { text: text.into(), form })
    }

    /// A word that stands for itself alone, stars included.
    ///
    /// # Errors
    /// When it holds what no pattern may.
    pub(crate) fn word(text: &str) -> Result<Self, String> {
        if text.chars().any(|c| c.is_control() || c == STRAY) {
            return Err("control characters are not allowed".to_owned());
        }
        Ok(Self { text: text.into(), form: Form::Word })
    }

    /// A text that others begin with, written with stars at its end.
    ///
    /// # Errors
    /// When it holds what no pattern may.
    pub(crate) fn begins(text: &str) -> Result<Self, String> {
        let Self { text, .. } = Self::word(text)?;
        let form = Form::Begins(text.trim_end_matches('*').into());
        Ok(Self { text, form })
    }

    /// The pattern that matches anything.
    pub(crate) fn anything() -> Self {
        Self { text: "*".into(), form: Form::Anything }
    }

    /// Whether a text matches.
    pub fn matches(&self, text: &str) -> bool {
        match &self.form {
            Form::Anything => true,
            Form::Word => *self.text == *text,
            Form::Begins(prefix) => text.starts_with(&**prefix),
            Form::Prefix(prefix) => {
                text.strip_prefix(&**prefix).is_some_and(|rest| !rest.contains(is_separator))
            }
            Form::Glob(tokens) => simulate(tokens, text),
        }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The pattern as one text that [`matches_encoded`] understands.
    pub(crate) fn encode(&self) -> String {
        match &self.form {
            Form::Word => format!("={}", self.text),
            Form::Begins(prefix) => format!("^{prefix}"),
            Form::Anything | Form::Prefix(_) | Form::Glob(_) => format!("~{}", self.text),
        }
    }

    /// Whether everything matches.
    pub fn is_anything(&self) -> bool {
        self.form == Form::Anything
    }

    /// The one text that matches, if it is only one.
    pub fn as_word(&self) -> Option<&str> {
        (self.form == Form::Word).then_some(&*self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// Whether a text matches an encoded pattern, without any short cut.
pub(crate) fn matches_encoded(encoded: &str, text: &str) -> bool {
    if let Some(word) = encoded.strip_prefix('=') {
        return word == text;
    }
    if let Some(prefix) = encoded.strip_prefix('^') {
        return text.starts_with(prefix);
    }
    encoded.strip_prefix('~').is_some_and(|pattern| glob(pattern, text))
}

fn glob(pattern: &str, text: &str) -> bool {
    matches!(pattern, "*" | "**") || simulate(&tokens(pattern), text)
}

fn form(text: &str) -> Result<Form, String> {
    let tokens = tokens(text);
    let wildcards = tokens.iter().filter(|token| !matches!(token, Token::Exactly(_))).count();
    if wildcards > MAX_WILDCARDS {
        return Err(format!("a pattern has at most {MAX_WILDCARDS} wildcards"));
    }
    Ok(match (wildcards, tokens.last()) {
        (0, _) => Form::Word,
        (1, Some(Token::Run)) => Form::Prefix(text.trim_end_matches('*').into()),
        _ => Form::Glob(tokens),
    })
}

fn tokens(text: &str) -> Box<[Token]> {
    let mut tokens = Vec::new();
    for c in text.chars() {
        match (c, tokens.last()) {
            ('*', Some(Token::Run)) => {
                tokens.pop();
                tokens.push(Token::All);
            }
            ('*', _) => tokens.push(Token::Run),
            ('?', _) => tokens.push(Token::One),
            (c, _) => tokens.push(Token::Exactly(c)),
        }
    }
    tokens.into()
}

fn is_separator(c: char) -> bool {
    matches!(c, '/' | ':')
}

/// Follows all ways through the pattern at once: a place is how many tokens are done.
fn simulate(tokens: &[Token], text: &str) -> bool {
    let mut now = vec![false; tokens.len().saturating_add(1)];
    if let Some(first) = now.first_mut() {
        *first = true;
    }
    pass_runs(tokens, &mut now);
    for c in text.chars() {
        let mut next = vec![false; now.len()];
        let mut alive = false;
        for ((place, here), token) in now.iter().enumerate().zip(tokens) {
            let step = match (here, token) {
                (false, _) => None,
                (true, Token::Exactly(wanted)) => (*wanted == c).then(|| place.saturating_add(1)),
                (true, Token::One) => (!is_separator(c)).then(|| place.saturating_add(1)),
                (true, Token::Run) => (!is_separator(c)).then_some(place),
                (true, Token::All) => Some(place),
            };
            if let Some(reached) = step.and_then(|place| next.get_mut(place)) {
                *reached = true;
                alive = true;
            }
        }
        if !alive {
            return false;
        }
        pass_runs(tokens, &mut next);
        now = next;
    }
    now.last().copied().unwrap_or_default()
}

/// A run may be empty: where one begins, what follows it begins too.
fn pass_runs(tokens: &[Token], places: &mut [bool]) {
    let mut before = false;
    for (place, here) in places.iter_mut().enumerate() {
        let empty = place.checked_sub(1).and_then(|last| tokens.get(last));
        *here |= before && matches!(empty, Some(Token::Run | Token::All));
        before = *here;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, as short as it can be told.
    fn plain(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', '*', rest @ ..] => (0..=text.len()).any(|n| plain(rest, &text[n..])),
            ['*', rest @ ..] => {
                let run = text.iter().take_while(|c| !is_separator(**c)).count();
                (0..=run).any(|n| plain(rest, &text[n..]))
            }
            ['?', rest @ ..] => text.first().is_some_and(|c| !is_separator(*c)) && plain(rest, &text[1..]),
            [c, rest @ ..] => text.first() == Some(c) && plain(rest, &text[1..]),
        }
    }

    #[test]
    fn stars_stop_at_separators() {
        let table = [
            ("team-*", "team-a", true),
            ("team-*", "team-", true),
            ("team-*", "team-a/b", false),
            ("*", "a/b:c", true),
            ("", "", true),
            ("", "a", false),
            ("system:serviceaccount:*:deployer", "system:serviceaccount:a:deployer", true),
            ("system:serviceaccount:*:deployer", "system:serviceaccount:a:b:deployer", false),
            ("/foo/**", "/foo/bar/baz", true),
            ("/foo*", "/fo\u{e9}", false),
            ("p?ds", "pods", true),
            ("p?ds", "p/ds", false),
            ("*/scale", "deployments/scale", true),
            ("**-x", "a/b-x", true),
            ("a.b", "axb", false),
        ];
        for (pattern, text, want) in table {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn odd_patterns_are_refused() {
        for text in ["a***", "a\u{1f}b", "a\nb", &"a".repeat(257), "?????????", "\u{fffd}"] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_hostile_text_costs_little() {
        let pattern = Pattern::parse("**a**a**a**a**a**a**a**b").unwrap();
        assert!(!pattern.matches(&"a".repeat(20_000)));
    }

    proptest! {
        #[test]
        fn all_ways_to_match_agree(pattern in "[ab/:*?é]{0,7}", text in "[ab/:é]{0,8}") {
            if let Ok(parsed) = Pattern::parse(&pattern) {
                let lone = matches!(&*pattern, "*" | "**");
                let chars = |text: &str| text.chars().collect::<Vec<_>>();
                let want = lone || plain(&chars(&pattern), &chars(&text));
                prop_assert_eq!(parsed.matches(&text), want);
                prop_assert_eq!(glob(&pattern, &text), want);
            }
        }
    }
}
