//! Patterns of schemas, compiled once.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_api::re2::{self, BadPattern};
use regex::{Regex, RegexBuilder};

/// What one pattern may take when compiled, in steps: the smallest step that suffices is charged.
const SIZES: [usize; 4] = [16 << 10, 128 << 10, 1 << 20, 10 << 20];
/// What all patterns of a schema may take together.
const BUDGET: usize = 64 << 20;
/// What matching may cache.
const CACHE: usize = 256 << 10;

/// Why a pattern cannot be used, in Go's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    Malformed(#[from] BadPattern),
    #[error("error parsing regexp: expression too large: `{0}`")]
    TooLarge(String),
    /// What a translated pattern can still have wrong is a class of characters that does not exist.
    #[error("error parsing regexp: invalid character class range: `{0}`")]
    UnknownClass(String),
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

impl Pattern {
    /// The pattern as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is found in a text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// What is wrong with a pattern.
pub(super) fn check(text: &str) -> Result<(), Unusable> {
    Patterns::default().compile(text).map(|_| ())
}

/// The patterns of one schema, each compiled once.
#[derive(Default)]
pub(super) struct Patterns {
    known: HashMap<String, Pattern>,
    spent: usize,
}

impl Patterns {
    pub(super) fn compile(&mut self, text: &str) -> Result<Pattern, Unusable> {
        if let Some(pattern) = self.known.get(text) {
            return Ok(pattern.clone());
        }
        let pattern = self.fresh(text)?;
        self.known.insert(text.to_owned(), pattern.clone());
        Ok(pattern)
    }

    fn fresh(&mut self, text: &str) -> Result<Pattern, Unusable> {
        let translated = re2::translate(text)?;
        for size in SIZES.into_iter().filter(|size| self.spent + size <= BUDGET) {
            match RegexBuilder::new(&translated).size_limit(size).dfa_size_limit(CACHE).build() {
                Ok(regex) => {
                    self.spent += size;
                    return Ok(Pattern { text: text.into(), regex });
                }
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(_) => return Err(Unusable::UnknownClass(text.to_owned())),
            }
        }
        Err(Unusable::TooLarge(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Patterns::default().compile(pattern).expect("a pattern").matches(text)
    }

    #[test]
    fn patterns_mean_what_they_mean_to_go() {
        assert!(matches(r"^\d$", "1") && !matches(r"^\d$", "\u{0661}"));
        assert!(matches(r"^\s$", " ") && !matches(r"^\s$", "\u{b}"));
        assert!(matches(r"\bx\b", "xé") && !matches(r"x\B", "xé"));
        assert!(matches("^[[a&&b]+$", "[a&b"));
        assert!(matches(r"^\p{Greek}$", "α") && matches("(?i)^é$", "É"));
        assert!(matches("^.$", "é") && matches("a$", "a") && !matches("a$", "a\n"));
    }

    #[test]
    fn large_patterns_are_refused() {
        let error = check("((a{100}){10}|é){1,1}\\pL{900}\\pL{900}").expect_err("too large");
        assert!(error.to_string().contains("expression too large"), "{error}");
        assert!(check(r"\p{Nope}").is_err());
        assert!(check(r"^\pL{1,63}$").is_ok());
        let mut patterns = Patterns::default();
        let many = (0..100_000).find(|n| patterns.compile(&format!("{n}")).is_err());
        assert_eq!(many, Some(BUDGET / SIZES[0]));
    }
}
