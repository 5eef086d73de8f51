//! What came of checking a value.

use std::collections::HashSet;

use portcullis_api::field::{Error, ErrorList};

/// How many mistakes are told. Upstream tells all, of which a list of a million wrong entries has too many.
const MAX_ERRORS: usize = 1_000;

/// The mistakes in a value, and how much of it fits.
#[derive(Default)]
pub(super) struct Outcome {
    errors: Vec<Error>,
    /// How often a check was passed, as upstream counts it.
    fits: u64,
}

impl Outcome {
    pub(super) fn error(error: Error) -> Self {
        Self { errors: vec![error], fits: 0 }
    }

    /// One check passed.
    pub(super) fn fit() -> Self {
        Self { errors: Vec::new(), fits: 1 }
    }

    /// Counts one check more.
    pub(super) fn fits(&mut self) {
        self.fits = self.fits.saturating_add(1);
    }

    /// Whether there was a mistake.
    pub(super) fn failed(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether more of the value fits than of another one.
    pub(super) fn fits_better_than(&self, other: &Self) -> bool {
        self.fits > other.fits
    }

    pub(super) fn push(&mut self, error: Error) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        self.fits = self.fits.saturating_add(other.fits);
        if self.errors.is_empty() {
            self.errors = other.errors;
        } else {
            other.errors.truncate(MAX_ERRORS.saturating_sub(self.errors.len()));
            self.errors.append(&mut other.errors);
        }
    }

    /// Merges what one of the validators found, which counts by itself.
    pub(super) fn merge_counted(&mut self, other: Self) {
        self.merge(other);
        self.fits();
    }

    /// The same without mistakes.
    pub(super) fn forgiven(self) -> Self {
        Self { errors: Vec::new(), ..self }
    }

    /// The mistakes, each once.
    pub(super) fn into_errors(self) -> ErrorList {
        if self.errors.len() < 2 {
            return self.errors;
        }
        let mut seen = HashSet::with_capacity(self.errors.len());
        let mut errors = self.errors;
        errors.retain(|error| seen.insert(error.to_string()));
        errors
    }
}
