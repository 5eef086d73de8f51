//! What workloads ask of their selectors and pod templates.

use portcullis_api::field::ErrorList;
use portcullis_api::selector::LabelSelector;
use portcullis_api::{Object, Value, names};

use crate::kinds::check::{At, text};
use crate::kinds::core::internal;
use crate::kinds::core::pod::{self, Options};
use crate::kinds::meta;
use crate::kinds::others::tree::{is_empty_selector, selects, sub, there};

/// Who owns a template, in the words of the messages.
#[derive(Clone, Copy)]
pub(in crate::kinds::others) struct Owner {
    /// The kind as one word in lower case.
    pub(in crate::kinds::others) word: &'static str,
    /// What is said of a selector that makes no sense.
    pub(in crate::kinds::others) nonsense: &'static str,
    /// The kind by its name.
    pub(in crate::kinds::others) kind: &'static str,
}

/// The rules for a selector that must be there and say something.
pub(super) fn selector(spec: &Value, owner: Owner, at: At<'_>, errors: &mut ErrorList) {
    let Some(selector) = there(spec, "selector") else {
        at.required(errors, "");
        return;
    };
    meta::label_selector(Some(selector), at, errors);
    if is_empty_selector(selector) {
        let words = format!("empty selector is invalid for {}", owner.word);
        at.invalid(errors, internal("*LabelSelector", selector), words);
    }
}

/// Reports a selector that makes no sense, or else hands on whether it selects everything.
pub(super) fn readable(spec: &Value, owner: Owner, at: At<'_>, errors: &mut ErrorList) -> bool {
    let readable = LabelSelector::from_object(spec.get("selector")).is_ok();
    if !readable {
        at.invalid(errors, internal("*LabelSelector", spec.get("selector")), owner.nonsense);
    }
    readable
}

/// A template must have the labels its owner selects.
pub(super) fn selected(spec: &Value, template: At<'_>, errors: &mut ErrorList) {
    let labels = sub(sub(spec, "template"), "metadata").get("labels");
    if selects(spec.get("selector"), labels) == Some(false) {
        let at = template.child("metadata");
        at.child("labels").invalid(errors, labels, "`selector` does not match template `labels`");
    }
}

/// The rules for the template itself.
pub(super) fn body(spec: &Value, old: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let old = old.map(|old| sub(sub(old, "template"), "spec"));
    pod::template(sub(spec, "template"), at, Options::template().keeping(old), errors);
}

/// Pods of a workload run for ever.
pub(super) fn runs_forever(spec: &Value, owner: Owner, at: At<'_>, errors: &mut ErrorList) {
    let pod = sub(sub(spec, "template"), "spec");
    let at = at.child("spec");
    let policy = text(pod, "restartPolicy");
    if policy != "Always" {
        at.child("restartPolicy").not_supported(errors, policy, &["Always"]);
    }
    if pod.get("activeDeadlineSeconds").is_some() {
        let words = format!("activeDeadlineSeconds in {} is not Supported", owner.kind);
        at.child("activeDeadlineSeconds").forbidden(errors, words);
    }
}

/// Warnings about a template, and about a name that pods inherit where they do.
///
/// A change is looked at only when it made a new generation.
pub(super) fn warnings(new: &Object, old: Option<&Object>, named: bool) -> Vec<String> {
    let Some(old) = old else {
        let mut warnings = if named { name_warnings(new) } else { Vec::new() };
        warnings.extend(template_warnings(new, None));
        return warnings;
    };
    if new.generation() == old.generation() { Vec::new() } else { template_warnings(new, Some(old)) }
}

fn template_warnings(new: &Object, old: Option<&Object>) -> Vec<String> {
    const TEMPLATE: [&str; 2] = ["spec", "template"];
    let Some(template) = new.at(&TEMPLATE) else { return Vec::new() };
    let spec = At::root("spec");
    pod::template_warnings(template, old.and_then(|old| old.at(&TEMPLATE)), spec.child("template"))
}

/// Warnings about a name that pods inherit.
pub(in crate::kinds::others) fn name_warnings(new: &Object) -> Vec<String> {
    let messages = names::dns1123_label(new.name());
    if messages.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; \
         a DNS label is recommended: [{}]",
        messages.join(" ")
    )]
}
