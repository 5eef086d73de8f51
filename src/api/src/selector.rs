//! Label and field selectors: parsed once at the edge, matched without allocation.
//!
//! A selector is a conjunction of requirements. `matches` takes a lookup so that callers can match
//! against whatever they keep (a tree, a cache entry, an iterator of pairs). Parse errors are
//! upstream's messages, ready for a 400. Sizes are bounded: nothing here is quadratic in the input.

mod field;
mod label;
mod parse;
mod words;

pub use field::{FieldSelector, FieldTerm, UnknownField};
pub use label::{LabelSelector, Operator, Requirement};

/// The longest selector that is read.
pub const MAX_SELECTOR_BYTES: usize = 128 * 1024;

/// The most requirements or terms one selector may have.
pub const MAX_REQUIREMENTS: usize = 1024;

fn check_size(text: &str) -> Result<(), String> {
    if text.len() > MAX_SELECTOR_BYTES {
        return Err(format!("selector is too long: must be no more than {MAX_SELECTOR_BYTES} bytes"));
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), String> {
    if count > MAX_REQUIREMENTS {
        return Err(format!("selector has too many requirements: must have at most {MAX_REQUIREMENTS}"));
    }
    Ok(())
}
