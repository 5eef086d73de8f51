//! The configuration of a server-side apply, as it is sent: YAML, or JSON, which is YAML.

use portcullis_api::{ApiError, Object, Value};

use super::body::word;
use crate::decode::FieldValidation;
use crate::yaml;

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
        let yaml = yaml::read(body).map_err(|why| refuse(&format!("{CONVERTING}{why}")))?;
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
