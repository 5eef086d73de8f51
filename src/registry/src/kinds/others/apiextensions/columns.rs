//! Printer columns and subresources of a version.

use portcullis_api::Value;
use portcullis_api::field::{ErrorList, Path};
use portcullis_schema::custom::{Notation, field_at};

use crate::kinds::check::{At, items, text};
use crate::kinds::others::tree::{sub, there};

const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
/// How many fields objects can be selected by.
const SELECTABLE_MAX: usize = 8;
const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// The rules for the printer columns of a version.
pub(super) fn columns(version: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (i, column) in items(version, "additionalPrinterColumns").iter().enumerate() {
        self::column(column, &at.index(i), errors);
    }
}

fn column(column: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if text(column, "name").is_empty() {
        at.child("name").required(errors, "");
    }
    let kind = text(column, "type");
    let words = format!("must be one of {}", TYPES.join(","));
    if kind.is_empty() {
        at.child("type").required(errors, &words);
    } else if !TYPES.contains(&kind) {
        at.child("type").invalid(errors, kind, words);
    }
    let format = text(column, "format");
    if !format.is_empty() && !FORMATS.contains(&format) {
        at.child("format").invalid(errors, format, format!("must be one of {}", FORMATS.join(",")));
    }
    match text(column, "jsonPath") {
        "" => at.child("JSONPath").required(errors, ""),
        path => {
            simple_path(path, at.child("JSONPath"), errors);
        }
    }
}

/// The rules for the fields objects of a version can be selected by, `at` being what holds them.
pub(super) fn selectable(version: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let fields = items(version, "selectableFields");
    let here = at.child("selectableFields");
    let mut known: Vec<Path> = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        let at = here.index(i);
        let at = at.child("jsonPath");
        let path = text(field, "jsonPath");
        if path.is_empty() {
            at.required(errors, "");
            continue;
        }
        let schema = sub(sub(version, "schema"), "openAPIV3Schema");
        match field_at(schema, path, Notation::Dots) {
            Err(error) => at.invalid(errors, path, format!("is an invalid path: {error}")),
            Ok((place, found)) => {
                selectable_field(path, &place, found, &at, errors);
                if known.contains(&place) {
                    at.duplicate(errors, path);
                } else {
                    known.push(place);
                }
            }
        }
    }
    if known.len() > SELECTABLE_MAX {
        here.too_many(errors, known.len(), SELECTABLE_MAX);
    }
}

fn selectable_field(path: &str, place: &Path, found: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    let below_metadata = place.as_str().strip_prefix("metadata");
    if below_metadata.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])) {
        at.invalid(errors, path, "must not point to fields in metadata");
    }
    if !found.is_some_and(|schema| matches!(text(schema, "type"), "string" | "boolean" | "integer")) {
        let words = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                     formats are allowed.";
        at.invalid(errors, path, words);
    }
}

/// A path from the root in dots; false when it is not one.
fn simple_path(path: &str, at: At<'_>, errors: &mut ErrorList) -> bool {
    let simple = path.starts_with('.');
    if !simple {
        at.invalid(errors, path, "must be a simple json path starting with .");
    }
    simple
}

/// The rules for the subresources of a version.
pub(super) fn subresources(subresources: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(scale) = there(subresources, "scale") else { return };
    let fields = [
        ("specReplicasPath", "scale.specReplicasPath", ".spec."),
        ("statusReplicasPath", "scale.statusReplicasPath", ".status."),
    ];
    for (field, shown, below) in fields {
        let here = at.child(shown);
        let path = text(scale, field);
        if path.is_empty() {
            here.required(errors, "");
        } else if simple_path(path, here, errors) && !path.starts_with(below) {
            let parent = below.trim_end_matches('.');
            here.invalid(errors, path, format!("should be a json path under {parent}"));
        }
    }
    let here = at.child("scale.labelSelectorPath");
    let path = text(scale, "labelSelectorPath");
    let below = [".spec.", ".status."].iter().any(|parent| path.starts_with(parent));
    if !path.is_empty() && simple_path(path, here, errors) && !below {
        here.invalid(errors, path, "should be a json path under either .spec or .status");
    }
}
