//! Request bodies: JSON or YAML in, a tree or the answer to the client out.

use std::fmt::Write as _;

use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, Gvk, Value};

use super::{DecodeError, Decoded, FieldValidation, syntax, valid_utf8};
use crate::kind::Kind;
use crate::yaml;

/// How much of a body an error shows.
const SUMMARY: usize = 30;

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaType {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

/// Any JSON or YAML, and what strict field validation objects to.
#[derive(Debug)]
pub struct Untyped {
    /// The tree as it was written.
    pub value: Value,
    /// Duplicate fields, in upstream's words.
    pub problems: Vec<String>,
}

/// Reads a request body as an object of a kind. Problems are left in the result to warn of, except under
/// [`FieldValidation::Strict`], where they are the error.
pub fn decode_body(
    kind: &Kind,
    body: &[u8],
    media: MediaType,
    validation: FieldValidation,
) -> Result<Decoded, ApiError> {
    let decoded = match media {
        MediaType::Json => kind.decode(body, validation),
        MediaType::Yaml => kind.decode_yaml(body, validation),
        MediaType::Protobuf => kind.decode_protobuf(body, validation),
    };
    let decoded = decoded.and_then(|decoded| match decoded.problems.as_slice() {
        [_, ..] if validation == FieldValidation::Strict => {
            Err(DecodeError::strict(kind.gvk(), &decoded.problems))
        }
        _ => Ok(decoded),
    });
    decoded.map_err(|error| error.into_api_error(kind.kind(), kind.api_version(), body))
}

/// Reads a body without a schema, as for custom resources. The error has only its own words; the
/// sentence around it is made by [`DecodeError::into_api_error`].
pub fn decode_untyped(body: &[u8], media: MediaType) -> Result<Untyped, DecodeError> {
    match media {
        MediaType::Json => {
            let text = valid_utf8(body);
            super::untyped(&text).map_err(|refused| {
                let mistake = syntax::mistake(body).or(refused).unwrap_or_default();
                DecodeError::Unrecognized {
                    message: format!("couldn't get version/kind; json parse error: {mistake}"),
                }
            })
        }
        MediaType::Yaml => {
            let yaml = yaml::read(body).map_err(|message| DecodeError::Unrecognized { message })?;
            Ok(Untyped { value: yaml.value, problems: yaml.duplicates.into_iter().collect() })
        }
        MediaType::Protobuf => {
            Err(DecodeError::Unrecognized { message: "object has no protobuf form".to_owned() })
        }
    }
}

impl DecodeError {
    /// The error for problems under strict field validation.
    pub fn strict(gvk: &Gvk, problems: &[String]) -> Self {
        Self::Mishandled {
            kind: gvk.kind.as_ref().to_owned(),
            version: gvk.gv.version.as_ref().to_owned(),
            message: format!("strict decoding error: {}", problems.join(", ")),
        }
    }

    /// The answer to a client that sent `body` where an object of `kind` in `api_version` is wanted.
    pub fn into_api_error(self, kind: &str, api_version: &str, body: &[u8]) -> ApiError {
        ApiError::bad_request(match self {
            Self::Unrecognized { message } => {
                let summary = summary(body);
                format!("the object provided is unrecognized (must be of type {kind}): {message} ({summary})")
            }
            Self::Mishandled { kind: found, version, message } => {
                format!("{found} in version {} cannot be handled as a {kind}: {message}", go_quote(&version))
            }
            Self::OtherVersion { found } => format!(
                "the API version in the data ({found}) does not match the expected API version ({api_version})"
            ),
        })
    }
}

/// The start of a body: as text if it may be JSON, else in hexadecimal digits.
fn summary(body: &[u8]) -> String {
    let Some(first) = body.first() else { return "<empty>".to_owned() };
    let start = body.get(..SUMMARY).unwrap_or(body);
    let mut summary = if *first == b'{' {
        String::from_utf8_lossy(start).into_owned()
    } else {
        start.iter().fold(String::new(), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
    };
    if body.len() > SUMMARY {
        summary.push_str(" ...");
    }
    summary
}
