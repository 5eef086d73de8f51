//! Events of the core group.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, names};

use super::super::check::At;
use crate::strategy::Strategy;

const NAME_MAX: usize = 128;
const MESSAGE_MAX: usize = 1024;

/// Events, as `v1` knows them.
pub(crate) struct Events;

impl Strategy for Events {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        rules(new, "reportingComponent", errors);
    }

    fn validate_update(&self, new: &Object, _old: &Object, errors: &mut ErrorList) {
        self.validate(new, errors);
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

/// The rules that both groups of events share; `reporter` is what the reporting controller is called.
pub(crate) fn rules(event: &Object, reporter: &'static str, errors: &mut ErrorList) {
    let namespace = event.namespace();
    let involved = event.str_at(&["involvedObject", "namespace"]);
    let timed = !event.str_at(&["eventTime"]).is_empty();
    let fits = match (timed, involved) {
        (false, "") => matches!(namespace, "" | "default"),
        (false, involved) => namespace == involved,
        (true, "") => matches!(namespace, "default" | "kube-system"),
        (true, _) => true,
    };
    if !fits {
        let at = At::root("involvedObject");
        at.child("namespace").invalid(errors, involved, "does not match event.namespace");
    }
    if timed {
        timed_rules(event, reporter, errors);
    }
    At::root("namespace").rule(errors, namespace, names::dns1123_subdomain);
}

fn timed_rules(event: &Object, reporter: &'static str, errors: &mut ErrorList) {
    let controller = event.str_at(&[reporter]);
    let controller_at = At::root(reporter);
    if controller.is_empty() {
        controller_at.required(errors, "");
    }
    controller_at.rule(errors, controller, names::qualified_name);
    for field in ["reportingInstance", "action", "reason"] {
        let at = At::root(field);
        let value = event.str_at(&[field]);
        if value.is_empty() {
            at.required(errors, "");
        }
        if value.len() > NAME_MAX {
            at.invalid(errors, "", format!("can have at most {NAME_MAX} characters"));
        }
    }
    if event.str_at(&["message"]).len() > MESSAGE_MAX {
        At::root("message").invalid(errors, "", format!("can have at most {MESSAGE_MAX} characters"));
    }
}
