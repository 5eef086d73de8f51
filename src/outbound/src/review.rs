//! Reviews: the documents in which webhooks of admission and of conversion are asked and answer.
//!
//! An answer is believed only if it is an answer to this question: of the same kind and version and with
//! the same uid. It is read by hand, since a derived reader would take a list for an object.

mod admission;
mod conversion;

use bytes::Bytes;
use portcullis_api::{Map, Value};

pub use admission::AdmissionAnswer;
pub use conversion::converted_objects;

/// A kind of review.
#[derive(Clone, Copy)]
pub struct ReviewKind {
    group: &'static str,
    kind: &'static str,
}

/// What admission webhooks are asked with.
pub const ADMISSION_REVIEW: ReviewKind = ReviewKind { group: "admission.k8s.io", kind: "AdmissionReview" };
/// What conversion webhooks are asked with.
pub const CONVERSION_REVIEW: ReviewKind =
    ReviewKind { group: "apiextensions.k8s.io", kind: "ConversionReview" };

/// A version of the reviews.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReviewVersion {
    /// The one that counts.
    V1,
    /// Its answers are not held to their uid and kind, as upstream.
    V1Beta1,
}

/// What is wrong with an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum InvalidReview {
    /// It is no review.
    Unreadable(String),
    /// It says what it must not, or that the webhook failed.
    Response(String),
}

impl ReviewVersion {
    /// The version of a name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "v1" => Some(Self::V1),
            "v1beta1" => Some(Self::V1Beta1),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Beta1 => "v1beta1",
        }
    }
}

impl ReviewKind {
    /// The body of a question.
    pub fn question(self, version: ReviewVersion, request: Value) -> Bytes {
        let mut review = Map::new();
        review.insert("kind".to_owned(), self.kind.into());
        review.insert("apiVersion".to_owned(), format!("{}/{}", self.group, version.as_str()).into());
        review.insert("request".to_owned(), request);
        Value::Object(review).to_string().into()
    }

    /// That an answer is of the kind that was asked with; `shown` shortens what is told of it.
    fn check(self, review: &Fields, shown: fn(&str) -> &str) -> Result<(), InvalidReview> {
        let (version, kind) = (review.text("apiVersion")?, review.text("kind")?);
        let wanted = format!("{}/v1", self.group);
        if version == wanted && kind == self.kind {
            return Ok(());
        }
        let slash = if version.contains('/') { "" } else { "/" };
        Err(InvalidReview::Response(format!(
            "expected webhook response of {wanted}, Kind={}, got {slash}{}, Kind={}",
            self.kind,
            shown(version),
            shown(kind)
        )))
    }
}

/// An object whose fields are taken one by one; null is as good as absent.
struct Fields(Map<String, Value>);

impl Fields {
    fn read(body: &[u8]) -> Result<Self, InvalidReview> {
        match serde_json::from_slice(body) {
            Ok(map) => Ok(Self(map)),
            // Only the place is told: the words around it are the body's.
            Err(error) => Err(unexpected(&format!("line {} column {}", error.line(), error.column()))),
        }
    }

    fn set(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    fn text(&self, field: &str) -> Result<&str, InvalidReview> {
        self.optional_text(field).map(Option::unwrap_or_default)
    }

    fn optional_text(&self, field: &str) -> Result<Option<&str>, InvalidReview> {
        self.set(field).map(|value| value.as_str().ok_or_else(|| unexpected(field))).transpose()
    }

    fn flag(&self, field: &str) -> Result<bool, InvalidReview> {
        self.set(field).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| unexpected(field)))
    }

    fn take(&mut self, field: &str) -> Result<Option<Self>, InvalidReview> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self(map))),
            Some(_) => Err(unexpected(field)),
        }
    }

    fn take_list(&mut self, field: &str) -> Result<Vec<Value>, InvalidReview> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(unexpected(field)),
        }
    }
}

fn unexpected(place: &str) -> InvalidReview {
    InvalidReview::Unreadable(format!("the response is no JSON of the expected form, at {place}"))
}
