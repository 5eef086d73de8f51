//! The question that is put to an admission webhook, and the patch in its answer.

use bytes::Bytes;
use portcullis_api::{Object, Value};
use portcullis_outbound::{ADMISSION_REVIEW, AdmissionAnswer, ReviewVersion};
use portcullis_schema::patch::JsonPatch;

use crate::attributes::Attributes;
use crate::expressions::request_tree;
use crate::shown::Shown;
use crate::target::Target;

/// The body of a question.
pub(super) fn question(
    write: &Attributes<'_>,
    (shown, target): (&Shown<'_>, &Target),
    version: ReviewVersion,
    uid: &str,
) -> Bytes {
    let mut request = request_tree(write, target);
    let mut put = |field: &str, value: Value| request.insert(field.to_owned(), value);
    put("uid", uid.into());
    put("object", typed(shown.object.as_deref(), target));
    put("oldObject", typed(shown.old.as_deref(), target));
    ADMISSION_REVIEW.question(version, request.into())
}

/// An object with its kind and version.
fn typed(object: Option<&Object>, target: &Target) -> Value {
    let Some(object) = object else { return Value::Null };
    let mut map = object.map().clone();
    map.insert("kind".to_owned(), (*target.kind.kind).into());
    map.insert("apiVersion".to_owned(), target.kind.gv.to_string().into());
    map.into()
}

/// The operations of an answer's patch.
///
/// # Errors
/// Why it is none.
pub(super) fn operations(answer: &AdmissionAnswer) -> Result<Option<JsonPatch>, String> {
    if answer.patch.is_empty() {
        return Ok(None);
    }
    let undecodable = |why: &str| format!("received undecodable patch in webhook response: {why}");
    let patch = JsonPatch::read(&answer.patch).map_err(|error| undecodable(error.message()))?;
    if patch.is_empty() {
        return Ok(None);
    }
    answer.check_patch_type()?;
    Ok(Some(patch))
}
