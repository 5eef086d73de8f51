//! Validation errors with the field they concern, in upstream's words.

use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::status::Cause;

/// A path to a field, written as upstream does: `spec.ports[0].name`, `data[a.b]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub struct Path(String);

impl Path {
    /// The root, which prints as nothing.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of one or more dotted names.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The path of a field of this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self::new(name) } else { Self(format!("{}.{name}", self.0)) }
    }

    /// The path of a list entry.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The path of a map entry.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "<nil>" } else { &self.0 })
    }
}

/// What kind of mistake a field has. The names are upstream's `field.ErrorType`s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum ErrorKind {
    /// `FieldValueNotFound`
    NotFound,
    /// `FieldValueRequired`
    Required,
    /// `FieldValueDuplicate`
    Duplicate,
    /// `FieldValueInvalid`
    Invalid,
    /// `FieldValueNotSupported`
    NotSupported,
    /// `FieldValueForbidden`
    Forbidden,
    /// `FieldValueTooLong`
    TooLong,
    /// `FieldValueTooMany`
    TooMany,
    /// `InternalError`
    Internal,
    /// `FieldValueTypeInvalid`
    TypeInvalid,
}

impl ErrorKind {
    /// The machine-readable reason of a cause.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
            Self::TypeInvalid => "Invalid value",
        }
    }
}

/// One mistake in one field.
#[derive(Clone, PartialEq, Debug)]
pub struct Error {
    /// What kind of mistake.
    pub kind: ErrorKind,
    /// Where.
    pub path: Path,
    /// The value as the message prints it (Go's `%#v` or JSON form), if the kind prints one.
    pub shown: Option<String>,
    /// What was wrong.
    pub detail: String,
}

/// All mistakes found in one object, in the order upstream finds them.
pub type ErrorList = Vec<Error>;

impl Error {
    /// A field that must be set.
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Required, path: path.clone(), shown: None, detail: detail.into() }
    }

    /// A value that is malformed; `value` is printed as upstream prints it.
    pub fn invalid(path: &Path, value: impl Shown, detail: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Invalid,
            path: path.clone(),
            shown: Some(value.shown()),
            detail: detail.into(),
        }
    }

    /// A value of the wrong type.
    pub fn type_invalid(path: &Path, value: impl Shown, detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::TypeInvalid, ..Self::invalid(path, value, detail) }
    }

    /// A value that may not be set here.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Forbidden, path: path.clone(), shown: None, detail: detail.into() }
    }

    /// A value that must be unique and is not.
    pub fn duplicate(path: &Path, value: impl Shown) -> Self {
        Self {
            kind: ErrorKind::Duplicate,
            path: path.clone(),
            shown: Some(value.shown()),
            detail: String::new(),
        }
    }

    /// A reference to something that does not exist.
    pub fn not_found(path: &Path, value: impl Shown) -> Self {
        Self {
            kind: ErrorKind::NotFound,
            path: path.clone(),
            shown: Some(value.shown()),
            detail: String::new(),
        }
    }

    /// A value outside an enumeration.
    pub fn not_supported<S: AsRef<str>>(path: &Path, value: impl Shown, supported: &[S]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|s| go_quote(s.as_ref())).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        Self { kind: ErrorKind::NotSupported, path: path.clone(), shown: Some(value.shown()), detail }
    }

    /// A text longer than allowed, in bytes.
    pub fn too_long(path: &Path, max: usize) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self {
            kind: ErrorKind::TooLong,
            path: path.clone(),
            shown: None,
            detail: format!("may not be more than {max} {unit}"),
        }
    }

    /// A list with more entries than allowed.
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self {
            kind: ErrorKind::TooMany,
            path: path.clone(),
            shown: Some(actual.to_string()),
            detail: format!("must have at most {max} {unit}"),
        }
    }

    /// A failure of ours while validating.
    pub fn internal(path: &Path, detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Internal, path: path.clone(), shown: None, detail: detail.into() }
    }

    /// The message without the path.
    pub fn body(&self) -> String {
        let mut out = String::from(self.kind.words());
        if let Some(shown) = &self.shown {
            let _ = write!(out, ": {shown}");
        }
        if !self.detail.is_empty() {
            let _ = write!(out, ": {}", self.detail);
        }
        out
    }

    /// The cause this becomes in a `Status`.
    pub fn cause(&self) -> Cause {
        Cause { reason: self.kind.reason().into(), message: self.body(), field: self.path.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.body())
    }
}

/// How upstream prints a value inside a field error: strings quoted as Go does, numbers and bools
/// plain, `null` for nil, everything else as compact JSON.
pub trait Shown {
    /// The text for the message.
    fn shown(&self) -> String;
}

impl Shown for str {
    fn shown(&self) -> String {
        go_quote(self)
    }
}

impl Shown for String {
    fn shown(&self) -> String {
        go_quote(self)
    }
}

impl Shown for Value {
    fn shown(&self) -> String {
        match self {
            Value::String(s) => go_quote(s),
            other => other.to_string(),
        }
    }
}

impl Shown for i64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "null".to_owned(), Shown::shown)
    }
}

impl<T: Shown + ?Sized> Shown for &T {
    fn shown(&self) -> String {
        (**self).shown()
    }
}

/// A text that is printed as it is.
pub struct Raw(pub String);

impl Shown for Raw {
    fn shown(&self) -> String {
        self.0.clone()
    }
}

/// Quotes a string as Go's `%q` does.
pub fn go_quote(text: &str) -> String {
    Quoted(text).to_string()
}

/// A string that is written as Go's `%q` does.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        if self.0.bytes().all(plain) {
            f.write_str(self.0)?;
        } else {
            self.0.chars().try_for_each(|c| write_quoted(f, c))?;
        }
        f.write_char('"')
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\u{7}' => f.write_str("\\a"),
        '\u{8}' => f.write_str("\\b"),
        '\u{b}' => f.write_str("\\v"),
        '\u{c}' => f.write_str("\\f"),
        c if (c as u32) < 0x20 || c as u32 == 0x7f => write!(f, "\\x{:02x}", c as u32),
        c if c.is_control() => write!(f, "\\u{:04x}", c as u32),
        c => f.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_go_quotes_them() {
        assert_eq!(go_quote("plain text"), "\"plain text\"");
        assert_eq!(go_quote("a\"b\\c\n\r\t"), r#""a\"b\\c\n\r\t""#);
        assert_eq!(go_quote("\u{7}\u{8}\u{b}\u{c}\u{1}\u{7f}\u{85}ü"), r#""\a\b\v\f\x01\x7f\u0085ü""#);
    }

    #[test]
    fn messages_read_as_upstream() {
        let path = Path::new("spec").child("ports").index(0).child("name");
        let error = Error::invalid(&path, "A\"b", "must be lower case");
        assert_eq!(error.to_string(), r#"spec.ports[0].name: Invalid value: "A\"b": must be lower case"#);
        assert_eq!(Error::required(&path, "").to_string(), "spec.ports[0].name: Required value");
        let error = Error::not_supported(&Path::new("type"), "x", &["A", "B"]);
        assert_eq!(error.to_string(), r#"type: Unsupported value: "x": supported values: "A", "B""#);
    }
}
