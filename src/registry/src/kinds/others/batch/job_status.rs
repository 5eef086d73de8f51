//! How a job's status may change. A rule about a field holds when that field changes, so that jobs
//! with older, stranger statuses can still be finished.

use portcullis_api::field::{Error, ErrorList, Raw};
use portcullis_api::{Object, Value, time};

use super::indexes;
use super::policies::invalid_unshown;
use crate::kinds::check::{At, IMMUTABLE, flag, int, items, opt_int, text};
use crate::kinds::meta;
use crate::kinds::others::tree::{counters, part, path, sub};

/// Whether a condition has a status.
pub(super) fn holds(status: &Value, kind: &str, value: &str) -> bool {
    let mut conditions = items(status, "conditions").iter();
    conditions.any(|condition| text(condition, "type") == kind && text(condition, "status") == value)
}

/// A job's status before and after.
struct Change<'a> {
    spec: &'a Value,
    new: &'a Value,
    old: &'a Value,
}

/// The rules for a change of the status.
pub(super) fn change(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    let change = Change { spec: part(new, "spec"), new: part(new, "status"), old: part(old, "status") };
    counters(change.new, &["active", "succeeded", "failed", "ready", "terminating"], errors);
    uncounted(change.new, errors);
    change.completion(errors);
    change.finish(errors);
    change.indexes(errors);
    change.pods(errors);
    change.success(errors);
    change.no_way_back(errors);
}

fn uncounted(status: &Value, errors: &mut ErrorList) {
    let at = path(&["status", "uncountedTerminatedPods"]);
    let mut seen: Vec<&str> = Vec::new();
    for list in ["succeeded", "failed"] {
        let uids = items(sub(status, "uncountedTerminatedPods"), list);
        for (i, uid) in uids.iter().map(|uid| uid.as_str().unwrap_or_default()).enumerate() {
            let here = at.child(list).index(i);
            if uid.is_empty() {
                errors.push(Error::invalid(&here, uid, "must not be empty"));
            } else if seen.contains(&uid) {
                errors.push(Error::duplicate(&here, uid));
            }
            seen.push(uid);
        }
    }
}

impl Change<'_> {
    fn is(&self, kind: &str) -> bool {
        holds(self.new, kind, "True")
    }

    fn was(&self, kind: &str) -> bool {
        holds(self.old, kind, "True")
    }

    /// Whether one of the conditions came or went.
    fn turned(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.is(kind) != self.was(kind))
    }

    /// Whether one of the fields changed.
    fn changed(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.new.get(*field) != self.old.get(*field))
    }

    fn is_finished(&self) -> bool {
        self.is("Complete") || self.is("Failed")
    }

    fn finish_turned(&self) -> bool {
        self.is_finished() != (self.was("Complete") || self.was("Failed"))
    }

    fn forbids(&self, wrong: bool, words: &str, errors: &mut ErrorList) {
        if wrong {
            let status = At::root("status");
            invalid_unshown(&status.child("conditions"), words, errors);
        }
    }

    fn completion(&self, errors: &mut ErrorList) {
        let complete = self.is("Complete");
        let both = complete && self.is("Failed") && self.turned(&["Complete", "Failed"]);
        self.forbids(both, "cannot set Complete=True and Failed=true conditions", errors);
        let both = complete && self.is("FailureTarget") && self.turned(&["Complete", "FailureTarget"]);
        self.forbids(both, "cannot set Complete=True and FailureTarget=true conditions", errors);
        let (start, end) = (self.new.get("startTime"), self.new.get("completionTime"));
        let status = At::root("status");
        let at = status.child("completionTime");
        if self.turned(&["Complete"]) || self.changed(&["completionTime"]) {
            if end.is_some() && !complete {
                at.invalid(errors, end, "cannot set completionTime when there is no Complete=True condition");
            }
            if end.is_none() && complete {
                at.required(errors, "completionTime is required for Complete jobs");
            }
        }
        let read = |value: Option<&Value>| time::parse(value?.as_str()?);
        if self.changed(&["startTime", "completionTime"])
            && let (Some(start), Some(finish)) = (read(start), read(end))
            && finish < start
        {
            at.invalid(errors, end, "must be equal to or after `startTime`");
        }
    }

    fn finish(&self, errors: &mut ErrorList) {
        let unannounced = self.is("Failed")
            && !self.is("FailureTarget")
            && (self.turned(&["Failed"]) || self.changed(&["failedIndexes"]));
        self.forbids(
            unannounced,
            "cannot set Failed=True condition without the FailureTarget=true condition",
            errors,
        );
        let unannounced = self.is("Complete")
            && !self.is("SuccessCriteriaMet")
            && self.turned(&["Complete", "SuccessCriteriaMet"]);
        let words = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
        self.forbids(unannounced, words, errors);
        if !self.is_finished() {
            return;
        }
        let status = At::root("status");
        let active = int(self.new, "active");
        if active > 0 && (self.finish_turned() || self.changed(&["active"])) {
            status.child("active").invalid(errors, active, "active>0 is invalid for finished job");
        }
        let nothing_to_do = flag(self.spec, "suspend") && opt_int(self.spec, "completions") == Some(0);
        let asks_start = (self.finish_turned() || self.changed(&["startTime"])) && !nothing_to_do;
        if asks_start && self.new.get("startTime").is_none() {
            status.child("startTime").required(errors, "startTime is required for finished job");
        }
        let uncounted = sub(self.new, "uncountedTerminatedPods");
        let some = ["failed", "succeeded"].iter().any(|list| !items(uncounted, list).is_empty());
        if some && (self.finish_turned() || self.changed(&["uncountedTerminatedPods"])) {
            let uids =
                |list: &str| uncounted.get(list).map_or_else(|| "null".to_owned(), ToString::to_string);
            let shown = Raw(format!("{{\"Succeeded\":{},\"Failed\":{}}}", uids("succeeded"), uids("failed")));
            status.child("uncountedTerminatedPods").invalid(errors, shown, "must be empty for finished job");
        }
    }

    fn indexes(&self, errors: &mut ErrorList) {
        let status = At::root("status");
        let (completed_at, failed_at) = (status.child("completedIndexes"), status.child("failedIndexes"));
        let completed = text(self.new, "completedIndexes");
        let failed = self.new.get("failedIndexes").and_then(Value::as_str);
        let completions = opt_int(self.spec, "completions");
        let per_index = opt_int(self.spec, "backoffLimitPerIndex").is_some();
        let (completed_changed, failed_changed) =
            (self.changed(&["completedIndexes"]), self.changed(&["failedIndexes"]));
        if completed_changed && let Some(Err(why)) = completions.map(|n| indexes::count(completed, n)) {
            completed_at.invalid(errors, completed, format!("error parsing completedIndexes: {why}"));
        }
        if failed_changed
            && per_index
            && let (Some(failed), Some(n)) = (failed, completions)
            && let Err(why) = indexes::count(failed, n)
        {
            failed_at.invalid(errors, failed, format!("error parsing failedIndexes: {why}"));
        }
        if completed_changed && !completed.is_empty() && text(self.spec, "completionMode") != "Indexed" {
            let words = "cannot set non-empty completedIndexes when non-indexed completion mode";
            completed_at.invalid(errors, completed, words);
        }
        let Some(failed) = failed else { return };
        if failed_changed && !per_index {
            let words = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
            failed_at.invalid(errors, failed, words);
        }
        if (failed_changed || completed_changed)
            && let Some(index) = completions.and_then(|n| indexes::overlap(completed, failed, n))
        {
            let words = format!("failedIndexes and completedIndexes overlap at index: {index}");
            failed_at.invalid(errors, failed, words);
        }
    }

    fn pods(&self, errors: &mut ErrorList) {
        let status = At::root("status");
        let terminating = int(self.new, "terminating");
        if terminating > 0 && self.is_finished() && (self.finish_turned() || self.changed(&["terminating"])) {
            status.child("terminating").invalid(
                errors,
                terminating,
                "terminating>0 is invalid for finished job",
            );
        }
        let ready = int(self.new, "ready");
        let told = self.new.get("ready").is_some();
        if told && ready > int(self.new, "active") && self.changed(&["ready", "active"]) {
            status.child("ready").invalid(errors, ready, "cannot set more ready pods than active");
        }
    }

    fn success(&self, errors: &mut ErrorList) {
        let met = self.is("SuccessCriteriaMet");
        let words = "cannot set SuccessCriteriaMet=True and Failed=true conditions";
        self.forbids(met && self.is("Failed"), words, errors);
        let words = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions";
        self.forbids(met && self.is("FailureTarget"), words, errors);
        let early = self.spec.get("successPolicy").is_some() && !met && self.is("Complete");
        let words = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        self.forbids(early, words, errors);
    }

    fn no_way_back(&self, errors: &mut ErrorList) {
        for kind in ["Failed", "Complete", "FailureTarget"] {
            let words = format!("cannot disable the terminal {kind}=True condition");
            self.forbids(self.was(kind) && !self.is(kind), &words, errors);
        }
        let status = At::root("status");
        let indexed = text(self.spec, "completionMode") == "Indexed";
        let elastic = indexed && opt_int(self.spec, "completions") == opt_int(self.spec, "parallelism");
        for (field, counts) in [("failed", true), ("succeeded", !elastic)] {
            let number = int(self.new, field);
            if counts && number < int(self.old, field) {
                status.child(field).invalid(errors, number, format!("cannot decrease the {field} counter"));
            }
        }
        let (new, old) = (self.new, self.old);
        if new.get("completionTime").is_some()
            && old.get("completionTime").is_some()
            && self.changed(&["completionTime"])
        {
            status.child("completionTime").invalid(errors, new.get("completionTime"), IMMUTABLE);
        }
        let resumes = self.was("Suspended") && holds(new, "Suspended", "False");
        let running = !flag(self.spec, "suspend") && !resumes;
        if old.get("startTime").is_some() && self.changed(&["startTime"]) && running {
            let words = "field is immutable for unsuspended job once set";
            status.child("startTime").invalid(errors, new.get("startTime"), words);
        }
        let met = "SuccessCriteriaMet";
        let words = "cannot disable the SuccessCriteriaMet=True condition";
        self.forbids(self.was(met) && !self.is(met), words, errors);
        let late = self.was("Complete") && !self.was(met) && self.is(met);
        let words = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        self.forbids(late, words, errors);
    }
}
