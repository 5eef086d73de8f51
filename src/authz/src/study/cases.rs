//! Policy tests: expectations written down, what of the policies they cover, which changes they would notice.

use std::sync::Arc;

use portcullis_api::UserInfo;
use serde::Deserialize;

use super::read::Studied;
use crate::attributes::{Attributes, Resource};
use crate::authorities::Authorities;
use crate::decision::Decision;
use crate::files::Rule;

/// Expectations.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    cases: Vec<Case>,
}

/// One expectation.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: Option<String>,
    user: String,
    #[serde(default)]
    groups: Vec<String>,
    verb: String,
    #[serde(default)]
    api_group: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    label_selector: String,
    #[serde(default)]
    field_selector: String,
    expect: Outcome,
}

/// How a request ends.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It may be done.
    Allow,
    /// A deny rule stands against it.
    Deny,
    /// Nothing allows it.
    Refuse,
}

/// What came of the cases.
#[derive(Debug)]
pub struct Report {
    /// How many cases there are.
    pub cases: usize,
    /// Those that ended otherwise, in words.
    pub failures: Vec<String>,
    /// Rules of policy files that no case needed, by place.
    pub uncovered: Vec<String>,
    /// Rules of policy files.
    pub rules: usize,
    /// Rules whose removal no case notices, by place.
    pub survivors: Vec<String>,
    /// How many removals were tried.
    pub mutants: usize,
}

impl Cases {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// Tries the cases on policies, and on the policies with each rule taken away.
    pub fn run(&self, studied: &Studied) -> Report {
        let authorities = studied.authorities();
        let (mut failures, mut outcomes, mut used) = (Vec::new(), Vec::new(), Vec::new());
        for case in &self.cases {
            let (outcome, rule) = case.outcome(&authorities);
            if outcome != case.expect {
                failures.push(format!("{}: expected {:?}, is {outcome:?}", case.told(), case.expect));
            }
            outcomes.push(outcome);
            used.extend(rule);
        }
        let is_used = |rule: &&Arc<Rule>| used.iter().any(|other| Arc::ptr_eq(other, rule));
        let uncovered = studied.rules.iter().filter(|rule| !is_used(rule)).map(ToString::to_string).collect();
        let survivors =
            studied.rules.iter().filter(|rule| !is_used(rule) || !self.notices(studied, rule, &outcomes));
        Report {
            cases: self.cases.len(),
            failures,
            uncovered,
            rules: studied.rules.len(),
            survivors: survivors.map(ToString::to_string).collect(),
            mutants: studied.rules.len(),
        }
    }

    /// Whether a case ends otherwise without a rule.
    fn notices(&self, studied: &Studied, without: &Arc<Rule>, outcomes: &[Outcome]) -> bool {
        let rules = studied.rules.iter().filter(|rule| !Arc::ptr_eq(rule, without)).cloned().collect();
        let authorities = studied.authorities_with(rules);
        self.cases.iter().zip(outcomes).any(|(case, before)| case.outcome(&authorities).0 != *before)
    }
}

impl Case {
    fn outcome(&self, authorities: &Authorities) -> (Outcome, Option<Arc<Rule>>) {
        let groups = self.groups.iter().map(String::as_str).chain(["system:authenticated"]);
        let user = UserInfo::new(&self.user, groups);
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let asked = if self.path.is_empty() {
            Attributes::resource(
                &self.verb,
                Resource {
                    group: &self.api_group,
                    version: "*",
                    namespace: &self.namespace,
                    resource,
                    subresource,
                    name: &self.object,
                    label_selector: &self.label_selector,
                    field_selector: &self.field_selector,
                },
            )
        } else {
            Attributes::path(&self.verb, &self.path)
        };
        let receipt = authorities.chain.decide(&user, &asked);
        let outcome = match receipt.decision() {
            Decision::Allow(_) => Outcome::Allow,
            Decision::Deny(_) => Outcome::Deny,
            Decision::NoOpinion(_) => Outcome::Refuse,
        };
        (outcome, receipt.rule().cloned())
    }

    fn told(&self) -> String {
        let what = if self.path.is_empty() { &self.resource } else { &self.path };
        let told = format!("{} {} {what} in {:?}", self.user, self.verb, self.namespace);
        self.name.as_ref().map_or(told.clone(), |name| format!("{name} ({told})"))
    }
}
