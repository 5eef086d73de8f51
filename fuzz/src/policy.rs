//! Policy files in both formats, configurations of authorizers and policy tests: what is read weighs any request.

use portcullis_api::UserInfo;
use portcullis_authz::attributes::Resource;
use portcullis_authz::files::{Pattern, Rule, parse_abac, parse_rules};
use portcullis_authz::study::Cases;
use portcullis_authz::{Attributes, Chain, NamespaceLabels, Plan, PolicyFiles};

/// The whole input is each of them.
pub fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(pattern) = Pattern::parse(text) {
        pattern.matches(text);
    }
    let _ = Plan::configuration(text);
    let _ = Cases::parse(text);
    for rules in [parse_abac("f", text), parse_rules("f", text)].into_iter().flatten() {
        weigh(rules, text);
    }
}

/// Nobody is allowed by rules that do not name them, and nothing fails.
fn weigh(rules: Vec<Rule>, text: &str) {
    let files = PolicyFiles::of_rules("PolicyFiles", rules, NamespaceLabels::new());
    let chain = Chain::new().guard(files.refusals()).then(files);
    let user = UserInfo::new(text, [text, "system:authenticated"]);
    let resource = Resource { resource: "pods", namespace: text, name: text, ..Resource::default() };
    chain.decide(&user, &Attributes::resource("get", resource));
    chain.decide(&user, &Attributes::path("get", text));
    let masters = UserInfo::new(text, ["system:masters"]);
    assert!(
        chain.decide(&masters, &Attributes::path("get", text)).is_allowed(),
        "masters are bound by no rule"
    );
}
