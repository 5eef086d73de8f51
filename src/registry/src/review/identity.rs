//! `authentication.k8s.io`: who is asking, and whose is this token?

use http::StatusCode;
use portcullis_api::{ApiError, Object, Result, UserInfo, Value, time};
use serde_json::{Map, json};

use crate::call::Call;
use crate::negotiate::{self, Endpoint};
use crate::options::WriteOptions;
use crate::{Response, respond};

/// `SelfSubjectReview`
pub(super) async fn who_am_i(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Plain)?;
    let mut review = super::read(call).await?;
    call.own_fields(&WriteOptions::of_create(&call.query)?, None, &mut review)?;
    review.set_meta_str("creationTimestamp", &time::now_rfc3339());
    review.map_mut().insert("status".into(), json!({ "userInfo": user_info(call.user) }));
    respond::tree(call, output, StatusCode::CREATED, &Value::from(review))
}

/// A user as `authentication.k8s.io/v1 UserInfo`.
fn user_info(user: &UserInfo) -> Value {
    let mut info = Map::new();
    if !user.name.is_empty() {
        info.insert("username".into(), user.name.as_ref().into());
    }
    if !user.uid.is_empty() {
        info.insert("uid".into(), user.uid.as_ref().into());
    }
    if !user.groups.is_empty() {
        info.insert("groups".into(), user.groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>().into());
    }
    if !user.extra.is_empty() {
        info.insert("extra".into(), json!(*user.extra));
    }
    Value::Object(info)
}

/// `TokenReview`
pub(super) async fn token_review(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Plain)?;
    let mut review = super::read(call).await?;
    let token = token_of(&review)?;
    let audiences: Vec<String> = review
        .at(&["spec", "audiences"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|audience| audience.as_str().map(str::to_owned))
        .collect();
    let authenticator =
        call.registry.authenticator.get().ok_or_else(|| ApiError::unavailable("no authenticator is set"))?;
    let status = authenticator.review(&token, &audiences).await;
    call.own_fields(&WriteOptions::of_create(&call.query)?, None, &mut review)?;
    review.map_mut().insert("status".into(), status);
    respond::tree(call, output, StatusCode::CREATED, &Value::from(review))
}

fn token_of(review: &Object) -> Result<String> {
    let token = review.str_at(&["spec", "token"]);
    if token.is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    Ok(token.to_owned())
}
