//! The answers of conversion webhooks.

use portcullis_api::Value;
use portcullis_api::field::go_quote;

use super::{CONVERSION_REVIEW, Fields, InvalidReview, ReviewVersion};

/// As much of a webhook's words is passed on.
const MAX_MESSAGE: usize = 4096;

/// The objects of an answer, as they were sent.
///
/// # Errors
/// Why it is no answer to this question, or what the webhook says went wrong.
pub fn converted_objects(
    body: &[u8],
    version: ReviewVersion,
    uid: &str,
) -> Result<Vec<Value>, InvalidReview> {
    let mut review = Fields::read(body)?;
    if version == ReviewVersion::V1 {
        CONVERSION_REVIEW.check(&review, short)?;
    }
    let refuse = |words: String| Err(InvalidReview::Response(words));
    let Some(mut response) = review.take("response")? else {
        return refuse("no response provided".to_owned());
    };
    let got = response.text("uid")?;
    if version == ReviewVersion::V1 && got != uid {
        return refuse(format!("expected response.uid={}, got {}", go_quote(uid), go_quote(short(got))));
    }
    let result = response.take("result")?.unwrap_or(Fields(portcullis_api::Map::new()));
    match (result.text("status")?, result.text("message")?) {
        ("Success", _) => response.take_list("convertedObjects"),
        (status, "") => refuse(format!("response.result.status was '{}', not 'Success'", short(status))),
        (_, message) => refuse(short(message).to_owned()),
    }
}

fn short(text: &str) -> &str {
    text.char_indices().nth(MAX_MESSAGE).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(review: &Value, version: ReviewVersion) -> Result<Vec<Value>, InvalidReview> {
        converted_objects(review.to_string().as_bytes(), version, "u")
    }

    #[test]
    fn objects_are_taken_from_a_success_only() {
        let review = |result: Value| {
            json!({
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "ConversionReview",
                "response": { "uid": "u", "result": result, "convertedObjects": [{}] },
            })
        };
        let refused = |result: Value| match read(&review(result), ReviewVersion::V1) {
            Err(InvalidReview::Response(words)) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&review(json!({ "status": "Success" })), ReviewVersion::V1), Ok(vec![json!({})]));
        assert_eq!(refused(json!({})), "response.result.status was '', not 'Success'");
        assert_eq!(refused(json!({ "status": "Failure", "message": "no" })), "no");
        assert_eq!(refused(json!({ "message": "x".repeat(9999) })).len(), MAX_MESSAGE);
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let bare = json!({ "response": { "uid": "v", "result": { "status": "Success" } } });
        assert!(read(&bare, ReviewVersion::V1).is_err());
        assert_eq!(read(&bare, ReviewVersion::V1Beta1), Ok(Vec::new()), "as upstream");
        let listed = json!([1, 2, ["u"]]);
        assert!(matches!(read(&listed, ReviewVersion::V1Beta1), Err(InvalidReview::Unreadable(_))));
    }
}
