//! The way to a value, as a list on the stack; it becomes a path when an error is told.

use portcullis_api::field::{Error, ErrorList, Path, Shown};

/// One step of the way and the steps before it.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Root,
    /// A path from elsewhere.
    Base(&'a Path),
    Field(&'a At<'a>, &'a str),
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub(super) fn child(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    pub(super) fn path(&self) -> Path {
        match self {
            Self::Root => Path::root(),
            Self::Base(path) => (*path).clone(),
            Self::Field(parent, name) => parent.path().child(name),
            Self::Key(parent, name) => parent.path().key(name),
            Self::Index(parent, index) => parent.path().index(*index),
        }
    }

    pub(super) fn key(&'a self, name: &'a str) -> Self {
        Self::Key(self, name)
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }

    /// Tells that a value is missing.
    pub(super) fn required(&self, errors: &mut ErrorList, words: impl Into<String>) {
        errors.push(Error::required(&self.path(), words));
    }

    /// Tells that a value is malformed.
    pub(super) fn invalid(&self, errors: &mut ErrorList, value: impl Shown, words: impl Into<String>) {
        errors.push(Error::invalid(&self.path(), value, words));
    }

    /// Tells that a value may not be set.
    pub(super) fn forbidden(&self, errors: &mut ErrorList, words: impl Into<String>) {
        errors.push(Error::forbidden(&self.path(), words));
    }

    /// Tells that a value is none of those supported.
    pub(super) fn not_supported(&self, errors: &mut ErrorList, value: &str, supported: &[&str]) {
        errors.push(Error::not_supported(&self.path(), value, supported));
    }
}
