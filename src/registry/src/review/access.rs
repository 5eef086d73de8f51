//! `authorization.k8s.io`: may somebody do something?

use http::StatusCode;
use portcullis_api::{ApiError, Result, Value};
use portcullis_authz::review;
use serde_json::json;

use crate::call::Call;
use crate::negotiate::{self, Endpoint, Output, Shape};
use crate::options::WriteOptions;
use crate::{Response, respond};

pub(super) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Plain)?;
    let mut object = super::read(call).await?;
    let chain = &call.registry.authorizer;
    if &*call.resource.gr.resource == "selfsubjectrulesreviews" {
        let status = review::self_subject_rules_review(chain, call.user, &object)?;
        return answer(call, output, rules_review(call, status));
    }
    let status = match &*call.resource.gr.resource {
        "subjectaccessreviews" => review::subject_access_review(chain, &object).await?,
        "selfsubjectaccessreviews" => review::self_subject_access_review(chain, call.user, &object).await?,
        "localsubjectaccessreviews" => {
            review::local_subject_access_review(chain, &call.target.namespace, &object).await?
        }
        _ => return Err(ApiError::no_such_path()),
    };
    call.own_fields(&WriteOptions::of_create(&call.query)?, None, &mut object)?;
    object.map_mut().insert("status".into(), status);
    answer(call, output, object.into())
}

/// Upstream answers a rules review with a new object that has nothing of the request.
fn rules_review(call: &Call<'_>, status: Value) -> Value {
    json!({
        "kind": call.resource.kind.kind(),
        "apiVersion": call.resource.kind.api_version(),
        "metadata": {},
        "spec": {},
        "status": status,
    })
}

fn answer(call: &Call<'_>, output: Output, review: Value) -> Result<Response> {
    respond::tree(call, Output { shape: Shape::Full, ..output }, StatusCode::CREATED, &review)
}
