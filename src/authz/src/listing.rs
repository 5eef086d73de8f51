//! What a user may do, as a list: `SelfSubjectRulesReview` and `kubectl auth can-i --list`.

use std::sync::Arc;

use portcullis_api::{Map, Value};
use serde_json::json;

use crate::rbac::Rule;

/// The rules that apply to somebody.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Whether there may be more than can be listed.
    pub incomplete: bool,
    /// What went wrong while listing.
    pub errors: Vec<Arc<str>>,
}

impl Rules {
    /// The rules of an authorizer that cannot tell them.
    pub(crate) fn untold(why: &str) -> Self {
        Self { rules: Vec::new(), incomplete: true, errors: vec![why.into()] }
    }

    /// Adds what allows everything, unless it is listed.
    pub(crate) fn add_everything(&mut self) {
        for rule in Rule::full_authority() {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
    }

    /// Adds another source's rules.
    pub fn extend(&mut self, more: Self) {
        self.rules.extend(more.rules);
        self.incomplete |= more.incomplete;
        self.errors.extend(more.errors);
    }

    /// The `status` of a `SelfSubjectRulesReview`.
    pub fn to_status(&self) -> Value {
        let resources = self.rules.iter().filter(|r| !r.resources.is_empty()).map(resource_rule);
        let paths = self.rules.iter().filter(|r| !r.non_resource_urls.is_empty());
        let paths = paths.map(|r| json!({"verbs": r.verbs, "nonResourceURLs": r.non_resource_urls}));
        let mut status = Map::from_iter([
            ("resourceRules".to_owned(), resources.collect()),
            ("nonResourceRules".to_owned(), paths.collect()),
            ("incomplete".to_owned(), self.incomplete.into()),
        ]);
        if !self.errors.is_empty() {
            let errors = crate::decision::aggregate(self.errors.iter());
            status.insert("evaluationError".to_owned(), errors.into());
        }
        status.into()
    }
}

fn resource_rule(rule: &Rule) -> Value {
    let rule = Rule { non_resource_urls: Box::default(), ..rule.clone() };
    rule.to_value()
}
