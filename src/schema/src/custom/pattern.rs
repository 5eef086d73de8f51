//! Patterns of schemas, compiled once.

use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

/// What one pattern may take when compiled, in steps: the smallest step that suffices is charged.
const SIZES: [usize; 3] = [16 << 10, 128 << 10, 1 << 20];
/// What all patterns of a schema may take together.
const BUDGET: usize = 64 << 20;
/// What matching may cache.
const CACHE: usize = 256 << 10;

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
pub(super) fn check(text: &str) -> Result<(), regex::Error> {
    Patterns::default().compile(text).map(|_| ())
}

/// The patterns of one schema, each compiled once.
#[derive(Default)]
pub(super) struct Patterns {
    known: HashMap<String, Pattern>,
    spent: usize,
}

impl Patterns {
    pub(super) fn compile(&mut self, text: &str) -> Result<Pattern, regex::Error> {
        if let Some(pattern) = self.known.get(text) {
            return Ok(pattern.clone());
        }
        let pattern = self.fresh(text)?;
        self.known.insert(text.to_owned(), pattern.clone());
        Ok(pattern)
    }

    fn fresh(&mut self, text: &str) -> Result<Pattern, regex::Error> {
        let mut result = Err(regex::Error::CompiledTooBig(BUDGET));
        for size in SIZES.into_iter().filter(|size| self.spent + size <= BUDGET) {
            result = RegexBuilder::new(text).size_limit(size).dfa_size_limit(CACHE).build();
            match &result {
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(_) => break,
                Ok(_) => {
                    self.spent += size;
                    break;
                }
            }
        }
        Ok(Pattern { text: text.into(), regex: result? })
    }
}
