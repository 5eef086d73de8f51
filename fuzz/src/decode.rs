//! Bodies of any kind, in JSON, YAML or protobuf: what decodes is in normal form, and the other two keep it.

use portcullis_schema::{FieldValidation, MediaType, decode_body, kinds, protobuf, yaml};

/// The first byte chooses the kind, the second the media type; the rest is the body.
pub fn decode(input: &[u8]) {
    let Some(([which, media], body)) = input.split_first_chunk() else { return };
    let count = kinds().count();
    let Some(kind) = kinds().nth(usize::from(*which) % count) else { return };
    let media = match media % 3 {
        0 => MediaType::Json,
        1 => MediaType::Yaml,
        _ => MediaType::Protobuf,
    };
    let Ok(decoded) = decode_body(kind, body, media, FieldValidation::Warn) else { return };

    let mut again = decoded.object.clone();
    let problems = kind.normalize(&mut again, FieldValidation::Strict);
    assert_eq!(problems, Ok(Vec::new()), "a normal tree has no problems");
    assert_eq!(again, decoded.object, "normal form is stable");

    let bytes = protobuf::encode(kind, decoded.object.map()).expect("a normal tree has a message");
    let returned = kind.decode_protobuf(&bytes, FieldValidation::Strict);
    assert_eq!(returned.map(|decoded| decoded.object), Ok(decoded.object.clone()), "protobuf keeps the tree");

    let text = yaml::to_string(&decoded.object.into());
    let read = yaml::read(text.as_bytes()).map(|yaml| yaml.value);
    assert!(read.is_ok(), "what is written can be read: {read:?}");
}
