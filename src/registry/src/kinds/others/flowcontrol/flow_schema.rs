//! Flow schemas: which requests belong together.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};
use serde_json::json;

use crate::kinds::check::{At, flag, int, items, required_text, text, texts};
use crate::kinds::meta;
use crate::kinds::others::kind::{Kind, empty};
use crate::kinds::others::tree::{part, sub};

/// Flow schemas.
pub(super) static KIND: Kind = Kind::cluster(meta::dns_subdomain, rules)
    .only_change(|new, _, errors| {
        meta::object_meta(new, false, meta::dns_subdomain, errors);
        rules(new, errors);
    })
    .status(empty)
    .generation(&["spec"]);

const PRECEDENCE_MAX: i64 = 10_000;
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

fn rules(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    precedence(new.name(), int(spec, "matchingPrecedence"), at.child("matchingPrecedence"), errors);
    if let Some(method) = spec.get("distinguisherMethod") {
        let here = at.child("distinguisherMethod");
        let kind = text(method, "type");
        if !matches!(kind, "ByNamespace" | "ByUser") {
            let shown = portcullis_api::field::Raw(format!("{{\"Type\":{}}}", json!(kind)));
            here.child("type").not_supported(errors, shown, &["ByNamespace", "ByUser"]);
        }
    }
    let here = at.child("priorityLevelConfiguration");
    match text(sub(spec, "priorityLevelConfiguration"), "name") {
        "" => here.child("name").required(errors, "must reference a priority level"),
        name => here.child("name").rule(errors, name, names::dns1123_subdomain),
    }
    let rules_at = at.child("rules");
    for (i, rule) in items(spec, "rules").iter().enumerate() {
        self::rule(rule, rules_at.index(i), errors);
    }
    if is_changed_mandatory(new) {
        at.invalid(errors, spec, format!("spec of '{}' must equal the fixed value", new.name()));
    }
    super::status(part(new, "status"), errors);
}

fn precedence(name: &str, precedence: i64, at: At<'_>, errors: &mut ErrorList) {
    if precedence <= 0 {
        at.invalid(errors, precedence, "must be a positive value");
    }
    if precedence > PRECEDENCE_MAX {
        at.invalid(errors, precedence, format!("must not be greater than {PRECEDENCE_MAX}"));
    }
    if precedence == 1 && name != "exempt" {
        at.invalid(errors, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
}

/// The two schemas every cluster has are what they are.
fn is_changed_mandatory(new: &Object) -> bool {
    let group = |name: &str| json!({ "kind": "Group", "group": { "name": name } });
    let everything = |subjects: Value| {
        json!([{
            "subjects": subjects,
            "resourceRules": [{
                "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true,
            }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
        }])
    };
    let expected = match new.name() {
        "exempt" => json!({
            "priorityLevelConfiguration": { "name": "exempt" },
            "matchingPrecedence": 1,
            "rules": everything(json!([group("system:masters")])),
        }),
        "catch-all" => json!({
            "priorityLevelConfiguration": { "name": "catch-all" },
            "matchingPrecedence": 10_000,
            "distinguisherMethod": { "type": "ByUser" },
            "rules": everything(json!([group("system:unauthenticated"), group("system:authenticated")])),
        }),
        _ => return false,
    };
    part(new, "spec") != &expected
}

fn rule(rule: &Value, at: At<'_>, errors: &mut ErrorList) {
    let subjects = items(rule, "subjects");
    let subjects_at = at.child("subjects");
    if subjects.is_empty() {
        subjects_at.required(errors, "subjects must contain at least one value");
    }
    for (i, subject) in subjects.iter().enumerate() {
        self::subject(subject, &subjects_at.index(i), errors);
    }
    let (resources, others) = (items(rule, "resourceRules"), items(rule, "nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        at.required(errors, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    let here = at.child("resourceRules");
    for (i, rule) in resources.iter().enumerate() {
        resource_rule(rule, &here.index(i), errors);
    }
    let here = at.child("nonResourceRules");
    for (i, rule) in others.iter().enumerate() {
        non_resource_rule(rule, &here.index(i), errors);
    }
}

fn subject(subject: &Value, at: &At<'_>, errors: &mut ErrorList) {
    const FIELDS: [(&str, &str); 3] =
        [("serviceAccount", "ServiceAccount"), ("user", "User"), ("group", "Group")];
    let kind = text(subject, "kind");
    let Some((field, _)) = FIELDS.iter().find(|(_, of)| *of == kind) else {
        at.child("kind").not_supported(errors, kind, &["Group", "ServiceAccount", "User"]);
        return;
    };
    let here = at.child(field);
    match subject.get(*field) {
        None => here.required(errors, &format!("{field} is required when subject kind is '{kind}'")),
        Some(account) if *field == "serviceAccount" => service_account(account, &here, errors),
        Some(named) => required_text(named, "name", &here, errors),
    }
    for (other, of) in FIELDS.iter().filter(|(other, _)| other != field && subject.get(*other).is_some()) {
        at.child(other).forbidden(errors, format!("{other} is forbidden when subject kind is not '{of}'"));
    }
}

fn service_account(account: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match text(account, "name") {
        "" => at.child("name").required(errors, ""),
        "*" => {}
        name => at.child("name").rule(errors, name, names::dns1123_subdomain),
    }
    match text(account, "namespace") {
        "" => at.child("namespace").required(errors, "must specify namespace for service account"),
        namespace => at.child("namespace").rule(errors, namespace, names::dns1123_label),
    }
}

fn verbs(rule: &Value, at: At<'_>, errors: &mut ErrorList) {
    let verbs: Vec<&str> = texts(rule, "verbs").collect();
    if verbs.is_empty() {
        at.required(errors, "verbs must contain at least one value");
    } else if verbs.contains(&"*") {
        if verbs.len() > 1 {
            at.invalid(errors, rule.get("verbs"), "if '*' is present, must not specify other verbs");
        }
    } else if verbs.iter().any(|verb| !VERBS.contains(verb)) {
        at.not_supported(errors, rule.get("verbs"), &VERBS);
    }
}

fn resource_rule(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    verbs(rule, at.child("verbs"), errors);
    for (field, one, others) in
        [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")]
    {
        let list: Vec<&str> = texts(rule, field).collect();
        if list.is_empty() {
            at.child(field).required(errors, &format!("resource rules must supply at least one {one}"));
        } else if list.len() > 1 && list.contains(&"*") {
            let words = format!("if '*' is present, must not specify other {others}");
            at.child(field).invalid(errors, rule.get(field), words);
        }
    }
    let here = at.child("namespaces");
    let namespaces: Vec<&str> = texts(rule, "namespaces").collect();
    if namespaces.is_empty() && !flag(rule, "clusterScope") {
        let words = "resource rules that are not cluster scoped must supply at least one namespace";
        here.required(errors, words);
    } else if namespaces.contains(&"*") {
        if namespaces.len() > 1 {
            let words = "if '*' is present, must not specify other namespaces";
            here.invalid(errors, rule.get("namespaces"), words);
        }
    } else {
        for (i, namespace) in namespaces.iter().enumerate() {
            for message in names::dns1123_label(namespace) {
                let words = format!("each member of this list must be '*' or a DNS-1123 label; {message}");
                here.index(i).invalid(errors, *namespace, words);
            }
        }
    }
}

fn non_resource_rule(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    verbs(rule, at.child("verbs"), errors);
    let here = at.child("nonResourceURLs");
    let urls: Vec<&str> = texts(rule, "nonResourceURLs").collect();
    if urls.is_empty() {
        here.required(errors, "nonResourceURLs must contain at least one value");
    } else if urls.contains(&"*") {
        if urls.len() > 1 {
            let words = "if '*' is present, must not specify other non-resource URLs";
            here.invalid(errors, rule.get("nonResourceURLs"), words);
        }
    } else {
        for (i, url) in urls.iter().enumerate() {
            if let Some(words) = wrong_path(url) {
                here.index(i).invalid(errors, *url, words);
            }
        }
    }
}

fn wrong_path(path: &str) -> Option<&'static str> {
    let stars = path.matches('*').count();
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        path if !path.starts_with('/') => Some("must start with slash"),
        path if path.contains(' ') => Some("must not contain white-space"),
        path if path.contains("//") => Some("must not contain double slash"),
        path if stars > 1 || (stars == 1 && !path.ends_with("/*")) => {
            Some("wildcard can only do suffix matching")
        }
        _ => None,
    }
}
