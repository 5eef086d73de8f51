//! From an authorized request to its verb.

use http::Method;
use parking_lot::Mutex;
use portcullis_api::{ApiError, Reason, Result, Verb};
use portcullis_authz::Authorized;

use crate::call::{Asked, Call};
use crate::options::Query;
use crate::{Registry, Response, review, subresource, verbs};

impl Registry {
    /// Serves one authorized resource request.
    ///
    /// # Errors
    /// What the client is to be told; the caller turns it into bytes.
    pub async fn serve(&self, request: Authorized) -> Result<Response> {
        let credential_ends = request.expires_at().map(until);
        let info = request.info().clone();
        let (parts, body, _slot, permit) = request.into_request();
        let user = permit.user().clone();
        let target = info.resource().ok_or_else(ApiError::no_such_path)?;
        let resource = self
            .resources()
            .get(&target.group, &target.version, &target.resource)
            .ok_or_else(ApiError::no_such_path)?;
        let query = Query::parse(parts.uri.query())?;
        let (body, headers) = (Some(body), &parts.headers);
        let asked = Asked {
            user: &user,
            permit: &Mutex::new(permit),
            info: info.clone(),
            headers,
            query,
            body,
            credential_ends,
        };
        let mut call = Call::new(self, resource, target.clone(), asked);
        call.warnings.extend(resource.row.deprecation.map(str::to_owned));
        check_method(&call, info.verb, &parts.method)?;
        dispatch(&mut call, info.verb).await
    }
}

/// The moment of a wall clock time on the clock that timers use.
fn until(end: jiff::Timestamp) -> tokio::time::Instant {
    let left = end.duration_since(jiff::Timestamp::now());
    tokio::time::Instant::now() + std::time::Duration::try_from(left).unwrap_or_default()
}

/// 404 for what is not there, 405 for what cannot be done to it, as discovery says.
fn check_method(call: &Call<'_>, verb: Verb, method: &Method) -> Result<()> {
    let row = call.resource.row;
    let target = &call.target;
    let allowed = if target.subresource.is_empty() {
        let named = !target.name.is_empty();
        let on_object = matches!(verb, Verb::Get | Verb::Update | Verb::Patch | Verb::Delete);
        let on_collection = matches!(verb, Verb::List | Verb::Watch | Verb::Create | Verb::DeleteCollection);
        let fits = on_collection || (on_object && named);
        fits && row.allows(verb.as_str()) && !(verb == Verb::Create && named)
    } else {
        let Some(sub) = row.subresource(&target.subresource) else { return Err(ApiError::no_such_path()) };
        sub.verbs.contains(&verb.as_str())
    };
    if allowed && method != Method::HEAD { Ok(()) } else { Err(ApiError::method_not_allowed()) }
}

async fn dispatch(call: &mut Call<'_>, verb: Verb) -> Result<Response> {
    if !call.target.subresource.is_empty() {
        return subresource::serve(call, verb).await;
    }
    if call.resource.row.store.is_none() {
        return review::serve(call, verb).await;
    }
    match verb {
        Verb::Get => verbs::get::serve(call).await,
        Verb::List => verbs::list::serve(call).await,
        Verb::Watch => verbs::watch::serve(call).await,
        Verb::Create => verbs::create::serve(call).await,
        Verb::Update => verbs::put::serve(call).await,
        Verb::Patch => verbs::patch::serve(call).await,
        Verb::Delete => verbs::delete::serve(call).await,
        Verb::DeleteCollection => verbs::deletecollection::serve(call).await,
        Verb::Head | Verb::Post | Verb::Put | Verb::Options => {
            Err(ApiError::new(Reason::MethodNotAllowed, ApiError::method_not_allowed().message()))
        }
    }
}
