//! Which requests belong together: flow schemas and the levels they name, read from their objects.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use portcullis_api::{Object, UserInfo, Value};

use super::level::{Level, Limits};
use super::stamp::Stamp;
use crate::attributes::{Attributes, Resource, Subject};
use crate::rbac::{Words, url_matches, words};

/// Upstream's default shares of a level that names none.
const DEFAULT_SHARES: u64 = 30;

/// All schemas in the order of their precedence.
pub(super) struct Table {
    schemas: Vec<Schema>,
    seats: Vec<(Box<str>, usize)>,
    hasher: RandomState,
}

/// Requests that belong together.
pub(super) struct Schema {
    name: Box<str>,
    precedence: i64,
    /// `None` is exempt.
    pub(super) level: Option<Arc<Level>>,
    /// What answers say of it; nothing while it is not stored.
    pub(super) stamp: Option<Stamp>,
    distinguisher: Distinguisher,
    rules: Vec<Rule>,
}

#[derive(Clone, Copy)]
enum Distinguisher {
    User,
    Namespace,
    Nothing,
}

struct Rule {
    subjects: Vec<Who>,
    resources: Vec<ResourceRule>,
    paths: Vec<PathRule>,
}

enum Who {
    Anybody,
    User(Box<str>),
    Group(Box<str>),
    ServiceAccount { namespace: Box<str>, name: Box<str> },
}

/// Who asks, made out once for all rules.
struct Asker<'a> {
    user: &'a UserInfo,
    account: Option<(&'a str, &'a str)>,
}

struct ResourceRule {
    verbs: Words,
    groups: Words,
    resources: Words,
    namespaces: Words,
    cluster: bool,
}

struct PathRule {
    verbs: Words,
    paths: Words,
}

impl Table {
    /// Reads FlowSchemas and PriorityLevelConfigurations; levels share `seats` by their shares.
    pub(super) fn new<'a>(objects: impl Iterator<Item = &'a Object> + Clone, seats: usize) -> Self {
        let levels = levels(objects.clone().filter(|o| o.kind() == "PriorityLevelConfiguration"), seats);
        let schemas = objects.filter(|o| o.kind() == "FlowSchema");
        let mut schemas: Vec<Schema> = schemas.filter_map(|o| Schema::from_object(o, &levels)).collect();
        schemas.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        let mut seats: Vec<_> =
            levels.iter().map(|(name, place)| (Box::from(*name), place.seats())).collect();
        seats.sort();
        Self { schemas, seats, hasher: RandomState::new() }
    }

    /// How many seats each level has, by name; an exempt one counts none.
    pub(super) fn seats(&self) -> &[(Box<str>, usize)] {
        &self.seats
    }

    /// The schema of a request; the last one takes what no other does.
    pub(super) fn classify(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Option<&Schema> {
        let asker = Asker { user, account: user.service_account() };
        self.schemas.iter().find(|s| s.matches(&asker, attributes)).or(self.schemas.last())
    }

    /// Names the flow within a schema.
    pub(super) fn flow(&self, schema: &Schema, user: &UserInfo, attributes: &Attributes<'_>) -> u64 {
        let distinguisher = match schema.distinguisher {
            Distinguisher::User => &user.name,
            Distinguisher::Namespace => attributes.namespace(),
            Distinguisher::Nothing => "",
        };
        self.hasher.hash_one((&*schema.name, distinguisher))
    }
}

/// A priority level as schemas find it.
struct Place<'a> {
    uid: &'a str,
    /// `None` is exempt.
    level: Option<Arc<Level>>,
}

impl Place<'_> {
    fn seats(&self) -> usize {
        self.level.as_ref().map_or(0, |level| level.seats())
    }
}

fn levels<'a>(
    objects: impl Iterator<Item = &'a Object> + Clone,
    seats: usize,
) -> HashMap<&'a str, Place<'a>> {
    let shares = |o: &Object| {
        let shares = o.at(&["spec", "limited", "nominalConcurrencyShares"]).and_then(Value::as_u64);
        if is_exempt(o) { 0 } else { shares.unwrap_or(DEFAULT_SHARES) }
    };
    let all = objects.clone().map(shares).sum::<u64>().max(1);
    let part = |o: &Object| usize::try_from((seats as u64 * shares(o)).div_ceil(all)).unwrap_or(seats);
    let level = |o| if is_exempt(o) { None } else { Some(Level::new(limits(o, part(o)))) };
    objects.map(|o| (o.name(), Place { uid: o.uid(), level: level(o) })).collect()
}

fn is_exempt(level: &Object) -> bool {
    level.str_at(&["spec", "type"]) == "Exempt"
}

fn limits(level: &Object, seats: usize) -> Limits {
    let response = |path: &[&str]| {
        let path: Vec<&str> = ["spec", "limited", "limitResponse"].iter().chain(path).copied().collect();
        level.at(&path).cloned().unwrap_or_default()
    };
    if response(&["type"]) != "Queue" {
        return Limits { seats, queue: 0, waiting: 0 };
    }
    let number = |field: &str, default: usize| {
        let number = response(&["queuing", field]).as_u64();
        number.and_then(|n| usize::try_from(n).ok()).unwrap_or(default)
    };
    let queue = number("queueLengthLimit", 50);
    Limits { seats, queue, waiting: queue.saturating_mul(number("queues", 64)) }
}

impl Schema {
    fn from_object(object: &Object, levels: &HashMap<&str, Place<'_>>) -> Option<Self> {
        let place = levels.get(object.str_at(&["spec", "priorityLevelConfiguration", "name"]))?;
        let distinguisher = match object.str_at(&["spec", "distinguisherMethod", "type"]) {
            "ByUser" => Distinguisher::User,
            "ByNamespace" => Distinguisher::Namespace,
            _ => Distinguisher::Nothing,
        };
        let precedence = object.at(&["spec", "matchingPrecedence"]).and_then(Value::as_i64);
        let rules = object.at(&["spec", "rules"]).and_then(Value::as_array);
        Some(Self {
            name: object.name().into(),
            precedence: precedence.unwrap_or(1000),
            level: place.level.clone(),
            stamp: Stamp::of(object.uid(), place.uid),
            distinguisher,
            rules: rules.into_iter().flatten().map(Rule::from_value).collect(),
        })
    }

    fn matches(&self, asker: &Asker<'_>, attributes: &Attributes<'_>) -> bool {
        self.rules.iter().any(|rule| rule.matches(asker, attributes))
    }
}

impl Rule {
    fn from_value(value: &Value) -> Self {
        let list = |field: &str| value.get(field).and_then(Value::as_array).into_iter().flatten();
        Self {
            subjects: list("subjects").filter_map(Who::from_value).collect(),
            resources: list("resourceRules").map(ResourceRule::from_value).collect(),
            paths: list("nonResourceRules").map(PathRule::from_value).collect(),
        }
    }

    fn matches(&self, asker: &Asker<'_>, attributes: &Attributes<'_>) -> bool {
        // Whom a rule is for is what most rules differ in, and told soonest.
        if !self.subjects.iter().any(|who| who.is(asker)) {
            return false;
        }
        match &attributes.subject {
            Subject::Resource(asked) => self.resources.iter().any(|r| r.matches(attributes.verb, asked)),
            Subject::Path(path) => self.paths.iter().any(|r| r.matches(attributes.verb, path)),
        }
    }
}

impl Who {
    fn from_value(value: &Value) -> Option<Self> {
        let text = |kind: &str, field: &str| {
            let text = value.get(kind).and_then(|subject| subject.get(field)?.as_str());
            Box::from(text.unwrap_or_default())
        };
        match value.get("kind")?.as_str()? {
            "User" => Some(match text("user", "name") {
                name if &*name == "*" => Self::Anybody,
                name => Self::User(name),
            }),
            "Group" => Some(match text("group", "name") {
                name if &*name == "*" => Self::Anybody,
                name => Self::Group(name),
            }),
            "ServiceAccount" => Some(Self::ServiceAccount {
                namespace: text("serviceAccount", "namespace"),
                name: text("serviceAccount", "name"),
            }),
            _ => None,
        }
    }

    fn is(&self, asker: &Asker<'_>) -> bool {
        match self {
            Self::Anybody => true,
            Self::User(name) => **name == *asker.user.name,
            Self::Group(name) => asker.user.in_group(name),
            Self::ServiceAccount { namespace, name } => asker
                .account
                .is_some_and(|(in_, called)| in_ == &**namespace && (&**name == "*" || called == &**name)),
        }
    }
}

impl ResourceRule {
    fn from_value(value: &Value) -> Self {
        Self {
            verbs: words(value, "verbs"),
            groups: words(value, "apiGroups"),
            resources: words(value, "resources"),
            namespaces: words(value, "namespaces"),
            cluster: value.get("clusterScope").and_then(Value::as_bool).unwrap_or_default(),
        }
    }

    fn matches(&self, verb: &str, asked: &Resource<'_>) -> bool {
        let scope =
            if asked.namespace.is_empty() { self.cluster } else { has(&self.namespaces, asked.namespace) };
        scope && has(&self.verbs, verb) && has(&self.groups, asked.group) && self.names(asked)
    }

    fn names(&self, asked: &Resource<'_>) -> bool {
        self.resources.iter().any(|rule| {
            let (resource, subresource) = rule.split_once('/').unwrap_or((rule, ""));
            &**rule == "*" || (resource == asked.resource && subresource == asked.subresource)
        })
    }
}

impl PathRule {
    fn from_value(value: &Value) -> Self {
        Self { verbs: words(value, "verbs"), paths: words(value, "nonResourceURLs") }
    }

    fn matches(&self, verb: &str, path: &str) -> bool {
        has(&self.verbs, verb) && self.paths.iter().any(|rule| url_matches(rule, path))
    }
}

fn has(words: &Words, word: &str) -> bool {
    words.iter().any(|w| &**w == "*" || &**w == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(user: &UserInfo, attributes: Attributes<'_>) -> (String, bool) {
        let objects = crate::policies::platform_objects().iter().map(|(_, o)| o);
        let table = Table::new(objects, 600);
        let schema = table.classify(user, &attributes).unwrap();
        (schema.name.to_string(), schema.level.is_none())
    }

    fn resource<'a>(verb: &'a str, group: &'a str, resource: &'a str, namespace: &'a str) -> Attributes<'a> {
        Attributes::resource(verb, Resource { group, resource, namespace, ..Resource::default() })
    }

    #[test]
    fn requests_are_classified_as_upstream() {
        let user = |name: &str, groups: &[&str]| {
            UserInfo::new(name, groups.iter().copied().chain(["system:authenticated"]))
        };
        let nodes = user("system:node:n", &["system:nodes"]);
        let account = user("system:serviceaccount:kube-system:x", &["system:serviceaccounts"]);
        let cases = [
            (user("root", &["system:masters"]), resource("get", "", "pods", "n"), "exempt", true),
            (user("u", &[]), Attributes::path("get", "/livez"), "probes", true),
            (nodes.clone(), resource("update", "", "nodes", ""), "system-node-high", false),
            (nodes, resource("list", "", "pods", "n"), "system-nodes", false),
            (account, resource("list", "", "pods", ""), "kube-system-service-accounts", false),
            (user("u", &[]), resource("list", "", "pods", "n"), "global-default", false),
            (UserInfo::new("x", [""; 0]), resource("list", "", "pods", "n"), "catch-all", false),
        ];
        for (who, what, expected, exempt) in cases {
            assert_eq!(schema(&who, what), (expected.to_owned(), exempt), "{who:?}");
        }
    }

    #[test]
    fn f057_flows_differ_by_user_and_nothing_else() {
        let objects = crate::policies::platform_objects().iter().map(|(_, o)| o);
        let table = Table::new(objects, 600);
        let list = resource("list", "", "pods", "n");
        let flow = |name: &str| {
            let user = UserInfo::new(name, ["system:authenticated"]);
            table.flow(table.classify(&user, &list).unwrap(), &user, &list)
        };
        assert_eq!(flow("a"), flow("a"));
        assert_ne!(flow("a"), flow("b"));
    }
}
