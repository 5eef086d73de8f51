//! Changed labels of a namespace: they must be readable, and the pods that are already there are
//! measured by them, as a warning.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_api::field::ErrorList;
use portcullis_api::{ApiError, Object, Result, Value};

use super::checks::Subject;
use super::policy::{Mode, Policy};
use crate::attributes::{Attributes, Operation};
use crate::plugins::core;
use portcullis_api::tree::{flag, owners, text};

/// How many pods are looked at, and for how long.
const MAX_PODS: usize = 3000;
const MAX_TIME: Duration = Duration::from_secs(1);

/// Judges a new or changed namespace.
pub(super) fn judge(write: &Attributes<'_>, namespace: &Object) -> Result<()> {
    let (policy, errors) = Policy::of(namespace);
    let before = write.old.filter(|_| write.operation == Operation::Update).map(Policy::of);
    let Some((old, old_errors)) = before else { return readable(write, &errors) };
    if errors != old_errors {
        readable(write, &errors)?;
    }
    if policy.enforce == old.enforce || policy.enforce.is_privileged() {
        return Ok(());
    }
    if policy.enforce.version == old.enforce.version && policy.enforce.level <= old.enforce.level {
        return Ok(());
    }
    measure_pods(write, namespace.name(), policy.enforce);
    Ok(())
}

fn readable(write: &Attributes<'_>, errors: &ErrorList) -> Result<()> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(&write.kind.gv.group, &write.kind.kind, write.name, errors))
}

/// Pods of one violation: how many, and the first by name.
struct Group {
    first: String,
    count: usize,
}

fn measure_pods(write: &Attributes<'_>, namespace: &str, mode: Mode) {
    let deadline = Instant::now() + MAX_TIME;
    let pods = by_interest(write.reader.list(&core("pods"), namespace));
    let mut groups = BTreeMap::new();
    let mut checked = 0;
    for pod in pods.iter().take(MAX_PODS) {
        checked += 1;
        measure(pod, mode, &mut groups);
        if Instant::now() >= deadline {
            break;
        }
    }
    if checked < pods.len() {
        write.notes.warn(format!(
            "new PodSecurity enforce level only checked against the first {checked} of {} existing pods",
            pods.len()
        ));
    }
    if !groups.is_empty() {
        write.notes.warn(format!(
            "existing pods in namespace \"{namespace}\" violate the new PodSecurity enforce level \"{mode}\""
        ));
    }
    let mut lines: Vec<String> = groups.iter().map(|(reasons, group)| group.line(reasons)).collect();
    lines.sort_unstable();
    for line in lines {
        write.notes.warn(line);
    }
}

fn measure(pod: &Object, mode: Mode, groups: &mut BTreeMap<String, Group>) {
    let part = |name: &str| pod.get(name).unwrap_or(&Value::Null);
    let found = mode.evaluate(&Subject { metadata: part("metadata"), spec: part("spec") });
    if found.is_allowed() {
        return;
    }
    let group = groups.entry(found.reasons()).or_insert(Group { first: pod.name().to_owned(), count: 0 });
    group.count += 1;
    if pod.name() < group.first.as_str() {
        pod.name().clone_into(&mut group.first);
    }
}

impl Group {
    fn line(&self, reasons: &str) -> String {
        match self.count {
            0 | 1 => format!("{}: {reasons}", self.first),
            2 => format!("{} (and 1 other pod): {reasons}", self.first),
            count => format!("{} (and {} other pods): {reasons}", self.first, count - 1),
        }
    }
}

/// One pod of each controller first: its siblings are like it.
fn by_interest(pods: Vec<Arc<Object>>) -> Vec<Arc<Object>> {
    let mut seen = HashSet::new();
    let (mut first, siblings): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| {
        let controller = owners(pod).iter().find(|owner| flag(owner, &["controller"]) == Some(true));
        controller.is_none_or(|owner| seen.insert(text(owner, "uid").to_owned()))
    });
    first.extend(siblings);
    first
}
