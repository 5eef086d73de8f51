//! From an authorized request to its verb.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::Method;
use portcullis_api::{ApiError, Result, Scope, Verb, body};
use portcullis_audit::HasSlot as _;
use portcullis_authz::Authorized;
use portcullis_schema::Word;

use crate::call::{Asked, Call};
use crate::door::storage_error;
use crate::options::Query;
use crate::{Registry, Response, review, subresource, verbs};

impl Registry {
    /// Serves one authorized resource request. What may write goes on when the client is gone: a write
    /// that was begun ends, and its audit event says how.
    ///
    /// # Errors
    /// What the client is to be told; the caller turns it into bytes.
    pub async fn serve(self: Arc<Self>, request: Authorized) -> Result<Response> {
        if request.info().verb.is_read_only() {
            return self.answer(request).await;
        }
        let slot = request.slot().clone();
        let writing = tokio::spawn(async move {
            // What another server acknowledged is what this write is judged by.
            let answer = match self.store().fresh().await {
                Ok(_) => self.answer(request).await,
                Err(error) => Err(storage_error(error)),
            };
            match answer {
                Ok(response) => Ok(slot.answered(response).await),
                Err(error) => {
                    slot.refused(&error);
                    Err(error)
                }
            }
        });
        match writing.await {
            Ok(answer) => answer,
            Err(error) => Err(ApiError::internal(format!("a write ended early: {error}"))),
        }
    }

    async fn answer(&self, request: Authorized) -> Result<Response> {
        let life = request.life().clone();
        let info = request.info().clone();
        let (parts, body, slot, permit) = request.into_request();
        let user = permit.user().clone();
        let target = info.resource().ok_or_else(ApiError::no_such_path)?;
        let resource = self
            .resources()
            .find(&target.group, &target.version, &target.resource)
            .ok_or_else(ApiError::no_such_path)?;
        let mut unread = Some(body);
        loop {
            let asked = Asked {
                user: &user,
                permit: &permit,
                info: info.clone(),
                slot: slot.clone(),
                headers: &parts.headers,
                query: Query::parse(parts.uri.query())?,
                body: unread.take(),
                life: life.clone(),
            };
            let mut call = Call::new(self, &resource, target.clone(), asked);
            call.warnings.extend(resource.row.deprecation.clone().map(Word::into_owned));
            check_scope(&call, info.verb)?;
            check_method(&call, info.verb, &parts.method)?;
            let answer = dispatch(&mut call, info.verb).await;
            // While an answer of a webhook is missing nothing is stored: with it, the work is done again.
            if permit.answers().fetch().await {
                unread = call.take_sent().map(body::full);
                continue;
            }
            call.take_notes();
            return answer.map_err(|error| error.with_warnings(std::mem::take(&mut call.warnings)));
        }
    }
}

/// A kind is reached by paths of its own scope only. A path of a namespace was authorized in that namespace,
/// so it must not lead to what belongs to the whole cluster.
fn check_scope(call: &Call<'_>, verb: Verb) -> Result<()> {
    let target = &call.target;
    let row = &call.resource.row;
    match (call.resource.scope(), target.namespace.is_empty()) {
        (Scope::Cluster, true) | (Scope::Namespaced, false) => Ok(()),
        // A namespace is its own namespace.
        (Scope::Cluster, false) if call.resource.is("", "namespaces") && target.namespace == target.name => {
            Ok(())
        }
        (Scope::Cluster, false) => Err(ApiError::no_such_path()),
        // All namespaces at once can be looked at, one name by a field selector included, and nothing else.
        (Scope::Namespaced, true) if row.allows("list") && matches!(verb, Verb::List | Verb::Watch) => Ok(()),
        (Scope::Namespaced, true) if !target.name.is_empty() || !row.allows("list") => {
            Err(ApiError::no_such_path())
        }
        (Scope::Namespaced, true) => Err(ApiError::method_not_allowed()),
    }
}

/// 404 for what is not there, 405 for what cannot be done to it, as discovery says.
fn check_method(call: &Call<'_>, verb: Verb, method: &Method) -> Result<()> {
    let row = &call.resource.row;
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

/// The verb's own future. Boxed: they differ in size by far, and most requests are the small ones.
fn dispatch<'c>(call: &'c mut Call<'_>, verb: Verb) -> BoxFuture<'c, Result<Response>> {
    if !call.target.subresource.is_empty() {
        return Box::pin(subresource::serve(call, verb));
    }
    if call.resource.row.store.is_none() {
        return Box::pin(review::serve(call, verb));
    }
    match verb {
        Verb::Get => Box::pin(verbs::get::serve(call)),
        Verb::List => Box::pin(verbs::list::serve(call)),
        Verb::Watch => Box::pin(verbs::watch::serve(call)),
        Verb::Create => Box::pin(verbs::create::serve(call)),
        Verb::Update => Box::pin(verbs::put::serve(call)),
        Verb::Patch => Box::pin(verbs::patch::serve(call)),
        Verb::Delete => Box::pin(verbs::delete::serve(call)),
        Verb::DeleteCollection => Box::pin(verbs::deletecollection::serve(call)),
        Verb::Head | Verb::Post | Verb::Put | Verb::Options | Verb::Nothing => {
            Box::pin(std::future::ready(Err(ApiError::method_not_allowed())))
        }
    }
}
