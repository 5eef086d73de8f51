//! Messages of structs that JSON inlines: their members are gathered until all are known.

use super::wire::Writer;
use crate::types::{Field, Struct};

/// The messages inlined into a struct's, in the order of their first fields.
pub(super) struct Inlined(Vec<Message>);

/// One of them: where it stands, and what was written into it so far.
struct Message {
    path: &'static [u8],
    written: Writer,
}

impl Inlined {
    /// None for the many structs that have none.
    pub(super) fn of(schema: &'static Struct) -> Option<Self> {
        if !schema.inlines {
            return None;
        }
        let mut messages = Vec::<Message>::new();
        for field in schema.fields.iter().filter(|field| field.proto.number != 0) {
            let around = around(field);
            for length in 1..=around.len() {
                let path = around.get(..length).unwrap_or_default();
                if messages.iter().all(|message| message.path != path) {
                    messages.push(Message { path, written: Writer::default() });
                }
            }
        }
        Some(Self(messages))
    }

    /// Where a field is to be written; none if it stands in the struct's own message.
    pub(super) fn target(&mut self, field: &'static Field) -> Option<&mut Writer> {
        let around = around(field);
        self.0.iter_mut().find(|message| message.path == around).map(|message| &mut message.written)
    }

    /// Writes all of them, empty ones as well, as Go does.
    pub(super) fn write(self, writer: &mut Writer) {
        self.below(writer, &[]);
    }

    fn below(&self, writer: &mut Writer, path: &[u8]) {
        for message in &self.0 {
            if let Some([number]) = message.path.strip_prefix(path) {
                writer.message(*number, |inner| {
                    inner.append(&message.written);
                    self.below(inner, message.path);
                });
            }
        }
    }
}

/// The numbers of the messages around a field.
fn around(field: &'static Field) -> &'static [u8] {
    field.proto.path().split_last().map_or(&[], |(_, around)| around)
}
