//! Reading single values out of stored JSON.

use std::borrow::Cow;

use super::scan::{Members, skip_blanks, value_end};

/// One value inside stored JSON. Each look-up scans from its own start; meant for a few fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Looks at the first value in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let start = skip_blanks(bytes, 0);
        let end = value_end(bytes, start)?;
        bytes.get(start..end).map(Self)
    }

    pub(crate) fn of_value(value: &'a [u8]) -> Self {
        Self(value)
    }

    /// The value as it is written.
    pub fn raw(self) -> &'a [u8] {
        self.0
    }

    /// A member of an object.
    pub fn get(self, name: &str) -> Option<View<'a>> {
        self.members().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// The value at a path of member names.
    pub fn at(self, path: &[&str]) -> Option<View<'a>> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// The members of an object; none for any other value.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, View<'a>)> {
        let mut members = Members::of(self.0);
        std::iter::from_fn(move || {
            let member = members.as_mut()?.step().ok().flatten()?;
            Some((unescape(member.name)?, View(member.value)))
        })
    }

    /// The elements of an array; none for any other value.
    pub fn elements(self) -> impl Iterator<Item = View<'a>> {
        let mut elements = Members::of_array(self.0);
        std::iter::from_fn(move || elements.as_mut()?.step_array().ok().flatten().map(View))
    }

    /// The text of a string.
    pub fn str(self) -> Option<Cow<'a, str>> {
        unescape(self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
    }

    /// The text of a string, a number or a boolean, as field selectors compare it.
    pub fn scalar(self) -> Option<Cow<'a, str>> {
        match self.0.first()? {
            b'"' => self.str(),
            b'{' | b'[' | b'n' => None,
            _ => std::str::from_utf8(self.0).ok().map(Cow::Borrowed),
        }
    }
}

/// What a string between quotes stands for.
pub(super) fn unescape(text: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', text).is_none() {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(text);
    quoted.push(b'"');
    serde_json::from_slice(&quoted).ok().map(Cow::Owned)
}
