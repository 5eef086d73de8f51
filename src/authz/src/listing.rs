//! What a user may do, as a list: `SelfSubjectRulesReview` and `kubectl auth can-i --list`.

use std::sync::Arc;

use portcullis_api::Value;
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
    /// Everything, everywhere.
    pub(crate) fn everything() -> Self {
        Self { rules: Rule::full_authority().into(), ..Self::default() }
    }

    /// Adds another source's rules.
    pub fn extend(&mut self, more: Self) {
        self.rules.extend(more.rules);
        self.incomplete |= more.incomplete;
        self.errors.extend(more.errors);
    }

    /// The `status` of a `SelfSubjectRulesReview`.
    pub fn to_status(&self) -> Value {
        let resources = self.rules.iter().filter(|r| !r.resources.is_empty()).map(|rule| {
            let mut listed = json!({"verbs": rule.verbs});
            for (field, values) in [
                ("apiGroups", &rule.api_groups),
                ("resources", &rule.resources),
                ("resourceNames", &rule.resource_names),
            ] {
                if !values.is_empty() {
                    listed[field] = json!(values);
                }
            }
            listed
        });
        let paths = self.rules.iter().filter(|r| !r.non_resource_urls.is_empty());
        let paths = paths.map(|r| json!({"verbs": r.verbs, "nonResourceURLs": r.non_resource_urls}));
        let mut status = json!({
            "resourceRules": resources.collect::<Vec<_>>(),
            "nonResourceRules": paths.collect::<Vec<_>>(),
            "incomplete": self.incomplete,
        });
        if !self.errors.is_empty() {
            status["evaluationError"] = crate::decision::aggregate(self.errors.iter()).into();
        }
        status
    }
}
