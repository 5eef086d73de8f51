//! From bodies to responses: the one place that knows shapes (full, table, metadata) and encodings.

mod list;
mod rows;
mod table;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WARNING};
use http::{HeaderValue, StatusCode};
use portcullis_api::body::full;
use portcullis_api::{ApiError, Body, GroupVersion, Reason, Result, Value, wire};
use portcullis_schema::kind_named;
use portcullis_schema::protobuf;
use serde_json::json;

pub(crate) use list::{ListMeta, list, tree_list};
pub(crate) use table::{Include, event_table, partial_scale, scale_table, table};

use crate::Response;
use crate::call::Call;
use crate::door::Written;
use crate::negotiate::{Encoding, MetaVersion, Output, Shape};
use crate::resource::Resource;

/// The result of a write.
pub(crate) fn written(
    call: &Call<'_>,
    output: Output,
    code: StatusCode,
    written: &Written,
) -> Result<Response> {
    object(call, output, code, &written.body()?)
}

/// One object of the endpoint's kind, from its body without TypeMeta.
pub(crate) fn object(call: &Call<'_>, output: Output, code: StatusCode, body: &Bytes) -> Result<Response> {
    let bytes = match output.shape {
        Shape::Full => match output.encoding {
            Encoding::Json { pretty: false } => with_head(&call.resource.head, body),
            Encoding::Protobuf => {
                let bytes = stored_protobuf(call.resource, body)?;
                // It was just read as JSON.
                call.slot.response_body(|| named(call.resource, body).unwrap_or_default());
                bytes.into()
            }
            encoding => {
                let tree = named(call.resource, body)?;
                call.slot.response_body(|| tree.clone());
                encode(encoding, &tree)?
            }
        },
        Shape::Table(version) => {
            let tree = Value::Object(parse(body)?);
            let meta = ListMeta::of_object(&tree);
            encode(output.encoding, &table(call.resource, &call.query, version, &meta, [Ok(tree)])?)?
        }
        Shape::Metadata(version) => {
            encode(output.encoding, &partial(call.resource, version, &Value::Object(parse(body)?)))?
        }
    };
    Ok(respond(call, output.encoding.content_type(), code, full(bytes)))
}

/// Any tree that has its own TypeMeta (reviews, scales, tokens).
pub(crate) fn tree(call: &Call<'_>, output: Output, code: StatusCode, tree: &Value) -> Result<Response> {
    call.slot.response_body(|| tree.clone());
    Ok(respond(call, output.encoding.content_type(), code, full(encode(output.encoding, tree)?)))
}

/// The `Status` a deletion answers with.
pub(crate) fn deleted(call: &Call<'_>, output: Output, name: &str, uid: &str) -> Result<Response> {
    let mut details = serde_json::Map::new();
    let gr = &call.resource.gr;
    for (key, value) in [("name", name), ("group", &*gr.group), ("kind", &*gr.resource), ("uid", uid)] {
        if !value.is_empty() {
            details.insert(key.to_owned(), value.into());
        }
    }
    success(call, output, StatusCode::OK, details.into())
}

/// A `Status` of success with details.
pub(crate) fn success(call: &Call<'_>, output: Output, code: StatusCode, details: Value) -> Result<Response> {
    let mut status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
    if let Some(map) = status.as_object_mut().filter(|_| !details.is_null()) {
        map.insert("details".into(), details);
    }
    call.slot.succeeded(&status);
    tree(call, Output { shape: Shape::Full, ..output }, code, &status)
}

/// A `Status` of success that carries a code (bindings, evictions).
pub(crate) fn created_status(call: &Call<'_>, output: Output) -> Result<Response> {
    let code = StatusCode::CREATED;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code.as_u16(),
    });
    call.slot.succeeded(&status);
    tree(call, Output { shape: Shape::Full, ..output }, code, &status)
}

/// `PartialObjectMetadata` of an object.
pub(crate) fn partial(resource: &Resource, version: MetaVersion, object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": version.api_version(),
        "metadata": resource.metadata_of(object),
    })
}

/// The bytes of a tree.
pub(crate) fn encode(encoding: Encoding, tree: &Value) -> Result<Bytes> {
    let bytes = match encoding {
        Encoding::Json { pretty } => {
            wire::to_json(tree, pretty).map_err(|e| ApiError::internal(e.to_string()))?
        }
        Encoding::Protobuf => tree_protobuf(tree)?,
        Encoding::Yaml => portcullis_schema::yaml::to_string(tree).into_bytes(),
    };
    Ok(bytes.into())
}

/// A tree with TypeMeta in its protobuf envelope.
fn tree_protobuf(tree: &Value) -> Result<Vec<u8>> {
    let text = |field: &str| tree.get(field).and_then(Value::as_str).unwrap_or_default();
    let gv = GroupVersion::parse(text("apiVersion"));
    let kind = gv.and_then(|gv| kind_named(&gv.group, &gv.version, text("kind")));
    let (Some(kind), Some(object)) = (kind, tree.as_object()) else { return Err(no_protobuf("")) };
    protobuf::encode(kind, object).map_err(|error| ApiError::internal(error.to_string()))
}

/// The stored bytes of an object, which are shown as they are, in its protobuf envelope.
pub(crate) fn stored_protobuf(resource: &Resource, body: &[u8]) -> Result<Vec<u8>> {
    let kind = resource.kind.built_in().ok_or_else(|| no_protobuf(""))?;
    protobuf::encode_json(kind, body).map_err(|error| ApiError::internal(error.to_string()))
}

/// 406 for a custom object or, as `suffix` says, a list of them.
fn no_protobuf(suffix: &str) -> ApiError {
    let message = format!(
        "object *unstructured.Unstructured{suffix} does not implement the protobuf marshalling interface and cannot \
         be encoded to a protobuf message"
    );
    ApiError::new(Reason::NotAcceptable, message)
}

/// A head (`{"kind":…,`) before a body that begins with a brace, and a line's end.
fn with_head(head: &Bytes, body: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(head.len() + body.len());
    out.put_slice(head);
    out.put_slice(body.get(1..).unwrap_or_default());
    out.put_u8(b'\n');
    out.freeze()
}

/// Puts the headers every resource answer has.
pub(crate) fn respond(call: &Call<'_>, content_type: &'static str, code: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    for warning in &call.warnings {
        if let Some(value) = portcullis_api::warning::header(warning) {
            headers.append(WARNING, value);
        }
    }
    response
}

/// The tree of a body, with its TypeMeta.
fn named(resource: &Resource, body: &Bytes) -> Result<Value> {
    let mut tree = parse(body)?;
    tree.insert("apiVersion".into(), resource.kind.api_version().into());
    tree.insert("kind".into(), resource.kind.kind().into());
    Ok(Value::Object(tree))
}

fn parse(body: &Bytes) -> Result<serde_json::Map<String, Value>> {
    serde_json::from_slice(body).map_err(|error| ApiError::internal(error.to_string()))
}
