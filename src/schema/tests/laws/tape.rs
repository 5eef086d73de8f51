//! Choices, from which objects are made.
//!
//! A tape that ends means the least everywhere, so that shorter tapes are smaller objects and a failing
//! one shrinks. [`Tape::everything`] never ends and says yes to every field.

use portcullis_schema::types::{Field, Struct};

/// Choices, read one after the other.
pub(crate) struct Tape<'t> {
    source: Source<'t>,
    /// Whether values may come in another form than the one they are written in.
    pub(crate) odd: bool,
    /// Fields that no object gets.
    pub(crate) skipped: fn(&Field) -> bool,
}

enum Source<'t> {
    Bytes(&'t [u8]),
    Everything(usize),
}

impl<'t> Tape<'t> {
    /// The choices that bytes stand for. All values are as they are written.
    pub(crate) fn new(bytes: &'t [u8]) -> Self {
        Self { source: Source::Bytes(bytes), odd: false, skipped: |_| false }
    }

    /// Every field of every struct, with ever other values.
    pub(crate) fn everything() -> Self {
        Self { source: Source::Everything(0), odd: false, skipped: |_| false }
    }

    /// The same choices, among them values in other forms than they are written in.
    pub(crate) fn odd(self) -> Self {
        Self { odd: true, ..self }
    }

    /// The same choices without some fields.
    pub(crate) fn without(self, skipped: fn(&Field) -> bool) -> Self {
        Self { skipped, ..self }
    }

    /// A number below `count`; the least where the tape ended.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        match &mut self.source {
            Source::Bytes(bytes) => {
                let Some((first, rest)) = bytes.split_first() else { return 0 };
                *bytes = rest;
                usize::from(*first) % count.max(1)
            }
            Source::Everything(at) => {
                *at += 1;
                *at % count.max(1)
            }
        }
    }

    /// How many items a list or map has.
    pub(crate) fn few(&mut self) -> usize {
        match self.source {
            Source::Bytes(_) => self.below(4),
            Source::Everything(_) => 2,
        }
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// The places of the fields that a struct gets.
    pub(crate) fn fields(&mut self, schema: &Struct, is_root: bool) -> Vec<usize> {
        let all = schema.fields.len();
        match self.source {
            Source::Everything(_) => (0..all).collect(),
            Source::Bytes(_) if is_root => (0..all).filter(|_| self.below(4) != 0).collect(),
            Source::Bytes(_) => {
                let count = self.below(5).min(all);
                (0..count).map(|_| self.below(all)).collect()
            }
        }
    }
}
