//! Printer columns and subresources of a version.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use crate::kinds::check::{At, items, text};
use crate::kinds::others::tree::there;

const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
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
