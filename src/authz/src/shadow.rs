//! Rules that are tried out: each request is weighed by them too, what they would change is counted, and nothing
//! else comes of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use portcullis_api::{RequestInfo, UserInfo};

use crate::attributes::Attributes;
use crate::chain::MASTERS;
use crate::files::PolicyFiles;

/// How many examples are kept.
const EXAMPLES: usize = 100;

/// Rules that are tried out, and what came of it.
pub struct Shadow {
    files: PolicyFiles,
    would_refuse: AtomicU64,
    would_allow: AtomicU64,
    examples: Mutex<VecDeque<Flip>>,
}

/// A request whose outcome would change.
#[derive(Clone, Debug)]
pub struct Flip {
    /// Who asked.
    pub user: Arc<str>,
    /// For what.
    pub info: Arc<RequestInfo>,
    /// Whether it would be allowed.
    pub would_allow: bool,
}

impl Shadow {
    pub(crate) fn new(files: PolicyFiles) -> Self {
        Self {
            files,
            would_refuse: AtomicU64::new(0),
            would_allow: AtomicU64::new(0),
            examples: Mutex::default(),
        }
    }

    /// Weighs a request that was decided.
    pub(crate) fn weigh(&self, user: &UserInfo, info: &Arc<RequestInfo>, allowed: bool, denied: bool) {
        if user.in_group(MASTERS) {
            return;
        }
        let count = match (self.files.opinion(user, &Attributes::from(&**info)), allowed) {
            (Some(false), true) => &self.would_refuse,
            (Some(true), false) if !denied => &self.would_allow,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let mut examples = self.examples.lock();
        if examples.len() == EXAMPLES {
            examples.pop_front();
        }
        examples.push_back(Flip { user: user.name.clone(), info: Arc::clone(info), would_allow: !allowed });
    }

    /// How many requests that were allowed would be refused, and the other way round.
    pub fn counts(&self) -> (u64, u64) {
        (self.would_refuse.load(Ordering::Relaxed), self.would_allow.load(Ordering::Relaxed))
    }

    /// The last requests whose outcome would change.
    pub fn examples(&self) -> Vec<Flip> {
        self.examples.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_api::Verb;

    use super::*;
    use crate::files::{NamespaceLabels, parse_rules};
    use crate::testing::info;

    #[test]
    fn what_would_change_is_counted_and_nothing_else() {
        let text = "apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n\
            - {effect: deny, subjects: ['user:u'], verbs: [get], apiGroups: [''], resources: [pods]}\n\
            - {effect: allow, subjects: ['user:u'], verbs: [list], apiGroups: [''], resources: [pods]}\n";
        let rules = parse_rules("r.yaml", text).unwrap();
        let shadow = Shadow::new(PolicyFiles::of_rules("Shadow", rules, NamespaceLabels::new()));
        let weigh =
            |user: &UserInfo, verb, allowed, denied| shadow.weigh(user, &info(verb, "p"), allowed, denied);
        let user = UserInfo::new("u", [""; 0]);
        weigh(&user, Verb::Get, true, false);
        weigh(&user, Verb::Get, false, false);
        weigh(&user, Verb::List, true, false);
        weigh(&user, Verb::List, false, true);
        weigh(&user, Verb::List, false, false);
        weigh(&user, Verb::Delete, false, false);
        weigh(&UserInfo::new("u", [MASTERS]), Verb::Get, true, false);
        assert_eq!(shadow.counts(), (1, 1));
        let flips: Vec<bool> = shadow.examples().iter().map(|flip| flip.would_allow).collect();
        assert_eq!(flips, [false, true]);
    }
}
