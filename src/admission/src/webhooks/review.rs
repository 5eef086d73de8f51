//! `AdmissionReview`: the question that is put to a webhook, and what its answer says.
//!
//! An answer is believed only if it is an answer to this question: the same uid, the same kind and version,
//! and for a validating webhook no attempt to change anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use portcullis_api::field::go_quote;
use portcullis_api::{Map, Object, Value};
use portcullis_outbound::Reply;
use portcullis_schema::patch::JsonPatch;
use serde::Deserialize;

use crate::attributes::Attributes;
use crate::expressions::request_tree;
use crate::shown::Shown;
use crate::target::Target;

const GROUP: &str = "admission.k8s.io";
const KIND: &str = "AdmissionReview";
const JSON_PATCH: &str = "JSONPatch";
const MAX_SHOWN: usize = 256;

/// A version of the reviews.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    V1,
    /// Its answers are not held to their uid, kind and patch type, as upstream.
    V1Beta1,
}

impl Version {
    pub(super) fn named(name: &str) -> Option<Self> {
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

/// The body of a question.
pub(super) fn question(
    write: &Attributes<'_>,
    (shown, target): (&Shown<'_>, &Target),
    version: Version,
    uid: &str,
) -> Bytes {
    let mut request = request_tree(write, target);
    let mut put = |field: &str, value: Value| request.insert(field.to_owned(), value);
    put("uid", uid.into());
    put("object", typed(shown.object.as_deref(), target));
    put("oldObject", typed(shown.old.as_deref(), target));
    let mut review = Map::new();
    review.insert("kind".to_owned(), KIND.into());
    review.insert("apiVersion".to_owned(), format!("{GROUP}/{}", version.as_str()).into());
    review.insert("request".to_owned(), request.into());
    Value::Object(review).to_string().into()
}

/// An object with its kind and version.
fn typed(object: Option<&Object>, target: &Target) -> Value {
    let Some(object) = object else { return Value::Null };
    let mut map = object.map().clone();
    map.insert("kind".to_owned(), (*target.kind.kind).into());
    map.insert("apiVersion".to_owned(), target.kind.gv.to_string().into());
    map.into()
}

/// What a webhook says.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    /// Its words of refusal.
    pub(super) status: Option<Map<String, Value>>,
    /// The JSON patch as it was sent; empty for none.
    pub(super) patch: Vec<u8>,
    /// The type it is said to have.
    pub(super) patch_type: String,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: Option<String>,
    kind: Option<String>,
    response: Option<Response>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: Option<String>,
    allowed: Option<bool>,
    status: Option<Map<String, Value>>,
    patch: Option<String>,
    patch_type: Option<String>,
    audit_annotations: Option<Map<String, Value>>,
    warnings: Option<Vec<String>>,
}

/// Reads an answer. `mutates` tells whether it may hold a patch.
///
/// # Errors
/// What is wrong with it, in upstream's words, without the words around it.
pub(super) fn answer(reply: &Reply, version: Version, uid: &str, mutates: bool) -> Result<Answer, Invalid> {
    let review: Review = reply.json().map_err(|error| Invalid::Unreadable(error.cause().to_string()))?;
    verify(review, version, uid, mutates).map_err(Invalid::Response)
}

/// What is wrong with an answer.
#[derive(Debug)]
pub(super) enum Invalid {
    /// It is no review.
    Unreadable(String),
    /// It says what it must not.
    Response(String),
}

fn verify(review: Review, version: Version, uid: &str, mutates: bool) -> Result<Answer, String> {
    let response = review.response.ok_or("webhook response was absent")?;
    let text = |field: Option<String>| field.unwrap_or_default();
    if version == Version::V1 {
        let got = text(response.uid);
        if got != uid {
            return Err(format!("expected response.uid={}, got {}", go_quote(uid), go_quote(short(&got))));
        }
        let (api_version, kind) = (text(review.api_version), text(review.kind));
        if api_version != format!("{GROUP}/v1") || kind != KIND {
            let shown = if api_version.contains('/') { api_version } else { format!("/{api_version}") };
            let (shown, kind) = (short(&shown), short(&kind));
            return Err(format!(
                "expected webhook response of {GROUP}/v1, Kind={KIND}, got {shown}, Kind={kind}"
            ));
        }
    }
    let patch = STANDARD.decode(text(response.patch)).map_err(|_| "response.patch is not in base 64")?;
    let kind = response.patch_type.as_deref();
    if mutates {
        check_patch(version, &patch, kind)?;
    } else if version == Version::V1 {
        if !patch.is_empty() {
            return Err("validating webhook may not return response.patch".to_owned());
        }
        if kind.is_some() {
            return Err("validating webhook may not return response.patchType".to_owned());
        }
    }
    let annotations = response.audit_annotations.into_iter().flatten();
    Ok(Answer {
        allowed: response.allowed.unwrap_or_default(),
        status: response.status,
        patch: if mutates { patch } else { Vec::new() },
        // The old version knew no other.
        patch_type: if version == Version::V1 { text(response.patch_type) } else { JSON_PATCH.to_owned() },
        warnings: response.warnings.unwrap_or_default(),
        annotations: annotations.filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect(),
    })
}

/// As much of a webhook's text as a message shows.
fn short(text: &str) -> &str {
    text.char_indices().nth(MAX_SHOWN).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn check_patch(version: Version, patch: &[u8], kind: Option<&str>) -> Result<(), String> {
    match kind {
        _ if version == Version::V1Beta1 => Ok(()),
        None if !patch.is_empty() => {
            Err("webhook returned response.patch but not response.patchType".to_owned())
        }
        Some(_) if patch.is_empty() => {
            Err("webhook returned response.patchType but not response.patch".to_owned())
        }
        Some("") => Err("webhook returned invalid response.patchType of \"\"".to_owned()),
        _ => Ok(()),
    }
}

impl Answer {
    /// The operations of the patch.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn operations(&self) -> Result<Option<JsonPatch>, String> {
        if self.patch.is_empty() {
            return Ok(None);
        }
        let undecodable = |why: &str| format!("received undecodable patch in webhook response: {why}");
        let patch = JsonPatch::read(&self.patch).map_err(|error| undecodable(error.message()))?;
        if patch.is_empty() {
            return Ok(None);
        }
        if self.patch_type != JSON_PATCH {
            return Err(format!("unsupported patch type {}", go_quote(short(&self.patch_type))));
        }
        Ok(Some(patch))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn verified(review: Value, version: Version, mutates: bool) -> Result<Answer, String> {
        let review: Review = serde_json::from_value(review).map_err(|why| why.to_string())?;
        verify(review, version, "u", mutates)
    }

    fn review(response: Value) -> Value {
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
    }

    #[test]
    fn an_answer_is_one_to_this_question_and_of_its_stage() {
        let patch = json!({ "uid": "u", "allowed": true, "patch": "W10=", "patchType": "JSONPatch" });
        assert!(verified(review(patch.clone()), Version::V1, true).is_ok());
        assert_eq!(
            verified(review(patch), Version::V1, false).unwrap_err(),
            "validating webhook may not return response.patch"
        );
        assert_eq!(
            verified(review(json!({ "allowed": true })), Version::V1, true).unwrap_err(),
            "expected response.uid=\"u\", got \"\""
        );
        let bare = json!({ "response": { "allowed": true, "uid": "u" } });
        assert_eq!(
            verified(bare.clone(), Version::V1, true).unwrap_err(),
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="
        );
        assert!(verified(bare, Version::V1Beta1, true).unwrap().allowed, "as upstream");
    }

    proptest! {
        #[test]
        fn no_answer_breaks_anything(uid in ".*", patch in ".*", kind in proptest::option::of(".*"), mutates: bool) {
            let answer = json!({ "uid": uid, "allowed": true, "patch": patch, "patchType": kind });
            if let Ok(answer) = verified(review(answer), Version::V1, mutates) {
                let _ = answer.operations();
            }
        }
    }
}
