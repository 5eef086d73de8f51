//! Everything that is wrong with the schema in a definition, in upstream's order.
//!
//! First whether it is structural (`structural.rs`, `complete.rs`) and, if so, whether its defaults fit it
//! (`defaults.rs`); then what the API allows of OpenAPI (`openapi.rs`), in every case; at last the rules of what is
//! fine so far.

mod complete;
mod defaults;
mod expressions;
mod lists;
mod openapi;
mod structural;

use portcullis_api::Value;
use portcullis_api::field::{ErrorList, Path};

use super::at::At;
use super::embedded::MetadataRules;
use super::json::{flag, text};
use super::{CompileError, Structural, rules};

/// Fields that are not allowed beside a status subresource, and how upstream lists those that are.
const NOT_AT_ROOT: [&str; 22] = [
    "$ref",
    "$schema",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "definitions",
    "dependencies",
    "enum",
    "id",
    "maxProperties",
    "minProperties",
    "not",
    "nullable",
    "oneOf",
    "patternProperties",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
];
const AT_ROOT: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                       MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties \
                       ExternalDocs Example XPreserveUnknownFields XValidations]";

/// Checks an `openAPIV3Schema`, `at` being the path of what holds it. `has_status` tells whether there is
/// a status subresource, `metadata` the rules for any object's metadata.
pub fn validate_schema(
    schema: &Value,
    has_status: bool,
    at: &Path,
    metadata: MetadataRules<'_>,
) -> ErrorList {
    let mut errors = ErrorList::new();
    let holder = At::Base(at);
    if has_status {
        root(schema, &holder, &mut errors);
    }
    if flag(schema, "nullable") {
        let words = "nullable cannot be true at the root";
        holder.child("openAPIV3Schema.nullable").forbidden(&mut errors, words);
    }
    let here = holder.child("openAPIV3Schema");
    let compiled = Structural::compile(schema, false);
    let mut structural = None;
    if !matches!(&compiled, Err(error) if error.is_unsupported()) {
        let mut found = structural::check(schema, &here);
        if let Ok(compiled) = &compiled
            && found.is_empty()
        {
            found = defaults::check(compiled, &here, metadata);
            structural = Some(compiled).filter(|_| found.is_empty());
        }
        errors.append(&mut found);
    }
    let mut found = ErrorList::new();
    openapi::check(schema, &here, &mut found);
    // Rules of what is wrong otherwise are not looked at: what they would tell goes away with it.
    let rules = structural.map(|schema| rules::definition::check(schema, &here, &found));
    errors.append(&mut found);
    errors.extend(rules.into_iter().flatten());
    // What cannot be compiled is mostly told above already, better than the compiler does.
    if let Err(error) = compiled
        && errors.is_empty()
    {
        unusable(&error, &holder, &here, &mut errors);
    }
    errors
}

fn unusable(error: &CompileError, holder: &At<'_>, here: &At<'_>, errors: &mut ErrorList) {
    if error.is_unsupported() {
        here.invalid(errors, "", error.to_string());
    } else {
        holder.invalid(errors, "", format!("error building validator: {error}"));
    }
}

fn root(schema: &Value, holder: &At<'_>, errors: &mut ErrorList) {
    let ty = text(schema, "type");
    if !ty.is_empty() && ty != "object" {
        let words = "only \"object\" is allowed as the type at the root of the schema if the status subresource \
                     is enabled";
        holder.child("openAPIV3Schema.type").invalid(errors, ty, words);
    } else if NOT_AT_ROOT.iter().any(|field| schema.get(*field).is_some()) {
        let words = format!(
            "only {AT_ROOT} fields are allowed at the root of the schema if the status subresource is enabled"
        );
        holder.child("openAPIV3Schema").invalid(errors, schema, words);
    }
}

#[cfg(test)]
mod tests;
