//! The configuration of a server-side apply, as it is sent: YAML, or JSON, which is YAML.

use portcullis_api::{ApiError, Object, Value};

use super::body::{self, word};
use crate::decode::FieldValidation;
use crate::yaml::{self, Yaml};

/// What upstream's library says before what is wrong with a text.
const CONVERTING: &str = "error converting YAML to JSON: ";

/// An applied configuration that was read, for [`crate::managed::Request`].
#[derive(Debug)]
pub struct Configuration {
    /// The configuration as a tree.
    pub object: Object,
    duplicates: Option<String>,
}

impl Configuration {
    /// Reads a configuration.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let refuse = |why: &str| ApiError::bad_request(format!("error decoding YAML: {why}"));
        let yaml = read(body).map_err(|why| refuse(&format!("{CONVERTING}{why}")))?;
        let map = match yaml.value {
            Value::Object(map) => map,
            Value::Null => portcullis_api::Map::new(),
            other => {
                return Err(refuse(&format!(
                    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of \
                     type map[string]interface {{}}",
                    word(&other)
                )));
            }
        };
        let duplicates = yaml.duplicates.map(|why| format!("{CONVERTING}{why}"));
        Ok(Self { object: Object::new(map), duplicates })
    }

    /// What the client is warned of, or refused for, because of keys given twice. Upstream looks for them
    /// after the apply succeeded.
    pub fn warnings(&self, validation: FieldValidation) -> Result<Vec<String>, ApiError> {
        match (&self.duplicates, validation) {
            (Some(why), FieldValidation::Strict) => {
                Err(ApiError::bad_request(format!("error strict decoding YAML: {why}")))
            }
            (Some(why), FieldValidation::Warn) => Ok(vec![why.clone()]),
            _ => Ok(Vec::new()),
        }
    }
}

/// Most programs send JSON, which takes a fraction of the time to read as what it is. The two only differ
/// in broken numbers, in keys given twice, and in the words for mistakes.
fn read(text: &[u8]) -> Result<Yaml, String> {
    if text.starts_with(b"{")
        && let Ok(json) = body::read(text)
        && json.duplicates.is_empty()
        && is_whole(&json.value)
    {
        return Ok(Yaml { value: json.value, duplicates: None });
    }
    yaml::read(text)
}

/// Whether all numbers of a tree are whole. The parser bounded its depth.
fn is_whole(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64(),
        Value::Array(items) => items.iter().all(is_whole),
        Value::Object(members) => members.values().all(is_whole),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_yaml_would_be() {
        for text in [
            r#"{"a":1,"b":["x",null,true,{"c":-3}],"d":{},"e":"\u00e9\n\"<<"}"#,
            r#"{"a":1.0,"b":1e3,"c":-0,"d":123456789012345678901234567890,"e":0.5}"#,
            r#"{"a":1,"a":2,"b":{"c":1,"c":1}}"#,
            "{\"a\":\t1,\n\"on\":\"yes\",\"0x1\":\"0o7\"}\n",
            "{}",
        ] {
            let (fast, slow) = (read(text.as_bytes()).unwrap(), yaml::read(text.as_bytes()).unwrap());
            assert_eq!(fast.value, slow.value, "{text}");
            assert_eq!(fast.duplicates, slow.duplicates, "{text}");
        }
    }

    #[test]
    fn mistakes_keep_the_words_of_yaml() {
        for text in ["{\"a\":", "{\"a\":1}}", "{\"a\" 1}", "{a: b"] {
            assert_eq!(read(text.as_bytes()).err(), yaml::read(text.as_bytes()).err(), "{text}");
        }
        assert_eq!(read(b"{a: b}").unwrap().value, serde_json::json!({"a": "b"}));
    }
}
