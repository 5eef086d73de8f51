//! Messages of any kind: what is read is in normal form, and writing it loses nothing.

use portcullis_schema::{FieldValidation, Kind, kinds, protobuf};

/// The first byte chooses the kind; the rest is its message, to which the envelope is added.
pub fn protobuf(input: &[u8]) {
    let Some((which, message)) = input.split_first() else { return };
    let Some(kind) = kinds().nth(usize::from(*which) % kinds().count()) else { return };
    let Ok(decoded) = kind.decode_protobuf(&enveloped(kind, message), FieldValidation::Warn) else { return };

    let mut again = decoded.object.clone();
    let problems = kind.normalize(&mut again, FieldValidation::Strict);
    assert_eq!(problems, Ok(Vec::new()), "a normal tree has no problems");
    assert_eq!(again, decoded.object, "normal form is stable");

    let bytes = protobuf::encode(kind, again.map()).expect("a normal tree has a message");
    let json = serde_json::to_vec(again.map()).expect("a tree is JSON");
    assert_eq!(protobuf::encode_json(kind, &json).ok().as_ref(), Some(&bytes), "its JSON has the same one");
    let returned = kind.decode_protobuf(&bytes, FieldValidation::Strict).map(|decoded| decoded.object);
    assert_eq!(returned, Ok(decoded.object), "what is written is read again");
}

fn enveloped(kind: &Kind, message: &[u8]) -> Vec<u8> {
    let type_meta = [field(1, kind.api_version().as_bytes()), field(2, kind.kind().as_bytes())].concat();
    [protobuf::MAGIC, &field(1, &type_meta), &field(2, message)].concat()
}

/// A field of bytes with a number below 16.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}
