//! Policy files: rules that are no objects of the API, so that nobody who may write objects can change them.
//!
//! ```text
//! load          reads a directory or file: all of it or nothing
//! abac, yaml    the two formats: Kubernetes' attribute lines, our own rules
//! pattern       words and safe globs
//! rule          what a rule says of a request
//! index         the few rules that may be about a request
//! casbin_pool   casbin's word on those
//! labels        the labels of namespaces, and what lies in none
//! selection     what a request's selectors must pin
//! ```
//!
//! Deny rules are asked before every authorizer (see [`Refusals`]); allow rules where the chain names
//! [`PolicyFiles`]. Among rules that are about a request the first decides: lower priority numbers first, deny before
//! allow. So an allow rule of a lower number is an exception to a deny rule of a higher one.
//!
//! A snapshot is replaced as a whole. A file that cannot be used leaves the snapshot that there is.

mod abac;
mod casbin_pool;
mod index;
mod labels;
mod load;
mod pattern;
mod rule;
mod selection;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use portcullis_api::UserInfo;
use tracing::error;

pub use abac::parse as parse_abac;
pub use labels::{NamespaceLabels, cluster_scoped};
pub use load::{LoadError, Source, Text};
pub use pattern::Pattern;
pub use rule::{Effect, Origin, Resources, Rule, Says, Who};
pub use selection::Selection;
pub use yaml::parse as parse_rules;
pub(crate) use yaml::roomy;

use self::casbin_pool::{Pool, Row};
use self::index::Index;
use crate::attributes::Attributes;
use crate::chain::{Authorizer, Guard};
use crate::decision::{Decision, Grounds, Reason};
use crate::listing::Rules;
use crate::rbac;

/// More rules than this about one request cost noticeable time.
const MANY: usize = 8;

/// A set of policy files. Clones are handles to the same.
#[derive(Clone)]
pub struct PolicyFiles(Arc<Inner>);

struct Inner {
    name: &'static str,
    source: Option<Source>,
    snapshot: ArcSwap<Snapshot>,
    labels: NamespaceLabels,
    pool: Pool,
    generation: AtomicU64,
    status: Mutex<Status>,
    /// The files that the rules in use were read from.
    texts: Mutex<Vec<Text>>,
    fingerprint: Mutex<String>,
}

/// The rules of one moment.
#[derive(Default)]
struct Snapshot {
    index: Index,
    /// The rules as casbin reads them, by their numbers.
    rows: Vec<Row>,
    refuses: bool,
}

/// How policy files fare.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The files in use.
    pub files: Vec<String>,
    /// How many rules they hold.
    pub rules: usize,
    /// When they were read.
    pub loaded: Option<Timestamp>,
    /// How often they were read since the start.
    pub loads: u64,
    /// What is odd about them.
    pub warnings: Vec<String>,
    /// Why what is written now is not in use.
    pub error: Option<String>,
    /// How often what was written could not be used.
    pub failures: u64,
}

/// What the rules say together.
enum Verdict {
    /// No rule is about it.
    Nothing,
    /// This rule decides.
    Decided(Arc<Rule>),
    /// A refusal for want of an answer.
    Refused(Reason),
    /// Something went wrong, so that nothing is allowed.
    Failed(Arc<str>),
}

impl PolicyFiles {
    /// No files.
    pub fn none(name: &'static str, labels: NamespaceLabels) -> Self {
        Self::with(name, None, labels)
    }

    /// Reads files for the first time.
    ///
    /// # Errors
    /// The first thing that cannot be used; nothing can start then.
    pub fn open(name: &'static str, source: Source, labels: NamespaceLabels) -> Result<Self, LoadError> {
        let files = Self::with(name, Some(source), labels);
        files.load()?;
        Ok(files)
    }

    /// Rules that come from elsewhere.
    pub fn of_rules(name: &'static str, rules: Vec<Rule>, labels: NamespaceLabels) -> Self {
        let files = Self::with(name, None, labels);
        files.replace(rules, Vec::new(), Vec::new());
        files
    }

    /// Rules that are shared with others.
    pub(crate) fn of_shared(name: &'static str, rules: Vec<Arc<Rule>>, labels: NamespaceLabels) -> Self {
        let files = Self::with(name, None, labels);
        files.put(rules, Vec::new(), Vec::new());
        files
    }

    fn with(name: &'static str, source: Option<Source>, labels: NamespaceLabels) -> Self {
        Self(Arc::new(Inner {
            name,
            source,
            snapshot: ArcSwap::default(),
            labels,
            pool: Pool::default(),
            generation: AtomicU64::new(0),
            status: Mutex::default(),
            texts: Mutex::default(),
            fingerprint: Mutex::default(),
        }))
    }

    /// Reads the files again if they changed; whether other rules hold now.
    pub fn refresh(&self) -> bool {
        let Some(source) = &self.0.source else { return false };
        let now = source.fingerprint();
        if *self.0.fingerprint.lock() == now {
            return false;
        }
        match self.load() {
            Ok(()) => true,
            Err(why) => {
                // Said once for each change of the files.
                *self.0.fingerprint.lock() = now;
                let mut status = self.0.status.lock();
                status.error = Some(why.to_string());
                status.failures = status.failures.saturating_add(1);
                drop(status);
                error!(policy = self.0.name, reason = %why, "Policy files cannot be used; the rules stay as they were");
                false
            }
        }
    }

    fn load(&self) -> Result<(), LoadError> {
        let Some(source) = &self.0.source else { return Ok(()) };
        let fingerprint = source.fingerprint();
        let loaded = source.load()?;
        let names = loaded.files.iter().map(|file| file.name.clone()).collect();
        self.replace(loaded.rules, names, loaded.warnings);
        *self.0.texts.lock() = loaded.files;
        *self.0.fingerprint.lock() = fingerprint;
        Ok(())
    }

    fn replace(&self, rules: Vec<Rule>, files: Vec<String>, warnings: Vec<String>) {
        let old = self.0.snapshot.load();
        let known: HashMap<String, &Arc<Rule>> =
            old.index.rules().iter().map(|rule| (identity(rule), rule)).collect();
        let carried = rules.into_iter().map(|mut rule| {
            if let Some(before) = known.get(&identity(&rule)) {
                rule.used = Arc::clone(&before.used);
            }
            Arc::new(rule)
        });
        let carried = carried.collect();
        self.put(carried, files, warnings);
    }

    fn put(&self, rules: Vec<Arc<Rule>>, files: Vec<String>, mut warnings: Vec<String>) {
        let snapshot = Snapshot::new(rules);
        warnings.extend(snapshot.warnings());
        let count = snapshot.index.rules().len();
        self.0.snapshot.store(Arc::new(snapshot));
        self.0.generation.fetch_add(1, Ordering::Release);
        let mut status = self.0.status.lock();
        let (loads, failures) = (status.loads.saturating_add(1), status.failures);
        let loaded = Some(Timestamp::now());
        *status = Status { files, rules: count, loaded, loads, warnings, error: None, failures };
    }

    /// The files that the rules in use were read from, as they were then.
    pub fn texts(&self) -> Vec<Text> {
        self.0.texts.lock().clone()
    }

    /// How the files fare.
    pub fn status(&self) -> Status {
        self.0.status.lock().clone()
    }

    /// The rules in the order in which they decide.
    pub fn rules_in_order(&self) -> Vec<Arc<Rule>> {
        self.0.snapshot.load().index.rules().to_vec()
    }

    /// What these rules would decide alone, for rules that are tried out: `None` is no opinion.
    pub fn opinion(&self, user: &UserInfo, asked: &Attributes<'_>) -> Option<bool> {
        match self.verdict(user, asked, false) {
            Verdict::Decided(rule) => Some(rule.effect == Effect::Allow),
            Verdict::Refused(_) => Some(false),
            Verdict::Nothing | Verdict::Failed(_) => None,
        }
    }

    /// Whether all ways to weigh a request come to the same: the index, every rule in its order, and casbin over all
    /// rules at once. For tests; a server weighs in one way.
    ///
    /// # Errors
    /// What each of them says, where they differ.
    pub fn cross_check(&self, user: &UserInfo, asked: &Attributes<'_>) -> Result<(), String> {
        let snapshot = self.0.snapshot.load();
        let decides = |rule: &&Arc<Rule>| match rule.judge(user, asked, &self.0.labels) {
            Says::Nothing => false,
            Says::Decides => true,
            Says::Unclear(_) => rule.effect == Effect::Deny,
        };
        let plain = snapshot.index.rules().iter().find(decides).map(|rule| rule.effect == Effect::Allow);
        let casbin = self.0.pool.allows(snapshot.rows.iter(), user, asked, &self.0.labels)?;
        let indexed = self.opinion(user, asked);
        if indexed == plain && casbin == (plain == Some(true)) {
            return Ok(());
        }
        Err(format!("plain {plain:?}, indexed {indexed:?}, casbin allows: {casbin}"))
    }

    fn verdict(&self, user: &UserInfo, asked: &Attributes<'_>, only_refusals: bool) -> Verdict {
        let snapshot = self.0.snapshot.load();
        if only_refusals && !snapshot.refuses {
            return Verdict::Nothing;
        }
        let candidates = snapshot.index.candidates(user, asked);
        if only_refusals && !candidates.iter().any(|candidate| candidate.effect == Effect::Deny) {
            return Verdict::Nothing;
        }
        let numbers = candidates.iter().map(|candidate| candidate.number);
        let rules = numbers.filter_map(|number| Some((number, snapshot.index.rule(number)?)));
        let mut weighed: Vec<u32> = Vec::new();
        let mut first = None;
        for (number, rule) in rules {
            match (rule.judge(user, asked, &self.0.labels), rule.effect) {
                (Says::Nothing, _) | (Says::Unclear(_), Effect::Allow) => continue,
                (Says::Unclear(why), Effect::Deny) if first.is_none() => {
                    return Verdict::Refused(Reason::Rule(Arc::clone(rule), Some(why)));
                }
                (Says::Decides | Says::Unclear(_), _) => {}
            }
            first.get_or_insert(rule);
            weighed.push(number);
            if weighed.len() == MANY {
                break;
            }
        }
        let Some(first) = first else { return Verdict::Nothing };
        let rows = weighed.iter().filter_map(|number| snapshot.rows.get(usize::try_from(*number).ok()?));
        self.confirm(first, self.0.pool.allows(rows, user, asked, &self.0.labels))
    }

    /// What the index found and casbin decided must be one.
    fn confirm(&self, first: &Arc<Rule>, allowed: Result<bool, String>) -> Verdict {
        let why = match allowed {
            Ok(allowed) if allowed == (first.effect == Effect::Allow) => {
                return Verdict::Decided(Arc::clone(first));
            }
            Ok(_) => "its two evaluators disagree".to_owned(),
            Err(error) => error,
        };
        error!(policy = self.0.name, rule = %first, reason = why, "A rule could not be weighed");
        match first.effect {
            Effect::Deny => {
                Verdict::Refused(Reason::Rule(Arc::clone(first), Some("it could not be weighed")))
            }
            Effect::Allow => Verdict::Failed("a policy rule could not be weighed".into()),
        }
    }

    /// The deny rules, for the place before the chain.
    pub fn refusals(&self) -> Refusals {
        Refusals(self.clone())
    }

    fn generation_of_all(&self) -> u64 {
        let labels = if self.0.source.is_some() { self.0.labels.generation() } else { 0 };
        self.0.generation.load(Ordering::Acquire).wrapping_add(labels)
    }
}

/// What makes a rule the same rule after a reload.
fn identity(rule: &Rule) -> String {
    match &rule.name {
        Some(name) => format!("{}\n{name}", rule.origin.file),
        None => format!(
            "{}\n{:?} {:?} {:?} {:?} {:?} {:?}",
            rule.origin.file,
            rule.subjects,
            rule.verbs,
            rule.resources,
            rule.paths,
            rule.namespace_labels,
            rule.selection
        ),
    }
}

impl Snapshot {
    fn new(rules: Vec<Arc<Rule>>) -> Self {
        let index = Index::new(rules);
        let rows = index.rules().iter().enumerate().map(|(n, rule)| casbin_pool::row(n, rule)).collect();
        let refuses = index.rules().iter().any(|rule| rule.effect == Effect::Deny);
        Self { index, rows, refuses }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = load::lint(self.index.rules());
        let (most, example) = self.index.most_that_meet();
        if let Some(example) = example.filter(|_| most > MANY) {
            let why = format!("{most} rules may be about one request, {example} among them");
            warnings.push(format!("{why}: name subjects, resources and namespaces to keep decisions quick"));
        }
        warnings
    }
}

impl Authorizer for PolicyFiles {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn decide(&self, user: &UserInfo, asked: &Attributes<'_>) -> Decision {
        match self.verdict(user, asked, false) {
            Verdict::Decided(rule) => {
                let allows = rule.effect == Effect::Allow;
                let reason = Reason::Rule(rule, None);
                if allows { Decision::allow(reason) } else { Decision::deny(reason) }
            }
            Verdict::Refused(reason) => Decision::deny(reason),
            Verdict::Failed(error) => {
                Decision::NoOpinion(Grounds { reasons: Vec::new(), errors: vec![error] })
            }
            // Upstream's words where upstream's mode is on.
            Verdict::Nothing if self.0.name == ABAC => Decision::NoOpinion(Grounds {
                reasons: vec![Reason::Said("No policy matched.".into())],
                errors: Vec::new(),
            }),
            Verdict::Nothing => Decision::no_opinion(),
        }
    }

    fn rules(&self, user: &UserInfo, namespace: &str) -> Rules {
        let snapshot = self.0.snapshot.load();
        let mine = snapshot.index.rules().iter().filter(|rule| rule.subjects.iter().any(|who| who.is(user)));
        let mut listed = Rules::default();
        for rule in mine {
            match listable(rule, namespace) {
                Some(rules) => listed.rules.extend(rules),
                None => listed.incomplete = true,
            }
        }
        listed
    }

    fn generation(&self, _: &UserInfo) -> u64 {
        self.generation_of_all()
    }
}

/// The name of upstream's mode.
pub const ABAC: &str = "ABAC";

/// A rule as RBAC would list it, none for another namespace; `None` if it cannot be told so.
fn listable(rule: &Rule, namespace: &str) -> Option<Vec<rbac::Rule>> {
    let words = |patterns: &[Pattern]| -> Option<rbac::Words> {
        patterns
            .iter()
            .map(|p| (p.is_anything() || p.as_word().is_some()).then(|| p.as_str().into()))
            .collect()
    };
    if rule.effect == Effect::Deny || !rule.namespace_labels.is_empty() || !rule.selection.is_empty() {
        return None;
    }
    let mut all = Vec::new();
    if let Some(resources) = &rule.resources {
        let here =
            resources.namespaces.is_empty() || resources.namespaces.iter().any(|p| p.matches(namespace));
        let named: Vec<Pattern> =
            resources.resources.iter().filter(|p| !p.as_str().ends_with('/')).cloned().collect();
        if here {
            all.push(rbac::Rule {
                verbs: words(&rule.verbs)?,
                api_groups: words(&resources.groups)?,
                resources: words(&named)?,
                resource_names: words(&resources.names)?,
                ..rbac::Rule::default()
            });
        }
    }
    if !rule.paths.is_empty() {
        let paths = rule.paths.iter().map(|path| path.as_str().into()).collect();
        all.push(rbac::Rule {
            verbs: words(&rule.verbs)?,
            non_resource_urls: paths,
            ..rbac::Rule::default()
        });
    }
    Some(all)
}

/// The deny rules of policy files, asked before every authorizer.
#[derive(Clone)]
pub struct Refusals(PolicyFiles);

impl Guard for Refusals {
    fn name(&self) -> &'static str {
        self.0.0.name
    }

    fn objection(&self, user: &UserInfo, asked: &Attributes<'_>) -> Option<Reason> {
        match self.0.verdict(user, asked, true) {
            Verdict::Decided(rule) if rule.effect == Effect::Deny => Some(Reason::Rule(rule, None)),
            Verdict::Refused(reason) => Some(reason),
            Verdict::Decided(_) | Verdict::Nothing | Verdict::Failed(_) => None,
        }
    }

    fn generation(&self) -> u64 {
        self.0.generation_of_all()
    }
}
