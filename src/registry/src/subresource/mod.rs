//! Subresources: parts and actions of an object that have their own endpoint and their own rules.

mod binding;
mod connect;
mod eviction;
mod scale;
mod token;

pub(crate) use scale::{put as put_scale, to_scale as scale_of};

use portcullis_api::{ApiError, Result, Verb};

use crate::call::Call;
use crate::{Response, verbs};

/// Serves an authorized request for a subresource that discovery lists.
pub(crate) async fn serve(call: &mut Call<'_>, verb: Verb) -> Result<Response> {
    match (&*call.target.subresource.clone(), verb) {
        ("status" | "ephemeralcontainers" | "resize" | "approval" | "finalize", _) => {
            same_kind(call, verb).await
        }
        ("scale", _) => scale::serve(call, verb).await,
        ("binding", Verb::Create) => binding::serve(call).await,
        ("eviction", Verb::Create) => eviction::serve(call).await,
        ("token", Verb::Create) => token::serve(call).await,
        ("log", Verb::Get) => connect::log(call),
        ("exec" | "attach" | "portforward" | "proxy", _) => connect::stream(call).await,
        _ => Err(ApiError::no_such_path()),
    }
}

/// Subresources whose body is the object itself, under the rules of the endpoint's own strategy.
async fn same_kind(call: &mut Call<'_>, verb: Verb) -> Result<Response> {
    match verb {
        Verb::Get => verbs::get::serve(call).await,
        Verb::Update => verbs::put::serve(call).await,
        Verb::Patch => verbs::patch::serve(call).await,
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// `POST /api/v1/namespaces/NS/bindings`: the old way to `pods/NAME/binding`.
pub(crate) async fn bind(call: &mut Call<'_>) -> Result<Response> {
    binding::serve(call).await
}
