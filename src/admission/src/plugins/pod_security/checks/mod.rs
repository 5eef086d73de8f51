//! The rules of the levels, as a table: what each forbids, and from which version on.
//!
//! To add one: a function in the file of its subject, and its row in [`CHECKS`] in the order of its
//! level and then of upstream's name for it, which is the order messages list them in.

mod capabilities;
mod host;
mod identity;
mod profiles;
mod sandbox;
mod volumes;

use portcullis_api::Value;

use super::policy::Level;
use portcullis_api::tree::{at, flag, items, text};

/// The version after which no rule has changed.
pub(super) const NEWEST: i64 = 35;

/// What is measured: a pod, or a template of one.
pub(super) struct Subject<'a> {
    pub(super) metadata: &'a Value,
    pub(super) spec: &'a Value,
}

/// A rule that was broken.
pub(super) struct Violation {
    /// In a few words.
    reason: &'static str,
    /// Where and how; may be empty.
    detail: String,
}

/// All that was found.
pub(super) struct Evaluation(Vec<Violation>);

impl Evaluation {
    /// Whether nothing was.
    pub(super) fn is_allowed(&self) -> bool {
        self.0.is_empty()
    }

    /// The broken rules.
    pub(super) fn reasons(&self) -> String {
        self.0.iter().map(|violation| violation.reason).collect::<Vec<_>>().join(", ")
    }

    /// The broken rules with their details.
    pub(super) fn details(&self) -> String {
        let with_detail = |violation: &Violation| match violation.detail.as_str() {
            "" => violation.reason.to_owned(),
            detail => format!("{} ({detail})", violation.reason),
        };
        self.0.iter().map(with_detail).collect::<Vec<_>>().join(", ")
    }
}

struct Check {
    level: Level,
    /// The first version it holds in.
    since: i64,
    /// The first version in which a stricter rule stands for it at the restricted level.
    replaced: i64,
    run: fn(&Subject<'_>, i64) -> Option<Violation>,
}

const fn baseline(run: fn(&Subject<'_>, i64) -> Option<Violation>) -> Check {
    Check { level: Level::Baseline, since: 0, replaced: i64::MAX, run }
}

const fn restricted(since: i64, run: fn(&Subject<'_>, i64) -> Option<Violation>) -> Check {
    Check { level: Level::Restricted, since, replaced: i64::MAX, run }
}

const CHECKS: &[Check] = &[
    baseline(profiles::app_armor),
    Check { replaced: 22, ..baseline(capabilities::baseline) },
    baseline(host::namespaces),
    Check { replaced: 0, ..baseline(volumes::host_path) },
    baseline(host::ports),
    Check { since: 34, ..baseline(host::probes) },
    baseline(sandbox::privileged),
    Check { replaced: 35, ..baseline(sandbox::proc_mount) },
    baseline(profiles::selinux),
    Check { replaced: 19, ..baseline(profiles::seccomp) },
    baseline(sandbox::sysctls),
    baseline(sandbox::windows_host_process),
    restricted(8, sandbox::privilege_escalation),
    restricted(22, capabilities::restricted),
    restricted(35, sandbox::proc_mount_always),
    restricted(0, volumes::restricted),
    restricted(0, identity::run_as_non_root),
    restricted(23, identity::run_as_user),
    restricted(19, profiles::seccomp_required),
];

/// Measures a pod by the rules of a level in a version.
pub(super) fn evaluate(level: Level, minor: i64, subject: &Subject<'_>) -> Evaluation {
    let is_replaced = |check: &Check| level == Level::Restricted && check.replaced <= minor;
    let applies = |check: &&Check| check.level <= level && check.since <= minor && !is_replaced(check);
    Evaluation(CHECKS.iter().filter(applies).filter_map(|check| (check.run)(subject, minor)).collect())
}

impl<'a> Subject<'a> {
    /// All containers, in the order messages list them.
    fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let fields = ["initContainers", "containers", "ephemeralContainers"];
        fields.into_iter().flat_map(|field| items(self.spec, field))
    }

    /// The names of the containers that a rule finds bad, quoted and joined.
    fn bad_containers(&self, is_bad: impl FnMut(&&'a Value) -> bool) -> Names<'a> {
        Names(self.containers().filter(is_bad).map(|container| text(container, "name")).collect())
    }

    /// The pod's own security context.
    fn context(&self) -> &'a Value {
        self.spec.get("securityContext").unwrap_or(&Value::Null)
    }

    fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let map = self.metadata.get("annotations").and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    fn is_windows(&self) -> bool {
        at(self.spec, &["os", "name"]).and_then(Value::as_str) == Some("windows")
    }

    /// Root inside is nobody outside.
    fn has_user_namespace(&self) -> bool {
        flag(self.spec, &["hostUsers"]) == Some(false)
    }
}

/// A container's security context.
fn context(container: &Value) -> &Value {
    container.get("securityContext").unwrap_or(&Value::Null)
}

/// Names of containers or volumes.
struct Names<'a>(Vec<&'a str>);

impl Names<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `container "a"`, `containers "a", "b"`
    fn containers(&self) -> String {
        format!("{} {}", plural(self.0.len(), "container", "containers"), quoted(self.0.iter().copied()))
    }

    /// Who set something: the pod, containers, or both.
    fn and_pod(&self, pod: bool) -> Option<String> {
        match (pod, self.is_empty()) {
            (false, true) => None,
            (true, true) => Some("pod".to_owned()),
            (false, false) => Some(self.containers()),
            (true, false) => Some(format!("pod and {}", self.containers())),
        }
    }
}

fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() { String::new() } else { format!("\"{}\"", names.join("\", \"")) }
}

fn violation(reason: &'static str, detail: String) -> Option<Violation> {
    Some(Violation { reason, detail })
}
