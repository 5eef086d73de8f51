//! Policy files in both formats, configurations of authorizers, answers of webhooks and policy tests: what is read weighs
//! any request, and all evaluators come to the same.

use portcullis_api::UserInfo;
use portcullis_authz::attributes::Resource;
use portcullis_authz::files::{Pattern, Rule, parse_abac, parse_rules};
use portcullis_authz::study::{Cases, Studied};
use portcullis_authz::{Attributes, Chain, NamespaceLabels, Plan, PolicyFiles, ReviewVersion};

/// The whole input is each of them.
pub fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(pattern) = Pattern::parse(text) {
        pattern.matches(text);
    }
    let _ = Plan::configuration("authorization.yaml".into(), text);
    let _ = Cases::parse(text);
    let _ = Studied::default().add_text("fuzz.yaml", text);
    for version in [ReviewVersion::V1, ReviewVersion::V1Beta1] {
        // What is taken for an answer is at least JSON.
        if let Ok((allowed, denied)) = version.read_answer(input) {
            assert!(serde_json::from_slice::<serde_json::Value>(input).is_ok(), "{allowed} {denied}");
        }
    }
    for rules in [parse_abac("f", text), parse_rules("f", text)].into_iter().flatten() {
        weigh(rules, text);
    }
}

/// Nobody is allowed by rules that do not name them, and nothing fails.
fn weigh(rules: Vec<Rule>, text: &str) {
    let files = PolicyFiles::of_rules("PolicyFiles", rules, NamespaceLabels::new());
    let user = UserInfo::new(text, [text, "system:authenticated"]);
    let resource = Resource { resource: "pods", namespace: text, name: text, ..Resource::default() };
    for verb in ["get", "list", "create", "impersonate"] {
        let selecting = Resource { namespace: "", label_selector: text, field_selector: text, ..resource };
        let nodes = Resource { resource: "nodes", ..selecting };
        let extra = Resource { group: "authentication.k8s.io", resource: "userextras", subresource: text, ..resource };
        for asked in [resource, selecting, nodes, extra] {
            agree(&files, &user, &Attributes::resource(verb, asked));
        }
        agree(&files, &user, &Attributes::path(verb, text));
    }
    let chain = Chain::new().guard(files.refusals()).then(files);
    chain.decide(&user, &Attributes::resource("get", resource));
    chain.decide(&user, &Attributes::path("get", text));
    let masters = UserInfo::new(text, ["system:masters"]);
    assert!(
        chain.decide(&masters, &Attributes::path("get", text)).is_allowed(),
        "masters are bound by no rule"
    );
}

/// The index, every rule in its order and casbin over all of them come to the same.
fn agree(files: &PolicyFiles, user: &UserInfo, asked: &Attributes<'_>) {
    let differing = files.cross_check(user, asked);
    assert!(differing.is_ok(), "{asked:?}: {differing:?}");
}
