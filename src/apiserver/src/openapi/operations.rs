//! Paths: what may be done with each resource, in the dialect of either OpenAPI version.

use portcullis_api::{GroupVersion, Gvk, Map, Value};
use portcullis_schema::custom::openapi::definition_name;
use portcullis_schema::{Row, Subresource, kind};
use serde_json::json;

use super::parameters::{path_parameter, query_parameter};
use super::schemas::{Dialect, PATCH, Schemas, gvk_value};
use super::shapes::{Answer, Body, COLLECTION, CONNECT, LIST, OBJECT, SUBRESOURCE, Shape};

/// What patches may be sent as.
const PATCHES: [&str; 5] = [
    "application/apply-patch+cbor",
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
/// The same for custom resources: kubectl sends the best that is named here.
const CUSTOM_PATCHES: [&str; 4] = [
    "application/apply-patch+cbor",
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
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
    let mut writer = Writer { row, dialect, schemas };
    let everywhere = format!("{}/{}", root(row), row.gvr.resource);
    let home = match row.is_namespaced() {
        true => format!("{}/namespaces/{{namespace}}/{}", root(row), row.gvr.resource),
        false => everywhere.clone(),
    };
    let object = format!("{home}/{{name}}");
    let mut items = vec![(home, writer.collection()), (object.clone(), writer.object())];
    if row.is_namespaced() && row.allows("list") {
        items.push((everywhere, writer.everywhere()));
    }
    items.extend(
        row.subresources.iter().map(|sub| (format!("{object}/{}", sub.name), writer.subresource(sub))),
    );
    // An item that holds nothing but its parameters is no path.
    paths
        .extend(items.into_iter().filter(|(_, item)| item.len() > 1).map(|(path, item)| (path, item.into())));
}

fn root(row: &Row) -> String {
    match &*row.gvr.gv.group {
        "" => format!("/api/{}", row.gvr.gv.version),
        group => format!("/apis/{group}/{}", row.gvr.gv.version),
    }
}

struct Writer<'r, 's, 'w> {
    row: &'r Row,
    dialect: Dialect,
    schemas: &'s mut Schemas<'w>,
}

impl Writer<'_, '_, '_> {
    fn collection(&mut self) -> Map<String, Value> {
        let row = self.row;
        let mut item = self.item(row.is_namespaced(), false);
        for shape in COLLECTION.iter().filter(|shape| row.allows(shape.verb)) {
            let id = self.id(shape.word, row.is_namespaced(), "");
            self.add(&mut item, shape, &row.gvk, id);
        }
        item
    }

    fn everywhere(&mut self) -> Map<String, Value> {
        let mut item = self.item(false, false);
        let id = format!("{}ForAllNamespaces", self.id(LIST.word, false, ""));
        self.add(&mut item, &LIST, &self.row.gvk, id);
        item
    }

    fn object(&mut self) -> Map<String, Value> {
        let row = self.row;
        let mut item = self.item(row.is_namespaced(), true);
        for shape in OBJECT.iter().filter(|shape| row.allows(shape.verb)) {
            let id = self.id(shape.word, row.is_namespaced(), "");
            self.add(&mut item, shape, &row.gvk, id);
        }
        item
    }

    fn subresource(&mut self, sub: &Subresource) -> Map<String, Value> {
        let namespaced = self.row.is_namespaced();
        let mut item = self.item(namespaced, true);
        let is_stream = sub.gvk.kind.ends_with("Options");
        let shapes: &[Shape] = if is_stream { &CONNECT } else { &SUBRESOURCE };
        for shape in shapes.iter().filter(|shape| is_stream || sub.verbs.contains(&shape.verb)) {
            let id = self.id(shape.word, namespaced, sub.name);
            self.add(&mut item, shape, &sub.gvk, id);
        }
        item
    }

    /// A path's item with the parameters its path has.
    fn item(&self, namespaced: bool, named: bool) -> Map<String, Value> {
        let name = format!("name of the {}", self.row.gvk.kind);
        let place = "object name and auth scope, such as for teams and projects";
        let mut parameters = Vec::new();
        parameters.extend(named.then(|| path_parameter("name", &name, self.dialect)));
        parameters.extend(namespaced.then(|| path_parameter("namespace", place, self.dialect)));
        parameters.push(query_parameter("pretty", self.dialect));
        Map::from_iter([("parameters".to_owned(), Value::from(parameters))])
    }

    /// `listCoreV1NamespacedPod`, as generators of clients expect it.
    fn id(&self, word: &str, namespaced: bool, tail: &str) -> String {
        let gv = &self.row.gvr.gv;
        let scope = if namespaced { "Namespaced" } else { "" };
        let (group, version) = (title(short_group(gv)), title(&gv.version));
        format!("{word}{group}{version}{scope}{}{}", self.row.gvk.kind, title(tail))
    }

    fn add(&mut self, item: &mut Map<String, Value>, shape: &Shape, gvk: &Gvk, id: String) {
        let gv = &self.row.gvr.gv;
        let mut map = Map::new();
        map.insert("description".into(), format!("{} {}", shape.action, self.row.gvk.kind).into());
        map.insert("tags".into(), json!([format!("{}_{}", short_group(gv), gv.version)]));
        map.insert("operationId".into(), id.into());
        map.insert("x-kubernetes-action".into(), shape.action.into());
        map.insert("x-kubernetes-group-version-kind".into(), gvk_value(gvk));
        let mut parameters: Vec<Value> =
            shape.parameters.iter().map(|name| query_parameter(name, self.dialect)).collect();
        self.put_body(shape.body, gvk, &mut map, &mut parameters);
        if !parameters.is_empty() {
            map.insert("parameters".into(), parameters.into());
        }
        map.insert("responses".into(), self.responses(shape, gvk));
        if self.dialect == Dialect::V2 {
            map.insert("produces".into(), json!(OBJECTS));
            map.insert("schemes".into(), json!(["https"]));
        }
        item.insert(shape.method.to_owned(), map.into());
    }

    fn put_body(&mut self, body: Body, gvk: &Gvk, map: &mut Map<String, Value>, parameters: &mut Vec<Value>) {
        let schema = match body {
            Body::Nothing => return,
            Body::Object => self.refer(gvk),
            Body::Patch => self.schemas.refer(PATCH),
            Body::DeleteOptions => self.refer(&meta("DeleteOptions")),
        };
        let required = body != Body::DeleteOptions;
        let media: &[&str] = match body {
            Body::Patch if kind(&self.row.gvk).is_some() => &PATCHES,
            Body::Patch => &CUSTOM_PATCHES,
            _ => &["*/*"],
        };
        match self.dialect {
            Dialect::V2 => {
                parameters
                    .push(json!({ "name": "body", "in": "body", "required": required, "schema": schema }));
                map.insert("consumes".into(), json!(media));
            }
            Dialect::V3 => {
                let body = json!({ "content": content(media, &schema), "required": required });
                map.insert("requestBody".into(), body);
            }
        }
    }

    fn responses(&mut self, shape: &Shape, gvk: &Gvk) -> Value {
        let schema = match shape.answer {
            Answer::Object => self.refer(gvk),
            Answer::List => self.refer_list(gvk),
            Answer::Status => self.refer(&meta("Status")),
            Answer::Text => json!({ "type": "string" }),
        };
        let response = |words: &str| match self.dialect {
            Dialect::V2 => json!({ "description": words, "schema": schema }),
            Dialect::V3 => json!({ "description": words, "content": content(&OBJECTS, &schema) }),
        };
        let mut responses = Map::from_iter([("200".to_owned(), response("OK"))]);
        if shape.creates {
            responses.insert("201".to_owned(), response("Created"));
        }
        responses.insert("401".to_owned(), json!({ "description": "Unauthorized" }));
        responses.into()
    }

    fn refer(&mut self, gvk: &Gvk) -> Value {
        match kind(gvk) {
            Some(kind) => self.schemas.refer(kind.root_struct().definition),
            None => self.refer_added(gvk),
        }
    }

    fn refer_list(&mut self, gvk: &Gvk) -> Value {
        match kind(gvk) {
            Some(kind) => self.schemas.refer_list(kind, self.row),
            None => self.refer_added(&Gvk::new(gvk.gv.clone(), self.row.list_kind.as_str())),
        }
    }

    fn refer_added(&self, gvk: &Gvk) -> Value {
        let name = definition_name(&gvk.gv.group, &gvk.gv.version, &gvk.kind);
        self.schemas.refer_added(&name).unwrap_or_else(|| json!({ "type": "object" }))
    }
}

fn content(media: &[&str], schema: &Value) -> Value {
    media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect::<Map<_, _>>().into()
}

/// The group's first word, which ids and tags use; `core` for the group without a name.
fn short_group(gv: &GroupVersion) -> &str {
    match gv.group.split('.').next().unwrap_or_default() {
        "" => "core",
        first => first,
    }
}

fn meta(kind: &str) -> Gvk {
    Gvk::new(GroupVersion::new("", "v1"), kind)
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
