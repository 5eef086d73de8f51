//! What the rules of all containers share.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{
    At, int, items, one_of, one_of_required, required_name, required_text, text,
};
use super::lists::{Context, NAME};
use super::{env, mounts, resources, security};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const RESTART_RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const RULES_WITHOUT_POLICY: &str = "must specify restartPolicy when restart rules are used";

/// The rules for any container.
pub(super) fn common(container: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    required_name(container, "name", NAME, &at, errors);
    required_text(container, "image", &at, errors);
    let policies = ["File", "FallbackToLogsOnError"];
    let policy = text(container, "terminationMessagePolicy");
    one_of_required(policy, &policies, at.child("terminationMessagePolicy"), errors);
    ports(container, at.child("ports"), errors);
    env::variables(container, at.child("env"), errors);
    env::sources(container, at.child("envFrom"), errors);
    mounts::mounts(container, pod, at.child("volumeMounts"), errors);
    mounts::devices(container, pod, at.child("volumeDevices"), errors);
    pull_policy(text(container, "imagePullPolicy"), at.child("imagePullPolicy"), errors);
    if let Some(wanted) = container.get("resources") {
        resources::of_container(wanted, pod, at.child("resources"), errors);
    }
    resize_policy(container, pod, at.child("resizePolicy"), errors);
    security::of_container(container, pod.host_users, at.child("securityContext"), errors);
}

/// When an image is pulled.
pub(super) fn pull_policy(policy: &str, at: At<'_>, errors: &mut ErrorList) {
    one_of_required(policy, &["Always", "IfNotPresent", "Never"], at, errors);
}

fn ports(container: &Value, at: At<'_>, errors: &mut ErrorList) {
    let mut taken: Vec<&str> = Vec::new();
    for (i, port) in items(container, "ports").iter().enumerate() {
        let here = at.index(i);
        let name = text(port, "name");
        if !name.is_empty() {
            let messages = names::port_name(name);
            if !messages.is_empty() {
                here.child("name").messages(errors, name, messages);
            } else if taken.contains(&name) {
                here.child("name").duplicate(errors, name);
            } else {
                taken.push(name);
            }
        }
        let number = int(port, "containerPort");
        if number == 0 {
            here.child("containerPort").required(errors, "");
        }
        for (field, number) in [("containerPort", number), ("hostPort", int(port, "hostPort"))] {
            if number != 0 {
                for message in names::port_number(number) {
                    here.child(field).invalid(errors, number, message);
                }
            }
        }
        one_of_required(text(port, "protocol"), &PROTOCOLS, here.child("protocol"), errors);
    }
}

fn resize_policy(container: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    let policies = items(container, "resizePolicy");
    for (i, policy) in policies.iter().enumerate() {
        let (resource, restart) = (text(policy, "resourceName"), text(policy, "restartPolicy"));
        if policies.iter().take(i).any(|earlier| text(earlier, "resourceName") == resource) {
            at.index(i).duplicate(errors, resource);
        }
        one_of_required(resource, &["cpu", "memory"], at, errors);
        one_of_required(restart, &["NotRequired", "RestartContainer"], at, errors);
        if pod.restart_policy == "Never" && restart != "NotRequired" {
            at.invalid(errors, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
        }
    }
}

/// The restart policy of an init container, which makes a sidecar of it.
pub(super) fn init_restart_policy(container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if container.get("restartPolicy").is_some() {
        restart_policy(container, at, errors);
    } else if !items(container, "restartPolicyRules").is_empty() {
        at.child("restartPolicy").required(errors, RULES_WITHOUT_POLICY);
    }
}

/// A container's own restart policy and the rules that refine it.
pub(super) fn restart_policy(container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let rules = items(container, "restartPolicyRules");
    match container.get("restartPolicy").and_then(Value::as_str) {
        None if rules.is_empty() => return,
        None => at.child("restartPolicy").required(errors, RULES_WITHOUT_POLICY),
        Some(policy) => one_of(policy, &["Always", "Never", "OnFailure"], at.child("restartPolicy"), errors),
    }
    let list = at.child("restartPolicyRules");
    if rules.len() > RESTART_RULES_MAX {
        list.too_many(errors, rules.len(), RESTART_RULES_MAX);
    }
    for (i, rule) in rules.iter().enumerate() {
        restart_rule(rule, list.index(i), errors);
    }
}

fn restart_rule(rule: &Value, at: At<'_>, errors: &mut ErrorList) {
    one_of(text(rule, "action"), &["Restart", "RestartAllContainers"], at.child("action"), errors);
    let codes_at = at.child("exitCodes");
    let Some(codes) = rule.get("exitCodes") else {
        codes_at.required(errors, "must be specified");
        return;
    };
    one_of(text(codes, "operator"), &["In", "NotIn"], codes_at.child("operator"), errors);
    let values = items(codes, "values").len();
    if values > EXIT_CODES_MAX {
        codes_at.child("values").too_many(errors, values, EXIT_CODES_MAX);
    }
}

/// A container that only runs at the start cannot be restarted by a resize.
pub(super) fn no_restart_on_resize(container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list = at.child("resizePolicy");
    for (i, policy) in items(container, "resizePolicy").iter().enumerate() {
        if text(policy, "restartPolicy") == "RestartContainer" {
            let words = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            list.index(i).child("restartPolicy").invalid(errors, "RestartContainer", words);
        }
    }
}
