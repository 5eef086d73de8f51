//! Objects that are read from objects only. A derived reader also takes a list of the values in the order of
//! the fields, so that `["jane"]` would read as a user.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// A value that was read from an object.
pub(crate) struct Mapping<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Mapping<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        object(from).map(Self)
    }
}

/// An object.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_map(Only(PhantomData, None))
}

/// An object, or null for an empty one.
pub(crate) fn object_or_null<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    from.deserialize_any(Only(PhantomData, Some(T::default)))
}

/// An object that need not be there.
pub(crate) fn optional<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Mapping<T>>::deserialize(from)?.map(|Mapping(value)| value))
}

/// What is not there, or null.
pub(crate) fn or_null<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

struct Only<T>(PhantomData<T>, Option<fn() -> T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Only<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        match self.1 {
            Some(empty) => Ok(empty()),
            None => Err(E::invalid_type(serde::de::Unexpected::Unit, &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Deserialize)]
    struct Named {
        name: String,
        #[serde(default, deserialize_with = "optional")]
        inner: Option<Inner>,
    }

    #[derive(Deserialize)]
    struct Inner {
        #[serde(default, deserialize_with = "or_null")]
        list: Vec<String>,
    }

    fn read(text: &str) -> Option<Named> {
        serde_json::from_str::<Mapping<Named>>(text).ok().map(|Mapping(named)| named)
    }

    #[test]
    fn only_objects_are_objects() {
        let named = read(r#"{"name": "a", "inner": {"list": ["x"]}}"#).unwrap();
        assert_eq!((&*named.name, named.inner.unwrap().list.len()), ("a", 1));
        assert!(read(r#"{"name": "a", "inner": null}"#).unwrap().inner.is_none());
        assert!(read(r#"{"name": "a", "inner": {"list": null}}"#).unwrap().inner.unwrap().list.is_empty());
        for bad in [
            r#"["a"]"#,
            r#"["a", null]"#,
            r#"{"name": "a", "inner": [["x"]]}"#,
            "null",
            r#"{"name":"a","name":"b"}"#,
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
