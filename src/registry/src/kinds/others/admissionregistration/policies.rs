//! Admission policies.

use portcullis_admission::policies::{Compiler, Part};
use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};
use portcullis_schema::custom::path::JsonPath;

use super::rules::{self, FAILURE_POLICIES, REINVOCATION_POLICIES};
use crate::kinds::check::{At, items, one_of, one_of_required, text};
use crate::kinds::meta;
use crate::kinds::others::conditions;
use crate::kinds::others::kind::{Kept, Kind, Status, empty};
use crate::kinds::others::tree::{part, sub, there};

/// Validating policies.
pub(super) static VALIDATING: Kind = Kind::cluster(meta::dns_subdomain, validating)
    .only_change(|new, _, errors| {
        meta::object_meta(new, false, meta::dns_subdomain, errors);
        validating(new, errors);
    })
    .status(empty)
    .generation(&["spec"])
    .needs_version();

/// Their status.
pub(super) static STATUS: Status = Status::new(status).keeps(Kept::Meta).needs_version();

/// Mutating policies.
pub(super) static MUTATING: Kind = Kind::cluster(meta::dns_subdomain, mutating)
    .only_change(|new, _, errors| {
        meta::object_meta(new, false, meta::dns_subdomain, errors);
        mutating(new, errors);
    })
    .generation(&["spec"])
    .needs_version();

/// What the check of a policy's types found, and conditions.
fn status(new: &Object, _old: &Object, errors: &mut ErrorList) {
    let (status, at) = (part(new, "status"), At::root("status"));
    let here = at.child("typeChecking.expressionWarnings");
    for (i, warning) in items(sub(status, "typeChecking"), "expressionWarnings").iter().enumerate() {
        let here = here.index(i);
        if text(warning, "warning").is_empty() {
            here.child("warning").required(errors, "");
        }
        let (reference, here) = (text(warning, "fieldRef").trim(), here.child("fieldRef"));
        if reference.is_empty() {
            here.required(errors, "");
        } else if let Err(why) = JsonPath::parse(reference) {
            here.invalid(errors, reference, format!("invalid JSONPath: {why}"));
        }
    }
    conditions::all(status, at.child("conditions"), errors);
}

const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const ANNOTATIONS_MAX: usize = 20;
const EXPRESSION_MAX: usize = 5 * 1024;

fn validating(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    let mut compiler = Compiler::new(spec, !items(spec, "variables").is_empty());
    common(spec, false, &mut compiler, &at, errors);
    let (validations, annotations) = (items(spec, "validations"), items(spec, "auditAnnotations"));
    let (validations_at, annotations_at) = (at.child("validations"), at.child("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let words = "validations or auditAnnotations must contain at least one item";
        validations_at.required(errors, words);
        annotations_at.required(errors, words);
        return;
    }
    for (i, validation) in validations.iter().enumerate() {
        self::validation(validation, &compiler, &validations_at.index(i), errors);
    }
    if annotations.len() > ANNOTATIONS_MAX {
        let words = format!("must not have more than {ANNOTATIONS_MAX} auditAnnotations");
        annotations_at.invalid(errors, spec.get("auditAnnotations"), words);
    }
    for (i, annotation) in annotations.iter().enumerate() {
        let here = annotations_at.index(i);
        audit_annotation(new.name(), annotation, &compiler, &here, errors);
        let key = text(annotation, "key");
        if annotations.iter().take(i).any(|other| text(other, "key") == key) {
            here.child("key").duplicate(errors, key);
        }
    }
}

fn mutating(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    let mut compiler = Compiler::new(spec, true);
    common(spec, true, &mut compiler, &at, errors);
    let mutations = items(spec, "mutations");
    let here = at.child("mutations");
    if mutations.is_empty() {
        here.required(errors, "mutations must contain at least one item");
    }
    for (i, mutation) in mutations.iter().enumerate() {
        self::mutation(mutation, &compiler, &here.index(i), errors);
    }
    let policy = text(spec, "reinvocationPolicy");
    one_of_required(policy, &REINVOCATION_POLICIES, at.child("reinvocationPolicy"), errors);
}

fn common(spec: &Value, mutates: bool, compiler: &mut Compiler, at: &At<'_>, errors: &mut ErrorList) {
    let here = at.child("failurePolicy");
    match spec.get("failurePolicy").and_then(Value::as_str) {
        None => here.required(errors, ""),
        Some(policy) => one_of(policy, &FAILURE_POLICIES, here, errors),
    }
    if let Some(kind) = spec.get("paramKind") {
        param_kind(kind, &at.child("paramKind"), errors);
    }
    let here = at.child("matchConstraints");
    match there(spec, "matchConstraints") {
        None => here.required(errors, ""),
        Some(matches) => {
            rules::matches(matches, &here, errors);
            if items(matches, "resourceRules").is_empty() {
                here.child("resourceRules").required(errors, "");
            }
            if mutates {
                rules::mutating_operations(matches, &here, errors);
            }
        }
    }
    let compile = |text: &str| compiler.compile(Part::Condition, text).map(|_| ());
    rules::conditions(spec, &at.child("matchConditions"), &compile, errors);
    let here = at.child("variables");
    for (i, variable) in items(spec, "variables").iter().enumerate() {
        self::variable(variable, compiler, &here.index(i), errors);
    }
}

fn param_kind(kind: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let api_version = text(kind, "apiVersion");
    let here = at.child("apiVersion");
    let joined = |messages: Vec<String>, shown: &str, errors: &mut ErrorList| {
        if !messages.is_empty() {
            here.invalid(errors, shown, messages.join(","));
        }
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if api_version.is_empty() {
        here.required(errors, "");
    } else if version.contains('/') {
        here.invalid(errors, api_version, format!("unexpected GroupVersion string: {api_version}"));
    } else {
        if !group.is_empty() {
            joined(names::dns1123_subdomain(group), group, errors);
        }
        if version.is_empty() {
            here.invalid(errors, api_version, "version must be specified");
        } else {
            joined(names::dns1035_label(version), version, errors);
        }
    }
    let name = text(kind, "kind");
    let messages = names::dns1035_label(&name.to_lowercase());
    if name.is_empty() {
        at.child("kind").required(errors, "");
    } else if !messages.is_empty() {
        let words = format!("may have mixed case, but should otherwise match: {}", messages.join(","));
        at.child("kind").invalid(errors, name, words);
    }
}

fn variable(variable: &Value, compiler: &mut Compiler, at: &At<'_>, errors: &mut ErrorList) {
    let name = text(variable, "name");
    if name.trim().is_empty() {
        at.child("name").required(errors, "name is not specified");
    } else if !portcullis_cel::shape::is_identifier(name) {
        at.child("name").invalid(errors, name, "must be a valid CEL identifier");
    }
    let expression = text(variable, "expression");
    if expression.trim().is_empty() {
        at.child("expression").required(errors, "expression is not specified");
    } else if let Err(why) = compiler.variable(name, expression) {
        at.child("expression").invalid(errors, expression, why);
    }
}

fn validation(validation: &Value, compiler: &Compiler, at: &At<'_>, errors: &mut ErrorList) {
    let expression = text(validation, "expression");
    if expression.trim().is_empty() {
        at.child("expression").required(errors, "expression is not specified");
    } else if let Err(why) = compiler.compile(Part::Validation, expression) {
        at.child("expression").invalid(errors, expression, why);
    }
    let blank = |field: &str| {
        let value = text(validation, field);
        !value.is_empty() && value.trim().is_empty()
    };
    let message = text(validation, "message");
    let message_expression = text(validation, "messageExpression");
    if blank("messageExpression") {
        at.child("messageExpression").invalid(errors, message_expression, "must be non-empty if specified");
    } else if !message_expression.is_empty()
        && let Err(why) = compiler.compile(Part::Message, message_expression)
    {
        at.child("messageExpression").invalid(errors, message_expression, why);
    }
    if blank("message") {
        at.child("message").invalid(errors, message, "must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        at.child("message").invalid(errors, message, "must not contain line breaks");
    }
    if let Some(reason) = validation.get("reason").and_then(Value::as_str) {
        one_of(reason, &REASONS, at.child("reason"), errors);
    }
}

fn audit_annotation(
    policy: &str,
    annotation: &Value,
    compiler: &Compiler,
    at: &At<'_>,
    errors: &mut ErrorList,
) {
    let key = text(annotation, "key");
    if policy.is_empty() {
        at.child("key").invalid(errors, key, "requires metadata.name be non-empty");
    } else {
        let full = format!("{policy}/{key}");
        at.child("key").rule(errors, &full, names::qualified_name);
    }
    let expression = text(annotation, "valueExpression").trim();
    let here = at.child("valueExpression");
    if expression.is_empty() {
        here.required(errors, "valueExpression is not specified");
    } else if expression.len() > EXPRESSION_MAX {
        here.required(errors, &format!("must not exceed {EXPRESSION_MAX} bytes in length"));
    } else if let Err(why) = compiler.compile(Part::Annotation, expression) {
        here.invalid(errors, text(annotation, "valueExpression"), why);
    }
}

fn mutation(mutation: &Value, compiler: &Compiler, at: &At<'_>, errors: &mut ErrorList) {
    const FIELDS: [(&str, &str, Part); 2] = [
        ("JSONPatch", "jsonPatch", Part::JsonPatch),
        ("ApplyConfiguration", "applyConfiguration", Part::Configuration),
    ];
    let kind = text(mutation, "patchType");
    one_of_required(kind, &["ApplyConfiguration", "JSONPatch"], at.child("patchType"), errors);
    let Some((_, field, part)) = FIELDS.iter().find(|(of, ..)| *of == kind) else { return };
    match mutation.get(*field) {
        None => at.child(field).required(errors, &format!("must be specified when patchType is {kind}")),
        Some(patch) => {
            let expression = text(patch, "expression").trim();
            let here = at.child(field);
            if expression.is_empty() {
                here.child("expression").required(errors, "");
            } else if let Err(why) = compiler.compile(*part, expression) {
                here.child("expression").invalid(errors, expression, why);
            }
        }
    }
    for (_, other, _) in FIELDS.iter().filter(|(of, other, _)| *of != kind && mutation.get(*other).is_some())
    {
        let words = format!("must not be specified when patchType is {kind}");
        at.child(other).invalid(errors, format!("{{{other}}}"), words);
    }
}
