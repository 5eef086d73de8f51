//! What the client wants back: which shape (object, table, metadata only) in which encoding.
//!
//! Two gates, as upstream: first the media types a route can produce at all (go-restful's 406), then
//! the parameters (`as`, `v`, `g`, `charset`) of the clause that fits best.

use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};
use portcullis_api::{ApiError, Reason, Result};

use crate::call::Call;
use crate::options::Query;

/// What is sent back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Output {
    pub(crate) shape: Shape,
    pub(crate) encoding: Encoding,
}

/// Into what an object or list is transformed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// As stored.
    Full,
    /// `meta.k8s.io` Table, in the version asked for.
    Table(MetaVersion),
    /// `meta.k8s.io` PartialObjectMetadata or its list.
    Metadata(MetaVersion),
}

/// A version of the `meta.k8s.io` group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MetaVersion {
    V1,
    V1Beta1,
}

impl MetaVersion {
    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// The bytes' format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encoding {
    Json { pretty: bool },
    Yaml,
    Protobuf,
}

impl Encoding {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json { .. } => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// The type of a stream of watch events.
    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
            Self::Json { .. } | Self::Yaml => "application/json",
        }
    }
}

/// What an endpoint can answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Endpoint {
    /// One object.
    Object,
    /// A list or watch of objects.
    Collection,
    /// Something that is neither tabled nor reduced (reviews, status answers).
    Plain,
}

const SINGLE: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const STREAMS: &str = ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
const MAX_ACCEPT: usize = 4096;

/// Picks the output for a request for objects of its resource. Custom ones have no protobuf of their own, only
/// their metadata has: whoever names another media type gets that.
pub(crate) fn output_of(call: &Call<'_>, endpoint: Endpoint) -> Result<Output> {
    let has_protobuf = call.resource.custom().is_none();
    let gr = &call.resource.gr;
    let has_table = !lacks_table(&gr.group, &gr.resource, &call.target.subresource);
    pick(call.headers, &call.query, endpoint, |output| {
        (has_protobuf || output.encoding != Encoding::Protobuf || output.shape != Shape::Full)
            && (has_table || !matches!(output.shape, Shape::Table(_)))
    })
}

/// The statuses that upstream shows no tables of.
fn lacks_table(group: &str, resource: &str, subresource: &str) -> bool {
    subresource == "status"
        && matches!(
            (group, resource),
            ("apiregistration.k8s.io", "apiservices")
                | ("apiextensions.k8s.io", "customresourcedefinitions")
                | ("resource.k8s.io", "resourceclaims")
        )
}

/// Picks the output for a request whose answers are built in.
pub(crate) fn output(headers: &HeaderMap, query: &Query, endpoint: Endpoint) -> Result<Output> {
    pick(headers, query, endpoint, |_| true)
}

fn pick(
    headers: &HeaderMap,
    query: &Query,
    endpoint: Endpoint,
    serves: impl Fn(&Output) -> bool,
) -> Result<Output> {
    let accept = accept_header(headers)?;
    let pretty = wants_pretty(headers, query);
    if accept.is_empty() || accept == "*/*" || accept == "application/json" {
        return Ok(Output { shape: Shape::Full, encoding: Encoding::Json { pretty } });
    }
    if !accept.split(',').any(route_produces) {
        return Err(not_producible(endpoint));
    }
    let mut clauses: Vec<Clause<'_>> = accept.split(',').filter_map(Clause::parse).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    let mut outputs = clauses.iter().filter_map(|clause| clause.output(endpoint, pretty));
    outputs.find(serves).ok_or_else(|| {
        ApiError::new(Reason::NotAcceptable, format!("only the following media types are accepted: {SINGLE}"))
    })
}

fn accept_header(headers: &HeaderMap) -> Result<String> {
    let mut all = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let first = all.next().unwrap_or_default();
    if first.len() > MAX_ACCEPT {
        return Err(ApiError::bad_request("the Accept header is too long"));
    }
    Ok(first.trim().to_owned())
}

fn wants_pretty(headers: &HeaderMap, query: &Query) -> bool {
    query.flag("pretty").unwrap_or_else(|| {
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        agent.starts_with("curl") || agent.starts_with("Wget") || agent.starts_with("Mozilla/5.0")
    })
}

fn route_produces(clause: &str) -> bool {
    let media = clause.split(';').next().unwrap_or_default().trim();
    matches!(media, "*/*" | "application/json" | "application/yaml" | "application/vnd.kubernetes.protobuf")
}

fn not_producible(endpoint: Endpoint) -> ApiError {
    let streams = if endpoint == Endpoint::Collection { STREAMS } else { "" };
    let message = format!("406: Not Acceptable\n\nAvailable representations: {SINGLE}{streams}");
    ApiError::new(Reason::NotAcceptable, message).with_causes(Vec::new())
}

/// One clause of an Accept header.
struct Clause<'a> {
    media: &'a str,
    quality: f32,
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?;
        let params: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let quality =
            params.iter().find(|(key, _)| *key == "q").and_then(|(_, q)| q.parse().ok()).unwrap_or(1.0);
        Some(Self { media, quality, params })
    }

    fn param(&self, name: &str) -> &'a str {
        self.params.iter().find(|(key, _)| *key == name).map(|(_, value)| *value).unwrap_or_default()
    }

    fn output(&self, endpoint: Endpoint, pretty: bool) -> Option<Output> {
        let pretty = pretty || self.param("pretty") == "1";
        let encoding = match self.media {
            "*/*" | "application/*" | "application/json" => Encoding::Json { pretty },
            "application/yaml" => Encoding::Yaml,
            "application/vnd.kubernetes.protobuf" if self.param("as") != "Table" => Encoding::Protobuf,
            _ => return None,
        };
        if !matches!(self.param("charset").to_ascii_lowercase().as_str(), "" | "utf-8") {
            return None;
        }
        Some(Output { shape: self.shape(endpoint)?, encoding })
    }

    fn shape(&self, endpoint: Endpoint) -> Option<Shape> {
        let kind = self.param("as");
        if kind.is_empty() {
            return Some(Shape::Full);
        }
        let version = match (self.param("g"), self.param("v")) {
            ("meta.k8s.io", "v1") => MetaVersion::V1,
            ("meta.k8s.io", "v1beta1") => MetaVersion::V1Beta1,
            _ => return None,
        };
        match (kind, endpoint) {
            (_, Endpoint::Plain) => None,
            ("Table", _) => Some(Shape::Table(version)),
            ("PartialObjectMetadata", Endpoint::Object | Endpoint::Collection)
            | ("PartialObjectMetadataList", Endpoint::Collection) => Some(Shape::Metadata(version)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())])
    }

    fn pick(accept: &str, endpoint: Endpoint) -> Result<Output> {
        output(&accepting(accept), &Query::default(), endpoint)
    }

    #[test]
    fn what_is_not_served_leaves_its_place_to_the_next_clause() {
        let pick = |accept| {
            super::pick(&accepting(accept), &Query::default(), Endpoint::Collection, |output| {
                output.encoding != Encoding::Protobuf
            })
        };
        let json = pick("application/vnd.kubernetes.protobuf,application/json").unwrap();
        assert_eq!(json.encoding, Encoding::Json { pretty: false });
        let refused = pick("application/vnd.kubernetes.protobuf").unwrap_err();
        assert!(refused.message().starts_with("only the following"), "{}", refused.message());
    }

    #[test]
    fn some_statuses_have_no_table() {
        assert!(lacks_table("resource.k8s.io", "resourceclaims", "status"));
        assert!(!lacks_table("resource.k8s.io", "resourceclaims", ""));
        assert!(!lacks_table("apps", "deployments", "status"));
    }

    #[test]
    fn the_best_clause_wins() {
        let table =
            pick("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Endpoint::Collection);
        assert_eq!(table.unwrap().shape, Shape::Table(MetaVersion::V1));
        let first = pick("application/vnd.kubernetes.protobuf,application/json", Endpoint::Object).unwrap();
        assert_eq!(first.encoding, Encoding::Protobuf);
        let table = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(pick(table, Endpoint::Object).unwrap().encoding, Encoding::Json { pretty: false });
        let yaml = pick("application/json;q=0.5, application/yaml", Endpoint::Object).unwrap();
        assert_eq!(yaml.encoding, Encoding::Yaml);
    }

    #[test]
    fn what_no_route_produces_is_refused_in_its_own_words() {
        let refused = pick("application/*", Endpoint::Collection).unwrap_err();
        assert!(refused.message().starts_with("406: Not Acceptable"), "{}", refused.message());
        let refused = pick("application/json;as=Nope;v=v1;g=meta.k8s.io", Endpoint::Collection).unwrap_err();
        assert!(refused.message().starts_with("only the following"), "{}", refused.message());
    }
}
