//! What is noted by a key: words that most requests share are not copied for each.

use std::ops::Deref;
use std::sync::Arc;

/// Text of an annotation.
#[derive(Clone, Debug)]
pub enum Note {
    /// Words of the program.
    Fixed(&'static str),
    /// Words that are kept somewhere.
    Shared(Arc<str>),
    /// Words of this request alone.
    Own(String),
}

impl Deref for Note {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Shared(text) => text,
            Self::Own(text) => text,
        }
    }
}

impl From<&'static str> for Note {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl From<Arc<str>> for Note {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl From<String> for Note {
    fn from(text: String) -> Self {
        Self::Own(text)
    }
}
