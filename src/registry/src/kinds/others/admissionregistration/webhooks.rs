//! Webhook configurations.

use portcullis_admission::expressions::{Scope, compile};
use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};
use portcullis_cel::Type;

use super::rules::{self, FAILURE_POLICIES, MATCH_POLICIES, REINVOCATION_POLICIES};
use crate::kinds::check::{At, items, one_of, opt_int, text, texts};
use crate::kinds::meta;
use crate::kinds::others::kind::Kind;
use crate::kinds::others::tree::{part, sub, there};
use crate::kinds::others::webhook;

/// Mutating webhooks.
pub(super) static MUTATING: Kind = kind();
/// Validating webhooks.
pub(super) static VALIDATING: Kind = kind();

const fn kind() -> Kind {
    Kind::cluster(meta::dns_subdomain, |new, errors| hooks(new, Leniency::default(), errors))
        .only_change(|new, old, errors| {
            meta::object_meta(new, false, meta::dns_subdomain, errors);
            hooks(new, leniency(old), errors);
        })
        .generation(&["webhooks"])
        .needs_version()
}

const QUIET: [&str; 2] = ["None", "NoneOnDryRun"];
const ALL_SIDE_EFFECTS: [&str; 4] = ["None", "NoneOnDryRun", "Some", "Unknown"];
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];

/// What a configuration may keep that a new one could not have.
#[derive(Clone, Copy, Default)]
struct Leniency {
    side_effects: bool,
    reviews: bool,
    names: bool,
    selectors: bool,
}

fn list(configuration: &Object) -> &[Value] {
    part(configuration, "webhooks").as_array().map_or(&[], Vec::as_slice)
}

fn leniency(old: &Object) -> Leniency {
    let hooks = list(old);
    let reviews =
        |hook: &Value| texts(hook, "admissionReviewVersions").any(|version| REVIEWS.contains(&version));
    let unreviewed = |hook: &Value| !items(hook, "admissionReviewVersions").is_empty() && !reviews(hook);
    let twice = |(i, hook): (usize, &Value)| {
        hooks.iter().take(i).any(|other| text(other, "name") == text(hook, "name"))
    };
    let odd = |hook: &Value| {
        let mut errors = ErrorList::new();
        for field in ["namespaceSelector", "objectSelector"] {
            meta::label_selector(there(hook, field), At::root(field), &mut errors);
        }
        !errors.is_empty()
    };
    Leniency {
        side_effects: hooks.iter().any(|hook| !QUIET.contains(&text(hook, "sideEffects"))),
        reviews: hooks.iter().any(unreviewed),
        names: hooks.iter().enumerate().any(twice),
        selectors: hooks.iter().any(odd),
    }
}

fn hooks(new: &Object, leniency: Leniency, errors: &mut ErrorList) {
    let at = At::root("webhooks");
    let hooks = list(new);
    for (i, hook) in hooks.iter().enumerate() {
        let here = at.index(i);
        self::hook(hook, leniency, &here, errors);
        reviews(hook, leniency, here.child("admissionReviewVersions"), errors);
        let name = text(hook, "name");
        let twice = hooks.iter().take(i).any(|other| text(other, "name") == name);
        if twice && !name.is_empty() && !leniency.names {
            here.child("name").duplicate(errors, name);
        }
    }
}

fn hook(hook: &Value, leniency: Leniency, at: &At<'_>, errors: &mut ErrorList) {
    full_name(text(hook, "name"), at.child("name"), errors);
    let here = at.child("rules");
    for (i, rule) in items(hook, "rules").iter().enumerate() {
        rules::rule(rule, &here.index(i), errors);
    }
    let known = |field: &str, values: &[&str], errors: &mut ErrorList| {
        if let Some(value) = hook.get(field).and_then(Value::as_str) {
            one_of(value, values, at.child(field), errors);
        }
    };
    known("failurePolicy", &FAILURE_POLICIES, errors);
    known("matchPolicy", &MATCH_POLICIES, errors);
    let effects: &[&str] = if leniency.side_effects { &ALL_SIDE_EFFECTS } else { &QUIET };
    if there(hook, "sideEffects").is_none() {
        at.child("sideEffects").required(errors, &format!("must specify one of {}", effects.join(", ")));
    }
    known("sideEffects", effects, errors);
    if let Some(seconds) = opt_int(hook, "timeoutSeconds").filter(|seconds| !(1..=30).contains(seconds)) {
        let words = "the timeout value must be between 1 and 30 seconds";
        at.child("timeoutSeconds").invalid(errors, seconds, words);
    }
    for field in ["namespaceSelector", "objectSelector"] {
        meta::selector_with(there(hook, field), leniency.selectors, at.child(field), errors);
    }
    known("reinvocationPolicy", &REINVOCATION_POLICIES, errors);
    client(sub(hook, "clientConfig"), &at.child("clientConfig"), errors);
    let scope = Scope::new().with_authorizer();
    let compiles = |text: &str| compile(text, &scope, &[Type::Bool]).map(|_| ());
    rules::conditions(hook, &at.child("matchConditions"), &compiles, errors);
}

fn full_name(name: &str, at: At<'_>, errors: &mut ErrorList) {
    let messages = names::dns1123_subdomain(name);
    if name.is_empty() {
        at.required(errors, "");
    } else if !messages.is_empty() {
        at.invalid(errors, name, messages.join(","));
    } else if name.split('.').count() < 3 {
        at.invalid(errors, name, "should be a domain with at least three segments separated by dots");
    }
}

fn client(client: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match (client.get("url").and_then(Value::as_str), client.get("service")) {
        (Some(url), None) => webhook::url(url, at.child("url"), errors),
        (None, Some(service)) => {
            // Upstream tells a missing name at the namespace and the other way round.
            let fields = [("namespace", "name"), ("name", "namespace")];
            webhook::service(service, fields, &at.child("service"), errors);
        }
        _ => at.required(errors, "exactly one of url or service is required"),
    }
}

fn reviews(hook: &Value, leniency: Leniency, at: At<'_>, errors: &mut ErrorList) {
    let versions: Vec<&str> = texts(hook, "admissionReviewVersions").collect();
    if versions.is_empty() {
        at.required(errors, &format!("must specify one of {}", REVIEWS.join(", ")));
        return;
    }
    for (i, version) in versions.iter().enumerate() {
        if versions.iter().take(i).any(|other| other == version) {
            at.index(i).invalid(errors, *version, "duplicate version");
        } else {
            at.index(i).rule(errors, version, names::dns1035_label);
        }
    }
    if !leniency.reviews && !versions.iter().any(|version| REVIEWS.contains(version)) {
        let words = format!("must include at least one of {}", REVIEWS.join(", "));
        at.invalid(errors, hook.get("admissionReviewVersions"), words);
    }
}
