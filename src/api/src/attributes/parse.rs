//! From method, path and query to [`RequestInfo`], by the rules upstream's request info has.
//!
//! ```text
//! /api/V/…                     core group           /apis/G/V/…              named groups
//! …/watch/…                    watch, the old form  …/namespaces/NS/R/N/SUB  R in NS
//! …/namespaces/NS[/status]     the namespace itself …/R/N/SUB/rest           proxied paths
//! ```

use std::sync::Arc;

use http::{Method, Uri};

use super::{RequestInfo, ResourceTarget, Target, Verb, path, query};
use crate::ApiError;

/// The longest query that is read.
const MAX_QUERY: usize = 32 * 1024;

/// Parses a request line once, for every stage. What has two readings is refused with 400.
pub fn parse(method: &Method, uri: &Uri) -> Result<RequestInfo, ApiError> {
    let decoded = path::decode(uri.path())?;
    let query = uri.query().unwrap_or_default();
    if query.len() > MAX_QUERY {
        return Err(ApiError::bad_request("the request query is too long"));
    }
    let segments: Vec<&str> = decoded.trim_matches('/').split('/').collect();
    let (verb, target) = match Place::of(&segments) {
        Some(place) => place.resolve(method, query, decoded.ends_with('/'))?,
        None => (plain_verb(method)?, Target::NonResource),
    };
    Ok(RequestInfo { verb, path: Arc::from(&*decoded), target })
}

/// The verb of a path that is no resource: the method's own word.
fn plain_verb(method: &Method) -> Result<Verb, ApiError> {
    Ok(match *method {
        Method::GET => Verb::Get,
        Method::HEAD => Verb::Head,
        Method::POST => Verb::Post,
        Method::PUT => Verb::Put,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        Method::OPTIONS => Verb::Options,
        _ => return Err(ApiError::method_not_allowed()),
    })
}

/// The verb of a resource path before the name is known.
fn resource_verb(method: &Method) -> Result<Verb, ApiError> {
    Ok(match *method {
        Method::GET | Method::HEAD => Verb::Get,
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        Method::OPTIONS => Verb::Nothing,
        _ => return Err(ApiError::method_not_allowed()),
    })
}

/// Where in the tree of resources a path points.
struct Place<'p> {
    group: &'p str,
    version: &'p str,
    /// The path has the old `watch` segment after the version.
    watch_prefix: bool,
    /// From the resource, or from `namespaces`, on.
    parts: &'p [&'p str],
}

impl<'p> Place<'p> {
    /// `None` for discovery and everything else that is no resource. That goes for the `proxy` verb
    /// of old and a bare `watch` too: nothing serves them, and as plain paths only masters may ask.
    fn of(segments: &'p [&'p str]) -> Option<Self> {
        let (group, version, rest) = match segments {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        match rest {
            [] | ["proxy", ..] | ["watch"] => None,
            ["watch", parts @ ..] => Some(Self { group, version, watch_prefix: true, parts }),
            parts => Some(Self { group, version, watch_prefix: false, parts }),
        }
    }

    fn resolve(self, method: &Method, query: &str, trailing: bool) -> Result<(Verb, Target), ApiError> {
        let (namespace, parts) = self.namespace();
        let (resource, name, subresource, rest) = match *parts {
            [resource] => (resource, "", "", &[][..]),
            [resource, name] => (resource, name, "", &[][..]),
            [resource, name, subresource, ref rest @ ..] => (resource, name, subresource, rest),
            [] => return Err(ApiError::no_such_path()),
        };
        let mut target = ResourceTarget {
            group: self.group.into(),
            version: self.version.into(),
            namespace: namespace.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: name.into(),
            rest: join(rest, trailing),
            ..ResourceTarget::default()
        };
        let verb = self.verb(method, query, &mut target)?;
        Ok((verb, Target::Resource(target)))
    }

    /// `namespaces/NS/R/…` is R in NS; `namespaces/NS` and its own subresources are the namespace.
    fn namespace(&self) -> (&'p str, &'p [&'p str]) {
        match self.parts {
            ["namespaces", namespace] | ["namespaces", namespace, "status" | "finalize", ..] => {
                (namespace, self.parts)
            }
            ["namespaces", namespace, rest @ ..] => (namespace, rest),
            parts => ("", parts),
        }
    }

    fn verb(&self, method: &Method, query: &str, target: &mut ResourceTarget) -> Result<Verb, ApiError> {
        if self.watch_prefix {
            // Selectors are no part of what is authorized here: upstream's single-object form ignores them.
            return match *method {
                Method::GET => Ok(Verb::Watch),
                _ => Err(ApiError::method_not_allowed()),
            };
        }
        let verb = match resource_verb(method)? {
            Verb::Get if target.name.is_empty() => {
                let verb = if query::flag(query, "watch") { Verb::Watch } else { Verb::List };
                if let Some(name) = selected_name(query) {
                    target.name = name;
                }
                verb
            }
            Verb::Delete if target.name.is_empty() => Verb::DeleteCollection,
            verb => verb,
        };
        if matches!(verb, Verb::List | Verb::Watch | Verb::DeleteCollection) {
            target.label_selector = query::first(query, "labelSelector").unwrap_or_default().into();
            target.field_selector = query::first(query, "fieldSelector").unwrap_or_default().into();
        }
        Ok(verb)
    }
}

fn join(rest: &[&str], trailing: bool) -> Arc<str> {
    if rest.is_empty() {
        return Arc::default();
    }
    let mut joined = rest.join("/");
    if trailing {
        joined.push('/');
    }
    joined.into()
}

/// The name a field selector pins, when it and the rest of the list options are readable.
fn selected_name(query: &str) -> Option<Arc<str>> {
    let selector = query::first(query, "fieldSelector")?;
    if !options_are_readable(query) {
        return None;
    }
    let mut pinned = None;
    for term in selector.split(',').filter(|term| !term.is_empty()) {
        // An escape in a value needs the full selector grammar; no object name holds one.
        if term.contains('\\') {
            return None;
        }
        let (field, value) = match term.split_once("!=") {
            Some(_) => continue,
            None => term.split_once("==").or_else(|| term.split_once('='))?,
        };
        if value.contains('=') {
            return None;
        }
        if field == "metadata.name" && pinned.is_none() {
            pinned = Some(Arc::<str>::from(value));
        }
    }
    pinned.filter(|name| !name.contains(['/', '%']) && !matches!(&**name, "" | "." | ".."))
}

/// Numbers among the list options must be numbers, or upstream reads none of them.
fn options_are_readable(query: &str) -> bool {
    ["limit", "timeoutSeconds"]
        .iter()
        .filter_map(|name| query::first(query, name))
        .all(|value| value.is_empty() || value.parse::<i64>().is_ok())
}
