//! Virtual resources: what is asked is answered and never stored.

mod access;
mod identity;

use portcullis_api::{ApiError, Object, Result, Verb};

use crate::call::{Call, Write};
use crate::options::WriteOptions;
use crate::{Response, subresource};

/// Serves a request for a resource that has no store.
pub(crate) async fn serve(call: &mut Call<'_>, verb: Verb) -> Result<Response> {
    match (&*call.resource.gr.group, &*call.resource.gr.resource, verb) {
        ("", "bindings", Verb::Create) => subresource::bind(call).await,
        ("", "componentstatuses", _) => crate::verbs::components::serve(call, verb).await,
        ("authorization.k8s.io", _, Verb::Create) => access::serve(call).await,
        ("authentication.k8s.io", "selfsubjectreviews", Verb::Create) => identity::who_am_i(call).await,
        ("authentication.k8s.io", "tokenreviews", Verb::Create) => identity::token_review(call).await,
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// Decodes a review's body.
async fn read(call: &mut Call<'_>) -> Result<Object> {
    let body = call.read_body().await?;
    let options = WriteOptions::of_create(&call.query)?;
    let mut object = crate::verbs::create::decode(call, &body, options.field_validation)?;
    crate::meta::ensure_namespace(&mut object, call.resource.scope(), &call.target.namespace)?;
    let name = object.name().to_owned();
    let write = Write::create(&name, &options);
    call.mutate(&write, &mut object, None).await?;
    let admitted = call.admit(&write, Some(object), None).await?;
    Ok(admitted.into_object().unwrap_or_default())
}
