//! Questions about access, asked as objects.
//!
//! Each function takes the decoded review (metadata included) and yields its `status`. Whoever may
//! create the review was decided by the gate as for any other request.

mod attributes;
mod validate;

use portcullis_api::{ApiError, Map, Object, UserInfo, Value};

use self::attributes::Question;
use crate::chain::Chain;

/// `SubjectAccessReview`: may that user do it?
pub async fn subject_access_review(chain: &Chain, review: &Object) -> Result<Value, ApiError> {
    validate::refuse_if_any(validate::subject_access_review(review))?;
    Ok(answer(chain, &Question::about_subject(review)).await)
}

/// `LocalSubjectAccessReview`: may that user do it in this namespace?
pub async fn local_subject_access_review(
    chain: &Chain,
    namespace: &str,
    review: &Object,
) -> Result<Value, ApiError> {
    validate::refuse_if_any(validate::local_subject_access_review(review, namespace))?;
    Ok(answer(chain, &Question::about_subject(review)).await)
}

/// `SelfSubjectAccessReview`: may I do it?
pub async fn self_subject_access_review(
    chain: &Chain,
    user: &UserInfo,
    review: &Object,
) -> Result<Value, ApiError> {
    validate::refuse_if_any(validate::self_subject_access_review(review))?;
    Ok(answer(chain, &Question::about(user.clone(), review)).await)
}

/// `SelfSubjectRulesReview`: what may I do in a namespace? The answer has an empty `spec` and
/// `metadata`, as upstream's.
pub fn self_subject_rules_review(chain: &Chain, user: &UserInfo, review: &Object) -> Result<Value, ApiError> {
    let namespace = review.str_at(&["spec", "namespace"]);
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    Ok(chain.rules(user, namespace).to_status())
}

async fn answer(chain: &Chain, question: &Question<'_>) -> Value {
    let receipt = chain.settle(&question.user, &question.attributes()).await;
    let mut errors = vec![receipt.decision().grounds().error()];
    errors.extend(question.ignored());
    errors.retain(|e| !e.is_empty());
    let mut status = Map::from_iter([("allowed".to_owned(), receipt.is_allowed().into())]);
    if receipt.decision().is_denied() {
        status.insert("denied".to_owned(), true.into());
    }
    for (field, text) in [("reason", receipt.reason()), ("evaluationError", errors.join("; "))] {
        if !text.is_empty() {
            status.insert(field.to_owned(), text.into());
        }
    }
    status.into()
}

#[cfg(test)]
mod tests;
