//! Parameters of paths and queries.

use portcullis_api::{Map, Value};
use serde_json::json;

use super::schemas::Dialect;

/// A part of the path.
pub(super) fn path_parameter(name: &str, words: &str, dialect: Dialect) -> Value {
    let map = Map::from_iter([
        ("name".to_owned(), name.into()),
        ("in".to_owned(), "path".into()),
        ("description".to_owned(), words.into()),
        ("required".to_owned(), true.into()),
    ]);
    typed(map, "string", dialect)
}

/// A part of the query.
pub(super) fn query_parameter(name: &str, dialect: Dialect) -> Value {
    let (ty, words) = meaning(name);
    let map = Map::from_iter([
        ("name".to_owned(), name.into()),
        ("in".to_owned(), "query".into()),
        ("description".to_owned(), words.into()),
    ]);
    typed(map, ty, dialect)
}

fn typed(mut map: Map<String, Value>, ty: &str, dialect: Dialect) -> Value {
    match dialect {
        Dialect::V2 => {
            map.insert("type".into(), ty.into());
            map.insert("uniqueItems".into(), true.into());
        }
        Dialect::V3 => {
            map.insert("schema".into(), json!({ "type": ty, "uniqueItems": true }));
        }
    }
    map.into()
}

fn meaning(name: &str) -> (&'static str, &'static str) {
    match name {
        "allowWatchBookmarks" => {
            ("boolean", "Also send BOOKMARK events, which only tell a resource version.")
        }
        "continue" => ("string", "The token of the page before; asks for the next one."),
        "dryRun" => ("string", "`All` does everything but store the outcome."),
        "fieldManager" => ("string", "Who makes the change, for the record of who owns which field."),
        "fieldSelector" => {
            ("string", "A selector to restrict the list of returned objects by their fields. All by default.")
        }
        "fieldValidation" => {
            ("string", "What unknown and repeated fields lead to: `Ignore`, `Warn` or `Strict`.")
        }
        "force" => ("boolean", "Take over fields that others own; only for apply."),
        "gracePeriodSeconds" => ("integer", "How long the object may take to end; 0 is at once."),
        "ignoreStoreReadErrorWithClusterBreakingPotential" => {
            ("boolean", "Delete even what cannot be read, without finalizers and preconditions.")
        }
        "labelSelector" => {
            ("string", "A selector to restrict the list of returned objects by their labels. All by default.")
        }
        "limit" => ("integer", "The most objects a page may hold."),
        "orphanDependents" => ("boolean", "Deprecated: use propagationPolicy."),
        "pretty" => ("string", "`true` breaks the output into lines."),
        "propagationPolicy" => {
            ("string", "What becomes of dependents: `Orphan`, `Background` or `Foreground`.")
        }
        "resourceVersion" => ("string", "From which version on; how exactly says resourceVersionMatch."),
        "resourceVersionMatch" => ("string", "`Exact` or `NotOlderThan`."),
        "sendInitialEvents" => ("boolean", "Begin a watch with the objects there are."),
        "timeoutSeconds" => ("integer", "How long a list or watch may take."),
        "watch" => (
            "boolean",
            "Watch for changes to the described resources and return them as a stream of notifications. Specify resourceVersion.",
        ),
        _ => ("string", ""),
    }
}
