//! The JSON that programs send where YAML is read.
//!
//! Reading it as JSON is several times cheaper. Only what both languages read alike is taken: one line of plain
//! ASCII with the escapes both have, whole numbers, no key twice. Everything else is YAML's.

use std::fmt;

use portcullis_api::{Map, Value};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// YAML reads no longer keys without a question mark before them.
const KEY: usize = 1000;
const DEPTH: usize = 100;

/// The tree, if both languages see the same.
pub(super) fn read(text: &str) -> Option<Value> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    if !line.starts_with('{') || !is_common(line.as_bytes()) {
        return None;
    }
    let mut json = serde_json::Deserializer::from_str(line);
    let value = Tree(DEPTH).deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(value)
}

/// Whether all bytes and escapes mean the same in both.
fn is_common(line: &[u8]) -> bool {
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        let known = match byte {
            b'\\' => bytes.next().is_some_and(|escaped| b"ntrbf\"\\".contains(escaped)),
            other => (0x20..0x7f).contains(other),
        };
        if !known {
            return false;
        }
    }
    true
}

/// Reads a tree of so many levels at most.
struct Tree(usize);

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what both languages read alike")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map(Value::from).map_err(|_| E::custom("a large number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = list.next_element_seed(self.below()?)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.below()?)?;
            // YAML merges what `<<` holds.
            if key.len() > KEY || key == "<<" || all.insert(key, value).is_some() {
                return Err(A::Error::custom("a key that YAML reads otherwise"));
            }
        }
        Ok(Value::Object(all))
    }
}

impl Tree {
    fn below<E: Error>(&self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("a deep tree"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::yaml::compose;

    /// Reads by both, and sees that they agree.
    fn both(text: &str) -> Option<Value> {
        let read = read(text);
        if let Some(value) = &read {
            let yaml = compose::document(text).unwrap();
            assert_eq!((&yaml.value, yaml.duplicates), (value, None), "{text}");
        }
        read
    }

    #[test]
    fn what_programs_send_is_read_as_json() {
        for text in [
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"a\n\tb\"\\"}}"#,
            "{\"a\": [1, -2, true, false, null, {}, [], \"\", \"1\", \"yes\", \"~\", \"0x1\"]}\n",
            r##"{"# no comment": "a: b", "- x": "&a *b !c %d @e `f | > ' ?"}"##,
            "{}",
        ] {
            assert!(both(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_read_otherwise_is_left_to_yaml() {
        let long = format!("{{{:?}:1}}", "k".repeat(2000));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        for text in [
            "a: 1",
            "[1]",
            "",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1.5}",
            "{\"a\":1e3}",
            "{\"a\":18446744073709551615}",
            "{\"a\":-0}",
            "{\"a\":\"\\u0041\"}",
            "{\"a\":\"\\/\"}",
            "{\"a\":\"é\"}",
            "{\n\"a\":1}",
            "{\"a\":1}\n---\n",
            "{\"a\":1} x",
            "{\"<<\":{\"b\":1}}",
            "{a: 1}",
            "{\"a\":1,}",
            "{\"a\":\"\u{7f}\"}",
            &long,
            &deep,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    fn tree() -> impl Strategy<Value = Value> {
        let text = "[ -~\n\t]{0,12}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_readers_agree(value in tree()) {
            both(&json!({ "a": value }).to_string());
        }
    }
}
