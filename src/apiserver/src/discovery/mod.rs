//! What the server serves, told to clients: ready documents, replaced whole when resources change.

mod documents;
mod served;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use portcullis_api::{ApiError, Body, Reason, body};
use portcullis_authn::IDENTITY_GROUP;

pub use served::{Served, ServedSubresource};

use crate::openapi::{CustomDocument, OpenApi};
use crate::respond;
use documents::{Documents, Tagged};

/// The media type of aggregated discovery, as it is answered.
const AGGREGATED: HeaderValue =
    HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");

/// The documents. Clones share them.
#[derive(Clone, Debug)]
pub struct Discovery {
    documents: Arc<ArcSwap<Documents>>,
    openapi: OpenApi,
    /// What is served whatever definitions say.
    base: Arc<[Served]>,
    address: Arc<str>,
}

/// Which document a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document<'p> {
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/G`
    Group(&'p str),
    /// `/api/V`, `/apis/G/V`; the group is empty for the first
    Version(&'p str, &'p str),
}

impl Discovery {
    /// Documents of resources in discovery's order; the address is where clients find the server.
    pub fn new(resources: &[Served], address: &str) -> Self {
        let documents = Documents::new(resources, address);
        let documents = Arc::new(ArcSwap::from_pointee(documents));
        let (base, openapi) = (resources.into(), OpenApi::default());
        Self { documents, openapi, base, address: address.into() }
    }

    /// Documents of the built-in resources.
    pub fn built_in(address: &str) -> Self {
        let mut resources = served::built_in();
        resources.retain(|served| &*served.gv.group != IDENTITY_GROUP);
        Self { openapi: OpenApi::without(IDENTITY_GROUP), ..Self::new(&resources, address) }
    }

    /// The same with our own group, where it is served.
    pub fn with_identities(address: &str) -> Self {
        Self::new(&served::built_in(), address)
    }

    /// Tells of these resources beside the built-in ones, in OpenAPI as well.
    pub fn replace_custom(&self, custom: Vec<CustomDocument>) {
        let mut resources = self.base.to_vec();
        resources.extend(custom.iter().map(|one| Served::from(&one.row)));
        self.documents.store(Arc::new(Documents::new(&resources, &self.address)));
        self.openapi.replace_custom(custom);
    }

    /// The OpenAPI documents of what is served.
    pub(crate) fn openapi(&self) -> &OpenApi {
        &self.openapi
    }

    /// Whether any resource of a group is served.
    pub(crate) fn knows(&self, group: &str) -> bool {
        group.is_empty() || self.documents.load().groups.contains_key(group)
    }

    /// The paths of all groups and versions.
    pub(crate) fn paths(&self) -> Vec<String> {
        let documents = self.documents.load();
        let groups = documents.groups.keys().map(|group| format!("/apis/{group}"));
        let named = documents.versions.iter().filter(|(group, _)| !group.is_empty());
        let versions =
            named.flat_map(|(group, versions)| versions.keys().map(move |v| format!("/apis/{group}/{v}")));
        groups.chain(versions).collect()
    }

    /// Answers for a document; `None` when there is none.
    pub(crate) fn answer(
        &self,
        document: Document<'_>,
        headers: &HeaderMap,
    ) -> Option<Result<Response<Body>, ApiError>> {
        let documents = self.documents.load();
        let plain = match document {
            Document::Core => &documents.core,
            Document::Groups => &documents.group_list,
            Document::Group(group) => documents.groups.get(group)?,
            Document::Version(group, version) => documents.versions.get(group)?.get(version)?,
        };
        let aggregated = match document {
            Document::Core => Some(&documents.aggregated_core),
            Document::Groups => Some(&documents.aggregated_groups),
            Document::Group(_) | Document::Version(..) => None,
        };
        Some(match (wanted(headers), aggregated) {
            (Some(Form::Aggregated), Some(tagged)) => Ok(tagged.answer(headers)),
            (Some(_), _) => Ok(respond::json(plain.clone())),
            (None, _) => Err(not_acceptable()),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Aggregated,
}

/// The first form the client accepts that there is. A clause for a form of which there is none falls
/// back to the plain one as long as its media type is served, as upstream's does.
fn wanted(headers: &HeaderMap) -> Option<Form> {
    let Some(accept) = headers.get(ACCEPT) else { return Some(Form::Plain) };
    let accept = accept.to_str().ok()?;
    if accept.trim().is_empty() {
        return Some(Form::Plain);
    }
    accept.split(',').take(64).find_map(form)
}

fn form(clause: &str) -> Option<Form> {
    let mut parts = clause.split(';').map(str::trim);
    let media = parts.next()?;
    if !matches!(
        media,
        "*/*" | "application/json" | "application/yaml" | "application/vnd.kubernetes.protobuf"
    ) {
        return None;
    }
    let param = |name: &str| {
        clause
            .split(';')
            .skip(1)
            .filter_map(|p| p.split_once('='))
            .find(|(n, _)| n.trim() == name)
            .map(|(_, v)| v.trim())
    };
    match (param("g"), param("v"), param("as")) {
        (None, None, None) => Some(Form::Plain),
        (Some("apidiscovery.k8s.io"), Some("v2"), Some("APIGroupDiscoveryList"))
            if media == "application/json" =>
        {
            Some(Form::Aggregated)
        }
        _ => None,
    }
}

fn not_acceptable() -> ApiError {
    let words = "406: Not Acceptable\n\nAvailable representations: \
        application/json, application/yaml, application/vnd.kubernetes.protobuf";
    ApiError::new(Reason::NotAcceptable, words).with_causes(Vec::new())
}

impl Tagged {
    fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let fresh = headers.get(IF_NONE_MATCH).is_some_and(|tag| *tag == self.tag);
        let mut response =
            if fresh { Response::new(body::empty()) } else { respond::json(self.bytes.clone()) };
        let answered = response.headers_mut();
        if !fresh {
            answered.insert(CONTENT_TYPE, AGGREGATED);
        }
        answered.insert(ETAG, self.tag.clone());
        answered.insert(VARY, HeaderValue::from_static("Accept"));
        answered.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
    }
}

#[cfg(test)]
mod tests;
