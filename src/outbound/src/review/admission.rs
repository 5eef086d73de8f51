//! The answers of admission webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::field::go_quote;
use portcullis_api::{Map, Value};

use super::{ADMISSION_REVIEW, Fields, InvalidReview, ReviewVersion, unexpected};

const JSON_PATCH: &str = "JSONPatch";
const MAX_SHOWN: usize = 256;

/// What an admission webhook says.
#[derive(Debug)]
pub struct AdmissionAnswer {
    /// Whether the request may go on.
    pub allowed: bool,
    /// Its words of refusal.
    pub status: Option<Map<String, Value>>,
    /// The patch as it was sent; empty for none, and for a webhook that may not change anything.
    pub patch: Vec<u8>,
    patch_type: String,
    /// What the client is to be warned of.
    pub warnings: Vec<String>,
    /// What goes into the audit event.
    pub annotations: Vec<(String, String)>,
}

impl AdmissionAnswer {
    /// Reads an answer. `mutates` tells whether it may hold a patch.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words, without the words around it.
    pub fn read(
        body: &[u8],
        version: ReviewVersion,
        uid: &str,
        mutates: bool,
    ) -> Result<Self, InvalidReview> {
        let mut review = Fields::read(body)?;
        let response = review.take("response")?.ok_or_else(|| refuse("webhook response was absent"))?;
        if version == ReviewVersion::V1 {
            let got = response.text("uid")?;
            if got != uid {
                let (uid, got) = (go_quote(uid), go_quote(short(got)));
                return Err(refuse(format!("expected response.uid={uid}, got {got}")));
            }
            ADMISSION_REVIEW.check(&review, short)?;
        }
        Self::of(response, version, mutates)
    }

    fn of(mut response: Fields, version: ReviewVersion, mutates: bool) -> Result<Self, InvalidReview> {
        let patch = STANDARD
            .decode(response.text("patch")?)
            .map_err(|_| refuse("response.patch is not in base 64"))?;
        let kind = response.optional_text("patchType")?;
        if version == ReviewVersion::V1 {
            let checked = if mutates { with_patch(&patch, kind) } else { without_patch(&patch, kind) };
            checked.map_err(refuse)?;
        }
        // The old version knew no other.
        let patch_type = if version == ReviewVersion::V1 { kind.unwrap_or_default() } else { JSON_PATCH };
        Ok(Self {
            allowed: response.flag("allowed")?,
            patch: if mutates { patch } else { Vec::new() },
            patch_type: patch_type.to_owned(),
            warnings: texts(response.take_list("warnings")?)?,
            annotations: annotations(response.take("auditAnnotations")?),
            status: response.take("status")?.map(|status| status.0),
        })
    }

    /// That the patch is one that is known how to be applied.
    ///
    /// # Errors
    /// The words of it.
    pub fn check_patch_type(&self) -> Result<(), String> {
        if self.patch_type == JSON_PATCH {
            return Ok(());
        }
        Err(format!("unsupported patch type {}", go_quote(short(&self.patch_type))))
    }
}

fn refuse(words: impl Into<String>) -> InvalidReview {
    InvalidReview::Response(words.into())
}

/// As much of a webhook's text as a message shows.
fn short(text: &str) -> &str {
    text.char_indices().nth(MAX_SHOWN).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn without_patch(patch: &[u8], kind: Option<&str>) -> Result<(), &'static str> {
    match kind {
        _ if !patch.is_empty() => Err("validating webhook may not return response.patch"),
        Some(_) => Err("validating webhook may not return response.patchType"),
        None => Ok(()),
    }
}

fn with_patch(patch: &[u8], kind: Option<&str>) -> Result<(), &'static str> {
    match kind {
        None if !patch.is_empty() => Err("webhook returned response.patch but not response.patchType"),
        Some(_) if patch.is_empty() => Err("webhook returned response.patchType but not response.patch"),
        Some("") => Err("webhook returned invalid response.patchType of \"\""),
        _ => Ok(()),
    }
}

fn texts(list: Vec<Value>) -> Result<Vec<String>, InvalidReview> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        _ => Err(unexpected("warnings")),
    };
    list.into_iter().map(text).collect()
}

fn annotations(fields: Option<Fields>) -> Vec<(String, String)> {
    let entries = fields.into_iter().flat_map(|fields| fields.0);
    entries.filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(review: &Value, version: ReviewVersion, mutates: bool) -> Result<AdmissionAnswer, InvalidReview> {
        AdmissionAnswer::read(review.to_string().as_bytes(), version, "u", mutates)
    }

    fn review(response: Value) -> Value {
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
    }

    fn refused(review: &Value, mutates: bool) -> String {
        match read(review, ReviewVersion::V1, mutates) {
            Err(InvalidReview::Response(words) | InvalidReview::Unreadable(words)) => words,
            Ok(answer) => panic!("believed: {answer:?}"),
        }
    }

    #[test]
    fn an_answer_is_one_to_this_question_and_of_its_stage() {
        let patch = review(json!({ "uid": "u", "allowed": true, "patch": "W10=", "patchType": "JSONPatch" }));
        assert!(read(&patch, ReviewVersion::V1, true).unwrap().check_patch_type().is_ok());
        assert_eq!(refused(&patch, false), "validating webhook may not return response.patch");
        let nameless = review(json!({ "allowed": true }));
        assert_eq!(refused(&nameless, true), "expected response.uid=\"u\", got \"\"");
        let bare = json!({ "response": { "allowed": true, "uid": "u" } });
        assert_eq!(
            refused(&bare, true),
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="
        );
        assert!(read(&bare, ReviewVersion::V1Beta1, true).unwrap().allowed, "as upstream");
    }

    #[test]
    fn a_list_is_no_object_and_nothing_is_guessed() {
        let listed = json!(["admission.k8s.io/v1", "AdmissionReview", ["u", true]]);
        assert!(refused(&listed, true).starts_with("the response is no JSON of the expected form, at line"));
        for (field, value) in [("allowed", json!("true")), ("uid", json!(5)), ("warnings", json!([1]))] {
            let mut response = json!({ "uid": "u", "allowed": true });
            response[field] = value;
            let words = refused(&review(response), true);
            assert_eq!(words, format!("the response is no JSON of the expected form, at {field}"));
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_anything(uid in ".*", patch in ".*", kind in proptest::option::of(".*"), mutates: bool) {
            let answer = json!({ "uid": uid, "allowed": true, "patch": patch, "patchType": kind });
            let _ = read(&review(answer), ReviewVersion::V1Beta1, mutates);
        }
    }
}
