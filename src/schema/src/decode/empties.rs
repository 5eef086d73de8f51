//! Empty lists and maps that Go writes as `null`, or not at all, once they were stored.
//!
//! A client that sends `[]` for a field that is never left out owns the field. The storage round trip
//! makes it nil, so decoding keeps what was sent and [`Kind::forget_empties`] runs after ownership. The same
//! happens to what is kept so that validation sees it.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::kind::Kind;
use crate::types::{Field, Omit, Struct, Type, types};

/// Whether a struct, or one below it, has a field that is never left out and holds a list or map.
static CONCERNED: LazyLock<Vec<bool>> = LazyLock::new(|| {
    let mut concerned: Vec<bool> =
        types().structs().map(|(_, schema)| schema.fields.iter().any(stays)).collect();
    loop {
        let more: Vec<usize> = types()
            .structs()
            .filter(|(id, schema)| {
                !known(&concerned, id.index()) && schema.fields.iter().any(|f| below(&concerned, &f.ty))
            })
            .map(|(id, _)| id.index() as usize)
            .collect();
        if more.is_empty() {
            return concerned;
        }
        for at in more {
            if let Some(slot) = concerned.get_mut(at) {
                *slot = true;
            }
        }
    }
});

fn known(concerned: &[bool], index: u32) -> bool {
    concerned.get(index as usize).copied().unwrap_or(false)
}

fn below(concerned: &[bool], ty: &Type) -> bool {
    match ty {
        Type::Struct(id) => known(concerned, id.index()),
        Type::List(of) | Type::Map(of) => below(concerned, of),
        _ => false,
    }
}

/// Whether Go writes the field even when it is nil.
pub(super) fn is_never_nil(field: &Field) -> bool {
    !field.pointer && field.shown_when_absent() && matches!(field.ty, Type::List(_) | Type::Map(_))
}

/// Whether decoding leaves the field there when it was sent empty.
pub(super) fn stays(field: &Field) -> bool {
    is_never_nil(field) || field.omit == Omit::Kept
}

impl Kind {
    /// Brings empty lists and maps into the form they have once they were stored.
    pub fn forget_empties(&self, object: &mut portcullis_api::Object) {
        forget_fields(self.root_struct(), object.map_mut());
    }
}

fn forget_fields(schema: &Struct, map: &mut Map<String, Value>) {
    for field in schema.fields.iter().filter(|field| stays(field) || below(&CONCERNED, &field.ty)) {
        let Some(value) = map.get_mut(field.json) else { continue };
        let empty =
            value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
        match empty && stays(field) {
            true if field.omit == Omit::Kept => drop(map.remove(field.json)),
            true => *value = Value::Null,
            false => forget_value(&field.ty, value),
        }
    }
}

/// Trees come out of the decoder, which bounds their depth.
fn forget_value(ty: &Type, value: &mut Value) {
    match (ty, value) {
        (Type::Struct(id), Value::Object(map)) if known(&CONCERNED, id.index()) => {
            forget_fields(types().get(*id), map);
        }
        (Type::List(of), Value::Array(list)) if below(&CONCERNED, of) => {
            list.iter_mut().for_each(|value| forget_value(of, value));
        }
        (Type::Map(of), Value::Object(map)) if below(&CONCERNED, of) => {
            map.values_mut().for_each(|value| forget_value(of, value));
        }
        _ => {}
    }
}
