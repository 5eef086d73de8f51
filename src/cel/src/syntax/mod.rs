//! From text to a tree.
//!
//! ```text
//! text -> token -> parse -> (macros) -> tree
//!                    |
//!                    +-> diagnose: a text that is no expression is read once more, slowly, to say why
//! ```
//!
//! The text, the nesting and the size of the tree after its macros were expanded are bounded.

pub(crate) mod ast;
mod build;
mod diagnose;
mod literal;
mod macros;
mod parse;
mod token;

pub(crate) use parse::parse;

/// Words that cannot name a variable or a function.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "null",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// A complaint with its place as an offset; none for the expression as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) at: Option<u32>,
    pub(crate) message: String,
}

impl Complaint {
    pub(crate) fn new(at: u32, message: impl Into<String>) -> Self {
        Self { at: Some(at), message: message.into() }
    }

    fn syntax(at: u32, message: impl AsRef<str>) -> Self {
        Self::new(at, format!("Syntax error: {}", message.as_ref()))
    }

    fn whole(message: impl Into<String>) -> Self {
        Self { at: None, message: message.into() }
    }
}
