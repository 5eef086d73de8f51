//! Paths: what may be done with each resource, in the dialect of either OpenAPI version.

use portcullis_api::{Gvk, Map, Value};
use portcullis_schema::{Row, Subresource, kind};
use serde_json::json;

use super::schemas::{Dialect, PATCH, Schemas, gvk_value};

/// What bodies may be sent as.
const PATCHES: [&str; 5] = [
    "application/apply-patch+cbor",
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
const OBJECTS: [&str; 4] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor"];

/// Adds the paths of a resource.
pub(super) fn add_paths(
    row: &Row,
    dialect: Dialect,
    schemas: &mut Schemas<'_>,
    paths: &mut Map<String, Value>,
) {
    let root = match &*row.gvr.gv.group {
        "" => format!("/api/{}", row.gvr.gv.version),
        group => format!("/apis/{group}/{}", row.gvr.gv.version),
    };
    let plural = &row.gvr.resource;
    let mut writer = Writer { row, dialect, schemas };
    let home = if row.is_namespaced() {
        format!("{root}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("{root}/{plural}")
    };
    let mut add = |path: String, item: Map<String, Value>| {
        if item.len() > 1 {
            paths.insert(path, item.into());
        }
    };
    add(home.clone(), writer.collection(row.is_namespaced()));
    if row.is_namespaced() && row.allows("list") {
        add(format!("{root}/{plural}"), writer.everywhere());
    }
    let object = format!("{home}/{{name}}");
    add(object.clone(), writer.object());
    for sub in &row.subresources {
        add(format!("{object}/{}", sub.name), writer.subresource(sub));
    }
}

struct Writer<'r, 's, 'w> {
    row: &'r Row,
    dialect: Dialect,
    schemas: &'s mut Schemas<'w>,
}

/// One operation before it is written.
struct Operation<'o> {
    method: &'static str,
    action: &'static str,
    gvk: &'o Gvk,
    /// The kind of the body, if it has one.
    body: Option<Body<'o>>,
    /// The kind of the answer; text where there is none.
    answer: Option<&'o Gvk>,
    parameters: &'static [&'static str],
    id: String,
    created: bool,
}

enum Body<'o> {
    Object(&'o Gvk),
    Patch,
    DeleteOptions,
}

const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
const PATCH_WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const DELETE: &[&str] = &[
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
];

impl Writer<'_, '_, '_> {
    fn collection(&mut self, namespaced: bool) -> Map<String, Value> {
        let row = self.row;
        let list = Gvk::new(row.gvk.gv.clone(), row.list_kind.as_str());
        let mut item = self.item(namespaced, false);
        if row.allows("list") {
            let id = self.id("list", &[]);
            self.add(
                &mut item,
                Operation {
                    method: "get",
                    action: "list",
                    gvk: &row.gvk,
                    body: None,
                    answer: Some(&list),
                    parameters: LIST,
                    id,
                    created: false,
                },
            );
        }
        if row.allows("create") {
            let id = self.id("create", &[]);
            self.add(
                &mut item,
                Operation {
                    method: "post",
                    action: "post",
                    gvk: &row.gvk,
                    body: Some(Body::Object(&row.gvk)),
                    answer: Some(&row.gvk),
                    parameters: WRITE,
                    id,
                    created: true,
                },
            );
        }
        if row.allows("deletecollection") {
            let id = self.id("deleteCollection", &[]);
            let status = status();
            self.add(
                &mut item,
                Operation {
                    method: "delete",
                    action: "deletecollection",
                    gvk: &row.gvk,
                    body: Some(Body::DeleteOptions),
                    answer: Some(&status),
                    parameters: DELETE,
                    id,
                    created: false,
                },
            );
        }
        item
    }

    fn everywhere(&mut self) -> Map<String, Value> {
        let row = self.row;
        let list = Gvk::new(row.gvk.gv.clone(), row.list_kind.as_str());
        let mut item = self.item(false, false);
        let id = format!("{}ForAllNamespaces", self.id_of("list", false, &[]));
        self.add(
            &mut item,
            Operation {
                method: "get",
                action: "list",
                gvk: &row.gvk,
                body: None,
                answer: Some(&list),
                parameters: LIST,
                id,
                created: false,
            },
        );
        item
    }

    fn object(&mut self) -> Map<String, Value> {
        let row = self.row;
        let mut item = self.item(row.is_namespaced(), true);
        let verbs: Vec<&str> =
            ["get", "update", "patch", "delete"].into_iter().filter(|verb| row.allows(verb)).collect();
        self.verbs(&mut item, &verbs, &row.gvk, "");
        item
    }

    fn subresource(&mut self, sub: &Subresource) -> Map<String, Value> {
        let mut item = self.item(self.row.is_namespaced(), true);
        // Options are a query, not a body: these subresources are streams.
        if sub.gvk.kind.ends_with("Options") {
            for method in ["get", "post"] {
                let id = self.id("connect", &[method, sub.name]);
                self.add(
                    &mut item,
                    Operation {
                        method,
                        action: "connect",
                        gvk: &sub.gvk,
                        body: None,
                        answer: None,
                        parameters: &[],
                        id,
                        created: false,
                    },
                );
            }
            return item;
        }
        self.verbs(&mut item, &sub.verbs, &sub.gvk, sub.name);
        item
    }

    fn verbs(&mut self, item: &mut Map<String, Value>, verbs: &[&str], gvk: &Gvk, sub: &str) {
        let status = status();
        for verb in verbs {
            let id = |writer: &Self, verb: &str| writer.id(verb, &[sub]);
            let operation = match *verb {
                "get" => Operation {
                    method: "get",
                    action: "get",
                    gvk,
                    body: None,
                    answer: Some(gvk),
                    parameters: &[],
                    id: id(self, "read"),
                    created: false,
                },
                "update" => Operation {
                    method: "put",
                    action: "put",
                    gvk,
                    body: Some(Body::Object(gvk)),
                    answer: Some(gvk),
                    parameters: WRITE,
                    id: id(self, "replace"),
                    created: true,
                },
                "patch" => Operation {
                    method: "patch",
                    action: "patch",
                    gvk,
                    body: Some(Body::Patch),
                    answer: Some(gvk),
                    parameters: PATCH_WRITE,
                    id: id(self, "patch"),
                    created: true,
                },
                "create" => Operation {
                    method: "post",
                    action: "post",
                    gvk,
                    body: Some(Body::Object(gvk)),
                    answer: Some(gvk),
                    parameters: WRITE,
                    id: id(self, "create"),
                    created: true,
                },
                "delete" => Operation {
                    method: "delete",
                    action: "delete",
                    gvk,
                    body: Some(Body::DeleteOptions),
                    answer: Some(&status),
                    parameters: DELETE,
                    id: id(self, "delete"),
                    created: false,
                },
                _ => continue,
            };
            self.add(item, operation);
        }
    }

    /// A path's item with the parameters its path has.
    fn item(&self, namespaced: bool, named: bool) -> Map<String, Value> {
        let mut parameters = Vec::new();
        if named {
            parameters.push(self.path_parameter("name", &format!("name of the {}", self.row.gvk.kind)));
        }
        if namespaced {
            parameters.push(
                self.path_parameter(
                    "namespace",
                    "object name and auth scope, such as for teams and projects",
                ),
            );
        }
        parameters.push(self.query_parameter("pretty"));
        Map::from_iter([("parameters".to_owned(), Value::from(parameters))])
    }

    fn path_parameter(&self, name: &str, words: &str) -> Value {
        self.parameter(
            json!({ "name": name, "in": "path", "description": words, "required": true }),
            "string",
        )
    }

    fn query_parameter(&self, name: &str) -> Value {
        let ty = match name {
            "allowWatchBookmarks"
            | "force"
            | "sendInitialEvents"
            | "watch"
            | "orphanDependents"
            | "ignoreStoreReadErrorWithClusterBreakingPotential" => "boolean",
            "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
            _ => "string",
        };
        self.parameter(json!({ "name": name, "in": "query" }), ty)
    }

    fn parameter(&self, mut parameter: Value, ty: &str) -> Value {
        if let Some(map) = parameter.as_object_mut() {
            let typed =
                Map::from_iter([("type".to_owned(), ty.into()), ("uniqueItems".to_owned(), true.into())]);
            match self.dialect {
                Dialect::V2 => map.extend(typed),
                Dialect::V3 => {
                    map.insert("schema".into(), typed.into());
                }
            }
        }
        parameter
    }

    /// `listCoreV1NamespacedPod`, as generators of clients expect it.
    fn id(&self, verb: &str, tail: &[&str]) -> String {
        self.id_of(verb, self.row.is_namespaced(), tail)
    }

    fn id_of(&self, verb: &str, namespaced: bool, tail: &[&str]) -> String {
        let group = match self.row.gvr.gv.group.split('.').next().unwrap_or_default() {
            "" => "core",
            first => first,
        };
        let scope = if namespaced { "Namespaced" } else { "" };
        let mut id =
            format!("{verb}{}{}{scope}{}", title(group), title(&self.row.gvr.gv.version), self.row.gvk.kind);
        tail.iter().for_each(|part| id.push_str(&title(part)));
        id
    }

    fn add(&mut self, item: &mut Map<String, Value>, operation: Operation<'_>) {
        let mut map = Map::new();
        let group = match &*self.row.gvr.gv.group {
            "" => "core",
            group => group.split('.').next().unwrap_or_default(),
        };
        let words = format!("{} {}", operation.action, self.row.gvk.kind);
        map.insert("description".into(), words.into());
        map.insert("tags".into(), json!([format!("{group}_{}", self.row.gvr.gv.version)]));
        map.insert("operationId".into(), operation.id.into());
        map.insert("x-kubernetes-action".into(), operation.action.into());
        map.insert("x-kubernetes-group-version-kind".into(), gvk_value(operation.gvk));
        let mut parameters: Vec<Value> =
            operation.parameters.iter().map(|name| self.query_parameter(name)).collect();
        if let Some(body) = &operation.body {
            let (schema, media): (Value, &[&str]) = match body {
                Body::Object(gvk) => (self.refer(gvk), &OBJECTS),
                Body::Patch => (self.schemas.refer(PATCH), &PATCHES),
                Body::DeleteOptions => (self.refer(&delete_options()), &OBJECTS),
            };
            let required = !matches!(body, Body::DeleteOptions);
            match self.dialect {
                Dialect::V2 => {
                    parameters.push(
                        json!({ "name": "body", "in": "body", "required": required, "schema": schema }),
                    );
                    let consumes = if matches!(body, Body::Patch) { json!(PATCHES) } else { json!(["*/*"]) };
                    map.insert("consumes".into(), consumes);
                }
                Dialect::V3 => {
                    let media = if matches!(body, Body::Patch) { media } else { &["*/*"] };
                    map.insert(
                        "requestBody".into(),
                        json!({ "content": content(media, &schema), "required": required }),
                    );
                }
            }
        }
        if !parameters.is_empty() {
            map.insert("parameters".into(), parameters.into());
        }
        map.insert("responses".into(), self.responses(operation.answer, operation.created));
        if self.dialect == Dialect::V2 {
            map.insert("produces".into(), json!(OBJECTS));
            map.insert("schemes".into(), json!(["https"]));
        }
        item.insert(operation.method.to_owned(), map.into());
    }

    fn responses(&mut self, answer: Option<&Gvk>, created: bool) -> Value {
        let schema = answer.map_or_else(|| json!({ "type": "string" }), |gvk| self.refer(gvk));
        let response = |words: &str| match self.dialect {
            Dialect::V2 => json!({ "description": words, "schema": schema }),
            Dialect::V3 => json!({ "description": words, "content": content(&OBJECTS, &schema) }),
        };
        let mut responses = Map::from_iter([("200".to_owned(), response("OK"))]);
        if created {
            responses.insert("201".to_owned(), response("Created"));
        }
        responses.insert("401".to_owned(), json!({ "description": "Unauthorized" }));
        responses.into()
    }

    fn refer(&mut self, gvk: &Gvk) -> Value {
        match kind(gvk) {
            Some(kind) => self.schemas.refer(kind.root_struct().definition),
            None => json!({ "type": "object" }),
        }
    }
}

fn content(media: &[&str], schema: &Value) -> Value {
    media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect::<Map<_, _>>().into()
}

fn status() -> Gvk {
    meta("Status")
}

fn delete_options() -> Gvk {
    meta("DeleteOptions")
}

fn meta(kind: &str) -> Gvk {
    Gvk::new(portcullis_api::GroupVersion::new("", "v1"), kind)
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
