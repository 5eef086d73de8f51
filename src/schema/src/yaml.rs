//! YAML as upstream's libraries read and write it: YAML 1.1 scalars, JSON trees on the inside.
//!
//! [`read()`] turns a text into a tree ([`compose`] builds it from the parser's events, [`scalar`] gives
//! plain scalars their meaning; [`json`] takes a shorter way where it is none); [`to_string`] writes one.

mod compose;
mod json;
mod scalar;
mod style;
mod write;

use portcullis_api::Value;

pub use write::to_string;

/// A YAML text as a tree.
#[derive(Debug)]
pub struct Yaml {
    /// The tree; empty texts are `null`.
    pub value: Value,
    /// What upstream's strict reader says about keys given twice; the last one counts.
    pub duplicates: Option<String>,
}

/// Reads the first document of a text. The error is in upstream's words.
pub fn read(text: &[u8]) -> Result<Yaml, String> {
    let text = std::str::from_utf8(text).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
    match json::read(text) {
        Some(value) => Ok(Yaml { value, duplicates: None }),
        None => compose::document(text),
    }
}

#[cfg(test)]
mod tests;
