//! Says why a text is no expression.

use super::Complaint;
use super::token::{Lexeme, Token};

/// The complaints about a text that [`super::parse`] could not read.
pub(super) fn diagnose(tokens: &[Lexeme<'_>]) -> Vec<Complaint> {
    tokens
        .iter()
        .filter(|lexeme| lexeme.token == Token::End)
        .map(|end| {
            Complaint::syntax(
                end.at,
                format!("mismatched input '{}' expecting {}", end.text, Token::Identifier.expected()),
            )
        })
        .collect()
}
