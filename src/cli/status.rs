//! `portcullis status`: what runs on a data directory, how it feels and what it holds.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ask::Asker;
use super::certificates::Certificate;
use super::options::Output;
use super::paths::DataDir;
use super::place::Place;
use super::state::State;
use super::{Failure, print};

/// The API services that this server does not serve itself.
const OTHERS_SERVICES: &str = "labelSelector=%21kube-aggregator.kubernetes.io/automanaged";

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Name every check, and not only those that fail.
    #[arg(short, long)]
    verbose: bool,
}

/// What is known of a data directory and its server.
struct Status {
    state: Option<State>,
    /// `/readyz?verbose`, line by line, or why there is no answer.
    ready: Option<Result<Vec<String>, String>>,
    counts: Vec<Count>,
    certificates: Vec<Certificate>,
}

struct Count {
    resource: String,
    objects: u64,
    enforced: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let dir = arguments.place.dir()?;
    let status = super::serve::runtime()?.block_on(Status::gather(&dir))?;
    match arguments.output {
        Output::Json => print::json(&status.to_json(&dir))?,
        Output::Text => print::text(&status.to_text(&dir, arguments.verbose))?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Status {
    async fn gather(dir: &DataDir) -> Result<Self, Failure> {
        let certificates = Certificate::all(dir)?;
        let state = State::running(dir);
        let mut status = Self { state, ready: None, counts: Vec::new(), certificates };
        if status.state.is_some() {
            match ask(dir).await {
                Ok((ready, counts)) => (status.ready, status.counts) = (Some(Ok(ready)), counts),
                Err(failure) => status.ready = Some(Err(failure.to_string())),
            }
        }
        Ok(status)
    }

    fn to_text(&self, dir: &DataDir, verbose: bool) -> String {
        let mut out = match &self.state {
            None => "not running\n".to_owned(),
            Some(State { server, pid, version, .. }) => {
                format!("running       {server} (pid {pid}, portcullis {version})\n")
            }
        };
        let mut line = |name: &str, text: String| out.push_str(&format!("{name:<13} {text}\n"));
        line("data", dir.path().display().to_string());
        match &self.ready {
            None => {}
            Some(Ok(checks)) => line(is_ready(checks), readiness(checks, verbose)),
            Some(Err(why)) => line("not ready", why.clone()),
        }
        let (enforced, idle): (Vec<&Count>, Vec<&Count>) =
            self.counts.iter().partition(|count| count.enforced);
        if !enforced.is_empty() {
            line("objects", listed(&enforced));
        }
        if !idle.is_empty() {
            line("not enforced", listed(&idle));
        }
        let now = Timestamp::now();
        let ends = self.certificates.iter().map(|c| format!("{} {}", c.profile, c.outlook(now)));
        let ends: Vec<String> = ends.collect();
        if !ends.is_empty() {
            line("certificates", ends.join(", "));
        }
        if self.state.is_none() {
            line("start it", "portcullis up".to_owned());
        }
        out
    }

    fn to_json(&self, dir: &DataDir) -> Value {
        let counts = |enforced: bool| -> Map<String, Value> {
            let chosen = self.counts.iter().filter(|count| count.enforced == enforced);
            chosen.map(|count| (count.resource.clone(), json!(count.objects))).collect()
        };
        let (ready, checks) = match &self.ready {
            None => (false, json!([])),
            Some(Ok(checks)) => (checks.iter().all(|check| is_fine(check)), json!(checks)),
            Some(Err(why)) => (false, json!([why])),
        };
        json!({
            "running": self.state.is_some(),
            "server": self.state.as_ref().map(|state| &state.server),
            "pid": self.state.as_ref().map(|state| state.pid),
            "version": self.state.as_ref().map(|state| &state.version),
            "dataDir": dir.path(),
            "ready": ready,
            "checks": checks,
            "objects": counts(true),
            "notEnforced": counts(false),
            "certificates": self.certificates.iter().map(Certificate::to_json).collect::<Vec<_>>(),
        })
    }
}

fn is_fine(check: &str) -> bool {
    check.ends_with(" ok")
}

fn is_ready(checks: &[String]) -> &'static str {
    if checks.iter().all(|check| is_fine(check)) { "ready" } else { "not ready" }
}

/// How many checks there are, and which of them fail; or all of them.
fn readiness(checks: &[String], verbose: bool) -> String {
    let failed: Vec<&str> = checks.iter().map(String::as_str).filter(|check| !is_fine(check)).collect();
    match (verbose, failed.len()) {
        (true, _) => checks.join(", "),
        (false, 0) => format!("{} checks ok", checks.len()),
        (false, count) => format!("{count} of {} checks fail: {}", checks.len(), failed.join(", ")),
    }
}

fn listed(counts: &[&Count]) -> String {
    let words = counts.iter().map(|count| format!("{} {}", count.resource, count.objects));
    words.collect::<Vec<_>>().join(", ")
}

async fn ask(dir: &DataDir) -> Result<(Vec<String>, Vec<Count>), Failure> {
    let mut asker = Asker::connect(dir).await?;
    let (_, answer) = asker.get("/readyz?verbose").await?;
    let ready = checks(&String::from_utf8_lossy(&answer));
    let mut counts = Vec::new();
    for row in portcullis_schema::rows().iter().filter(|row| row.store.is_some() && row.allows("list")) {
        let (group, version, resource) = (&*row.gvr.gv.group, &*row.gvr.gv.version, &*row.gvr.resource);
        if portcullis_schema::row_of_group(group, resource).is_some_and(|preferred| preferred.gvr != row.gvr)
        {
            continue;
        }
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
        let query = if resource == "apiservices" { OTHERS_SERVICES } else { "limit=1" };
        let (status, body) = asker.get(&format!("{root}/{version}/{resource}?{query}")).await?;
        let Some(objects) = status.is_success().then(|| total(&body)).filter(|objects| *objects > 0) else {
            continue;
        };
        let enforced = !portcullis_registry::is_unenforced(group, resource);
        let shown = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        counts.push(Count { resource: shown, objects, enforced });
    }
    Ok((ready, counts))
}

/// `[+]ping ok` becomes `ping ok`, `[-]store failed: …` becomes `store failed: …`.
fn checks(verbose: &str) -> Vec<String> {
    let named = verbose.lines().filter_map(|line| {
        line.strip_prefix("[+]").map(str::to_owned).or_else(|| line.strip_prefix("[-]").map(str::to_owned))
    });
    named.collect()
}

/// The size of a list of which one page of one object was asked for.
fn total(body: &[u8]) -> u64 {
    let list: Value = serde_json::from_slice(body).unwrap_or_default();
    let shown = list.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    let left = list.pointer("/metadata/remainingItemCount").and_then(Value::as_u64).unwrap_or(0);
    left.saturating_add(u64::try_from(shown).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_one_tells_the_size_of_the_list() {
        assert_eq!(total(br#"{"metadata":{"remainingItemCount":41},"items":[{}]}"#), 42);
        assert_eq!(total(br#"{"metadata":{},"items":[]}"#), 0);
        assert_eq!(total(b"no list"), 0);
    }

    #[test]
    fn only_what_fails_is_named_unless_all_is_asked_for() {
        let fine = ["ping ok", "store ok"].map(str::to_owned);
        assert_eq!((is_ready(&fine), &*readiness(&fine, false)), ("ready", "2 checks ok"));
        assert_eq!(readiness(&fine, true), "ping ok, store ok");
        let failing = ["ping ok", "store failed: reason withheld"].map(str::to_owned);
        assert_eq!(is_ready(&failing), "not ready");
        assert_eq!(readiness(&failing, false), "1 of 2 checks fail: store failed: reason withheld");
    }

    #[test]
    fn checks_are_read_from_the_verbose_answer() {
        let answer = "[+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n";
        assert_eq!(checks(answer), ["ping ok", "store failed: reason withheld"]);
    }
}
