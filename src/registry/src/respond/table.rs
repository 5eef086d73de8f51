//! Server-side tables: what `kubectl get` prints.

use std::borrow::Cow;

use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, Object, Result, Value};
use serde_json::{Map, json};

use super::list::ListMeta;
use super::partial;
use crate::negotiate::MetaVersion;
use crate::options::Query;
use crate::print::{self, Column};
use crate::resource::Resource;

/// What of each object goes into its row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Include {
    Metadata,
    Object,
    None,
}

impl Include {
    /// Reads `includeObject`.
    pub(crate) fn of(query: &Query) -> Result<Self> {
        match query.text("includeObject") {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            other => Err(ApiError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {}: \
                 must be 'Metadata', 'Object', 'None', or empty",
                go_quote(other)
            ))),
        }
    }
}

/// The table of some objects (trees without TypeMeta), of which only their rows are kept.
pub(crate) fn table(
    resource: &Resource,
    query: &Query,
    version: MetaVersion,
    meta: &ListMeta,
    objects: impl IntoIterator<Item = Result<Value>>,
) -> Result<Value> {
    let include = Include::of(query)?;
    let mut rows = Vec::new();
    for object in objects {
        let object = object?;
        let rank = print::rank(&resource.gr.group, &resource.gr.resource, &object);
        rows.push((rank, row(resource, version, include, &object)));
    }
    rows.sort_by_key(|(rank, _)| *rank);
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    let mut table = assemble(&columns(resource), version, meta, rows, has_headers(query));
    drop_no_rows(resource, &mut table);
    Ok(table)
}

/// Upstream's printer of last resort starts from no list of rows at all, and so shows `null`.
pub(super) fn drop_no_rows(resource: &Resource, table: &mut Value) {
    let bare =
        resource.custom().is_none() && print::has_no_printer(&resource.gr.group, &resource.gr.resource);
    if let Some(rows) =
        table.get_mut("rows").filter(|rows| bare && rows.as_array().is_some_and(Vec::is_empty))
    {
        *rows = Value::Null;
    }
}

/// A table that has no rows yet.
pub(super) fn empty(resource: &Resource, query: &Query, version: MetaVersion, meta: &ListMeta) -> Value {
    assemble(&columns(resource), version, meta, Vec::new(), has_headers(query))
}

/// The table of a scale, whichever kind of object it is the scale of.
pub(crate) fn scale_table(query: &Query, version: MetaVersion, scale: &Value) -> Result<Value> {
    let shown = match Include::of(query)? {
        Include::Metadata => partial_scale(version, scale),
        Include::Object => scale.clone(),
        Include::None => Value::Null,
    };
    let (group, resource) = ("autoscaling", "scales");
    let cells = print::cells(group, resource, scale, jiff::Timestamp::now());
    let rows = vec![json!({ "cells": cells, "object": shown })];
    let meta = ListMeta::of_object(scale);
    Ok(assemble(&definitions(print::columns(group, resource)), version, &meta, rows, has_headers(query)))
}

/// `PartialObjectMetadata` of a scale.
pub(crate) fn partial_scale(version: MetaVersion, scale: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": version.api_version(),
        "metadata": scale.get("metadata"),
    })
}

fn has_headers(query: &Query) -> bool {
    query.text("noHeaders") != "true"
}

/// The table of one watch event; only a stream's first one has headers.
pub(crate) fn event_table(
    resource: &Resource,
    (version, include): (MetaVersion, Include),
    meta: &ListMeta,
    object: &Value,
    headers: bool,
) -> Value {
    assemble(&columns(resource), version, meta, vec![row(resource, version, include, object)], headers)
}

fn assemble(
    columns: &Value,
    version: MetaVersion,
    meta: &ListMeta,
    rows: Vec<Value>,
    headers: bool,
) -> Value {
    let columns = if headers { columns } else { &Value::Null };
    json!({
        "kind": "Table",
        "apiVersion": version.api_version(),
        "metadata": meta.to_value(),
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn row(resource: &Resource, version: MetaVersion, include: Include, object: &Value) -> Value {
    let gr = &resource.gr;
    let cells = match resource.custom() {
        Some(serving) => {
            let tree = Object::new(object.as_object().cloned().unwrap_or_default());
            serving.columns().cells(&tree, jiff::Timestamp::now())
        }
        None => print::cells(&gr.group, &gr.resource, object, jiff::Timestamp::now()),
    };
    let mut row = Map::new();
    row.insert("cells".into(), Value::Array(cells));
    if let Some(conditions) = print::conditions(&gr.group, &gr.resource, object) {
        row.insert("conditions".into(), conditions);
    }
    row.insert("object".into(), shown(resource, version, include, object));
    Value::Object(row)
}

/// What a row shows of its object.
pub(super) fn shown(resource: &Resource, version: MetaVersion, include: Include, object: &Value) -> Value {
    match include {
        Include::Metadata => partial(resource, version, object),
        Include::Object => {
            let mut full = object.as_object().cloned().unwrap_or_default();
            full.insert("apiVersion".into(), resource.kind.api_version().into());
            full.insert("kind".into(), resource.kind.kind().into());
            Value::Object(full)
        }
        Include::None => Value::Null,
    }
}

fn columns(resource: &Resource) -> Cow<'_, Value> {
    match resource.custom() {
        Some(serving) => Cow::Borrowed(serving.columns().definitions()),
        None => Cow::Owned(definitions(print::columns(&resource.gr.group, &resource.gr.resource))),
    }
}

fn definitions(columns: &[Column]) -> Value {
    columns
        .iter()
        .map(|column| {
            json!({
                "name": column.name,
                "type": column.ty,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            })
        })
        .collect()
}
