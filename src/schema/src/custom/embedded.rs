//! Objects inside objects (`x-kubernetes-embedded-resource`): they have a kind, and metadata like any.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{GroupVersion, Map, Object, Value, names};

use super::Structural;
use super::at::At;
use super::node::{Additional, Node, NodeId};
use super::validate::shown;
use crate::decode::{self, FieldValidation};

/// What is done with a head that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// The object is refused: it comes from a client.
    Refused,
    /// The malformed fields are dropped: it comes from storage or a conversion.
    Dropped,
}

/// The rules for the metadata of any object.
pub type MetadataRules<'r> = &'r dyn Fn(&Object, &mut ErrorList);

const NOT_TEXT: &str = "must be a string";

/// Brings the heads of embedded objects into normal form.
pub(super) fn coerce(
    schema: &Structural,
    object: &mut Map<String, Value>,
    malformed: Malformed,
    validation: FieldValidation,
) -> Result<Vec<String>, Error> {
    let mut walk = Coerce { schema, malformed, validation, problems: Vec::new() };
    walk.members(schema.root(), object, &At::Root)?;
    walk.problems.sort_unstable();
    Ok(walk.problems)
}

/// Brings the heads in a value into normal form; `whole` for an object of its own.
pub(super) fn coerce_value(
    schema: &Structural,
    id: NodeId,
    value: &mut Value,
    whole: bool,
    at: &At<'_>,
) -> Result<(), Error> {
    let (malformed, validation) = (Malformed::Refused, FieldValidation::Ignore);
    let mut walk = Coerce { schema, malformed, validation, problems: Vec::new() };
    if let Some(members) = value.as_object_mut().filter(|_| whole && !schema.node(id).embedded) {
        walk.head(members, at)?;
    }
    walk.value(id, value, at)
}

struct Coerce<'s> {
    schema: &'s Structural,
    malformed: Malformed,
    validation: FieldValidation,
    problems: Vec<String>,
}

impl<'s> Coerce<'s> {
    fn members(&mut self, id: NodeId, members: &mut Map<String, Value>, at: &At<'_>) -> Result<(), Error> {
        let schema: &'s Structural = self.schema;
        let node = schema.node(id);
        if node.embedded {
            self.head(members, at)?;
        }
        for (name, value) in members {
            if let Some((id, at)) = below(node, name, at) {
                self.value(id, value, &at)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, id: NodeId, value: &mut Value, at: &At<'_>) -> Result<(), Error> {
        match value {
            Value::Object(members) => self.members(id, members, at)?,
            Value::Array(items) => {
                let Some(item) = self.schema.node(id).items else { return Ok(()) };
                for (index, value) in items.iter_mut().enumerate() {
                    self.value(item, value, &At::Index(at, index))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn head(&mut self, members: &mut Map<String, Value>, at: &At<'_>) -> Result<(), Error> {
        for field in ["apiVersion", "kind"] {
            match (members.get(field).filter(|value| !value.is_string()), self.malformed) {
                (None, _) => {}
                (Some(_), Malformed::Dropped) => {
                    members.remove(field);
                }
                (Some(value), Malformed::Refused) => {
                    return Err(Error::invalid(&at.child(field).path(), shown(value), NOT_TEXT));
                }
            }
        }
        let Some(metadata) = members.get("metadata") else { return Ok(()) };
        let read = match (decode::metadata(metadata.clone(), self.validation), self.malformed) {
            (Ok((metadata, problems)), _) => {
                self.note(problems, at);
                metadata
            }
            (Err(_), Malformed::Dropped) => match self.readable(metadata, at) {
                Some(metadata) => metadata,
                None => return Ok(()),
            },
            (Err(words), Malformed::Refused) => {
                return Err(Error::invalid(&at.child("metadata").path(), shown(metadata), words));
            }
        };
        members.insert("metadata".to_owned(), read.into());
        Ok(())
    }

    /// The fields of metadata that can be read one by one; nothing where it is no object at all.
    fn readable(&mut self, metadata: &Value, at: &At<'_>) -> Option<Map<String, Value>> {
        let mut all = Map::new();
        for (name, value) in metadata.as_object()? {
            let single = Map::from_iter([(name.clone(), value.clone())]);
            if let Ok((read, problems)) = decode::metadata(single.into(), self.validation) {
                self.note(problems, at);
                all.extend(read);
            }
        }
        Some(all)
    }

    fn note(&mut self, problems: Vec<String>, at: &At<'_>) {
        let path = at.path();
        let placed = |problem: String| match path.as_str() {
            "" => problem,
            path => problem.replacen(" field \"", &format!(" field \"{path}."), 1),
        };
        self.problems.extend(problems.into_iter().map(placed));
    }
}

/// The schema and the place of a member.
fn below<'a>(node: &Node, name: &'a str, at: &'a At<'a>) -> Option<(NodeId, At<'a>)> {
    match (node.property(name), node.additional) {
        (Some(id), _) => Some((id, At::Field(at, name))),
        (None, Additional::Of(id)) => Some((id, At::Key(at, name))),
        _ => None,
    }
}

/// Checks the heads of embedded objects.
pub(super) fn check(schema: &Structural, object: &Map<String, Value>, rules: MetadataRules<'_>) -> ErrorList {
    let mut walk = Check { schema, rules, errors: ErrorList::new() };
    walk.members(schema.root(), object, &At::Root);
    walk.errors
}

/// Checks a value that is embedded itself, or holds what is; `whole` for an object of its own.
pub(super) fn check_value(
    schema: &Structural,
    id: NodeId,
    value: &Value,
    whole: bool,
    at: &At<'_>,
    rules: MetadataRules<'_>,
) -> ErrorList {
    let mut walk = Check { schema, rules, errors: ErrorList::new() };
    if let Some(members) = value.as_object().filter(|_| whole && !schema.node(id).embedded) {
        walk.head(members, at);
    }
    walk.value(id, value, at);
    walk.errors
}

struct Check<'s> {
    schema: &'s Structural,
    rules: MetadataRules<'s>,
    errors: ErrorList,
}

impl<'s> Check<'s> {
    fn members(&mut self, id: NodeId, members: &Map<String, Value>, at: &At<'_>) {
        let schema: &'s Structural = self.schema;
        let node = schema.node(id);
        if node.embedded {
            self.head(members, at);
        }
        for (name, value) in members {
            if let Some((id, at)) = below(node, name, at) {
                self.value(id, value, &at);
            }
        }
    }

    fn value(&mut self, id: NodeId, value: &Value, at: &At<'_>) {
        match value {
            Value::Object(members) => self.members(id, members, at),
            Value::Array(items) => {
                let Some(item) = self.schema.node(id).items else { return };
                for (index, value) in items.iter().enumerate() {
                    self.value(item, value, &At::Index(at, index));
                }
            }
            _ => {}
        }
    }

    fn head(&mut self, members: &Map<String, Value>, at: &At<'_>) {
        for field in ["apiVersion", "kind"] {
            if !members.contains_key(field) {
                self.errors.push(Error::required(&at.child(field).path(), ""));
            }
        }
        for (field, rule) in [("apiVersion", api_version as fn(&str) -> Option<String>), ("kind", kind)] {
            let place = at.child(field);
            match members.get(field) {
                None => {}
                Some(Value::String(text)) => {
                    let words = rule(text).map(|words| Error::invalid(&place.path(), text, words));
                    self.errors.extend(words);
                }
                Some(other) => {
                    self.errors.push(Error::invalid(&place.path(), shown(other), NOT_TEXT));
                }
            }
        }
        if let Some(metadata) = members.get("metadata") {
            self.metadata(metadata, at);
        }
    }

    fn metadata(&mut self, metadata: &Value, at: &At<'_>) {
        let mut head = match decode::metadata(metadata.clone(), FieldValidation::Ignore) {
            Ok((metadata, _)) => Object::new(Map::from_iter([("metadata".to_owned(), metadata.into())])),
            Err(words) => {
                let place = at.child("metadata").path();
                return self.errors.push(Error::invalid(&place, shown(metadata), words));
            }
        };
        if head.name().is_empty() {
            // Embedded objects need no name, but the rules ask for one.
            head.set_meta_str("name", "fakename");
        }
        let mut found = ErrorList::new();
        (self.rules)(&head, &mut found);
        let base = at.path();
        self.errors
            .extend(found.into_iter().map(|error| Error { path: base.child(error.path.as_str()), ..error }));
    }
}

fn api_version(text: &str) -> Option<String> {
    match text {
        "" => Some("must not be empty".to_owned()),
        text if GroupVersion::parse(text).is_none() => {
            Some(format!("unexpected GroupVersion string: {text}"))
        }
        _ => None,
    }
}

fn kind(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("must not be empty".to_owned());
    }
    let messages = names::dns1035_label(&text.to_lowercase());
    let words = "may have mixed case, but should otherwise match: ";
    (!messages.is_empty()).then(|| format!("{words}{}", messages.join(",")))
}
