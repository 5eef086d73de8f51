//! GET of one object.

use http::StatusCode;
use portcullis_api::{ApiError, Reason, Result};
use portcullis_storage::Revision;

use crate::call::Call;
use crate::door::{future_revision, storage_error};
use crate::negotiate::{self, Endpoint};
use crate::{Response, respond};

/// Serves a get of a named object.
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output_of(call, Endpoint::Object)?;
    let version = call.query.text("resourceVersion");
    // Events have no watch cache upstream, and so the words of its storage.
    if call.resource.is("", "events") || call.resource.is("events.k8s.io", "events") {
        parse_listed_version(version)?;
    }
    call.registry.reach(version).await?;
    let name = &*call.target.name;
    let key = call.resource.key(&call.target.namespace, name);
    let entry = call.resource.entry(&key)?.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
    let entry = call.resource.shown(entry).await?;
    respond::object(call, output, StatusCode::OK, &call.resource.body(&entry)?)
}

impl crate::Registry {
    /// Makes sure that reads see at least what the client asks for: everything acknowledged when it
    /// names no revision, that revision when it names one, anything for "0".
    pub(crate) async fn reach(&self, resource_version: &str) -> Result<()> {
        match parse_version(resource_version)? {
            None => self.store().fresh().await.map(drop).map_err(storage_error),
            Some(revision) if revision.is_unset() => Ok(()),
            Some(revision) => {
                let current = self.store().current_revision();
                if revision <= current { Ok(()) } else { Err(future_revision(revision, current)) }
            }
        }
    }
}

/// Reads the `resourceVersion` of a list.
///
/// # Errors
/// 400 in upstream's words.
pub(crate) fn parse_listed_version(text: &str) -> Result<Option<Revision>> {
    let refused =
        |error: ApiError| ApiError::bad_request(format!("invalid resource version: {}", error.message()));
    parse_version(text).map_err(refused)
}

/// Reads a `resourceVersion`; `None` when it is empty.
///
/// # Errors
/// 500 without a reason, as upstream answers gets and watches.
pub(crate) fn parse_version(text: &str) -> Result<Option<Revision>> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<u64>() {
        Ok(number) => Ok(Some(Revision(number))),
        Err(_) => {
            let shown = portcullis_api::field::go_quote(text);
            let message = format!(
                "resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: invalid syntax"
            );
            Err(ApiError::new(Reason::Unknown, message))
        }
    }
}
