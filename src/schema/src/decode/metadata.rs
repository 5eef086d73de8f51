//! The metadata of objects whose kind has no struct: custom resources.

use portcullis_api::{Map, Value};

use super::FieldValidation;
use super::at::At;
use super::reader::{Members, Reader, Stop};
use super::source::{Source as _, Token};
use super::tree::Tree;
use crate::patch::word;
use crate::types::types;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Reads a tree as the metadata of an object. Tells unknown fields, or why Go could not read it.
pub(crate) fn metadata(
    value: Value,
    validation: FieldValidation,
) -> Result<(Map<String, Value>, Vec<String>), String> {
    let Some(schema) = types().by_definition(OBJECT_META).map(|id| types().get(id)) else {
        return Err("the type of metadata is not built in".to_owned());
    };
    if !value.is_object() && !value.is_null() {
        return Err(format!("json: cannot unmarshal {} into Go value of type v1.ObjectMeta", word(&value)));
    }
    let mut reader = Reader::new(Tree::new(value), validation != FieldValidation::Ignore);
    let mut members = Members::new(schema);
    let ended = read(&mut reader, &mut members);
    match ended {
        Ok(()) => {}
        Err(Stop::Malformed) => return Err("exceeded max depth".to_owned()),
        Err(Stop::Refused(message)) => return Err(message),
    }
    let problems = reader.finish()?;
    Ok((members.complete(), problems.into_iter().map(below_metadata).collect()))
}

fn read(reader: &mut Reader<Tree>, members: &mut Members) -> Result<(), Stop> {
    if let Token::Object = reader.source.token()? {
        reader.enter()?;
        let mut first = true;
        while let Some(key) = reader.source.next_key(first)? {
            first = false;
            reader.member(members, key, &At::ROOT)?;
        }
        reader.leave();
    }
    Ok(())
}

/// `unknown field "x"` becomes `unknown field "metadata.x"`.
fn below_metadata(problem: String) -> String {
    problem.replacen(" field \"", " field \"metadata.", 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_read_as_go_reads_it() {
        let given = json!({"name": "a", "labels": {"x": "y"}, "foo": 1, "creationTimestamp": null});
        let (read, problems) = metadata(given, FieldValidation::Warn).unwrap();
        assert_eq!(Value::from(read), json!({"name": "a", "labels": {"x": "y"}}));
        assert_eq!(problems, ["unknown field \"metadata.foo\""]);
        let refused = metadata(json!({"labels": {"x": 1}}), FieldValidation::Warn).unwrap_err();
        assert_eq!(
            refused,
            "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
        );
    }
}
