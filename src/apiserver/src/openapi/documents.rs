//! Whole documents: one of version 2 for everything, one of version 3 for each group and version.

use portcullis_api::{Map, Value};
use portcullis_schema::{Row, rows};
use serde_json::json;

use super::custom::CustomDocument;
use super::operations::add_paths;
use super::schemas::{Dialect, Schemas};
use super::words::Words;

const SECURITY: &str = "Bearer Token authentication";

/// The document of version 2.
pub(super) fn v2<'r>(built_in: impl Iterator<Item = &'r Row>, custom: &[CustomDocument]) -> Value {
    let words = Words::unpack();
    let mut schemas = Schemas::new(Dialect::V2, &words);
    let mut paths = Map::new();
    for row in built_in {
        add_paths(row, Dialect::V2, &mut schemas, &mut paths);
    }
    for one in custom {
        one.define(&mut schemas);
        add_paths(&one.row, Dialect::V2, &mut schemas, &mut paths);
    }
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": paths,
        "definitions": schemas.finish(),
        "securityDefinitions": {
            "BearerToken": { "description": SECURITY, "type": "apiKey", "name": "authorization", "in": "header" }
        },
        "security": [{ "BearerToken": [] }],
    })
}

/// The document of version 3 for one group and version; the group is empty for the core group.
pub(super) fn v3(group: &str, version: &str, custom: &[CustomDocument]) -> Value {
    let words = Words::unpack();
    let mut schemas = Schemas::new(Dialect::V3, &words);
    let mut paths = Map::new();
    for row in rows().iter().filter(|row| &*row.gvr.gv.group == group && &*row.gvr.gv.version == version) {
        add_paths(row, Dialect::V3, &mut schemas, &mut paths);
    }
    for one in custom.iter().filter(|one| one.is_of(group, version)) {
        one.define(&mut schemas);
        add_paths(&one.row, Dialect::V3, &mut schemas, &mut paths);
    }
    v3_document(paths, schemas.finish())
}

/// The document of a path that lists versions or resources and has no objects.
pub(super) fn v3_listing(path: &str, definition: Option<&'static str>) -> Value {
    let words = Words::unpack();
    let mut schemas = Schemas::new(Dialect::V3, &words);
    let schema =
        definition.map_or_else(|| json!({ "type": "string" }), |definition| schemas.refer(definition));
    let answer = json!({ "description": "OK", "content": { "application/json": { "schema": schema } } });
    let get = json!({
        "description": "read what is served here",
        "responses": { "200": answer, "401": { "description": "Unauthorized" } },
    });
    let paths = Map::from_iter([(path.to_owned(), json!({ "get": get }))]);
    v3_document(paths, schemas.finish())
}

fn v3_document(paths: Map<String, Value>, schemas: Map<String, Value>) -> Value {
    json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "BearerToken": { "description": SECURITY, "type": "apiKey", "name": "authorization", "in": "header" }
            },
        },
    })
}

fn info() -> Value {
    json!({ "title": "Kubernetes", "version": "v1.36.2" })
}
