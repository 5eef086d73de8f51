//! Sets of tokens.

use std::fmt;

use super::Token;

/// Tokens, and whether the rule may end instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(u64);

const END_OF_RULE: u64 = 1 << 63;

/// All tokens in the order in which they are listed.
const ORDER: [Token; 36] = [
    Token::End,
    Token::Equals,
    Token::NotEquals,
    Token::In,
    Token::Less,
    Token::LessEquals,
    Token::GreaterEquals,
    Token::Greater,
    Token::And,
    Token::Or,
    Token::LeftBracket,
    Token::RightBracket,
    Token::LeftBrace,
    Token::RightBrace,
    Token::LeftParen,
    Token::RightParen,
    Token::Dot,
    Token::Comma,
    Token::Minus,
    Token::Not,
    Token::Question,
    Token::Colon,
    Token::Plus,
    Token::Star,
    Token::Slash,
    Token::Percent,
    Token::True,
    Token::False,
    Token::Null,
    Token::Float,
    Token::Int,
    Token::Uint,
    Token::String,
    Token::Bytes,
    Token::Identifier,
    Token::EscapedIdentifier,
];

impl Set {
    pub(super) const EMPTY: Self = Self(0);
    /// Nothing but the end of the rule.
    pub(super) const RULE_END: Self = Self(END_OF_RULE);

    pub(super) const fn of(tokens: &[Token]) -> Self {
        let mut bits = 0;
        let mut rest = tokens;
        while let [first, others @ ..] = rest {
            bits |= 1 << (*first as u64);
            rest = others;
        }
        Self(bits)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same, or the end of the rule.
    pub(super) const fn or_end(self) -> Self {
        Self(self.0 | END_OF_RULE)
    }

    pub(super) fn has(self, token: Token) -> bool {
        self.0 & (1 << (token as u64)) != 0
    }

    pub(super) fn may_end(self) -> bool {
        self.0 & END_OF_RULE != 0
    }
}

impl fmt::Display for Set {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            ORDER.iter().filter(|token| self.has(**token)).map(|token| token.expected()).collect();
        match names.as_slice() {
            [only] => out.write_str(only),
            several => write!(out, "{{{}}}", several.join(", ")),
        }
    }
}
