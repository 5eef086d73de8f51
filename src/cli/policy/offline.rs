//! Questions about files, and about what a server would have with them.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use portcullis_authz::Attributes;
use portcullis_authz::attributes::Resource;
use portcullis_authz::study::{self, Cases, Finding, Level, Studied};

use super::reach::{before_and_after, studied};
use super::{Check, Diff, Least, Replay, Test, WhoCan};
use crate::cli::{Failure, print};

pub(super) fn read(paths: &[PathBuf]) -> Result<Studied, Failure> {
    let studied = Studied::read(paths).map(Studied::with_bootstrap);
    studied.map_err(|error| Failure::caused("the policies cannot be read", &error))
}

pub(super) fn check(arguments: &Check) -> Result<ExitCode, Failure> {
    let findings = study::lint(&studied(&arguments.paths, &arguments.live)?);
    if arguments.sarif {
        print::json(&study::sarif(&findings))?;
    } else {
        let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
        print::table(&rows)?;
    }
    let bad = findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn row(finding: &Finding) -> Vec<String> {
    vec![
        finding.place(),
        finding.level.to_string(),
        finding.id.to_owned(),
        finding.message.clone(),
        finding.fix().to_owned(),
    ]
}

pub(super) fn test(arguments: &Test) -> Result<ExitCode, Failure> {
    let what = || format!("the cases {} cannot be used", arguments.cases.display());
    let text = std::fs::read_to_string(&arguments.cases).map_err(|error| Failure::caused(what(), &error))?;
    let cases = Cases::parse(&text).map_err(|why| Failure::because(what(), why))?;
    let report = cases.run(&studied(&arguments.paths, &arguments.live)?);
    let mut out = String::new();
    for failure in &report.failures {
        out.push_str(&format!("✗ {failure}\n"));
    }
    for rule in &report.uncovered {
        out.push_str(&format!("no case needs {rule}\n"));
    }
    for rule in report.survivors.iter().filter(|rule| !report.uncovered.contains(rule)) {
        out.push_str(&format!("no case notices if {rule} is removed\n"));
    }
    let passed = report.cases.saturating_sub(report.failures.len());
    let covered = report.rules.saturating_sub(report.uncovered.len());
    let noticed = report.mutants.saturating_sub(report.survivors.len());
    let score = noticed.saturating_mul(100).checked_div(report.mutants).unwrap_or(100);
    out.push_str(&format!("{passed} of {} cases hold; ", report.cases));
    out.push_str(&format!("{covered} of {} rules are needed by a case; ", report.rules));
    out.push_str(&format!("{noticed} of {} removals are noticed ({score} %)\n", report.mutants));
    print::text(&out)?;
    let good = report.failures.is_empty() && score >= usize::from(arguments.score);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn diff(arguments: &Diff) -> Result<ExitCode, Failure> {
    let (old, new) = match (arguments.paths.as_slice(), arguments.live.live) {
        (new, true) if new.len() == 1 => before_and_after(new, &arguments.live)?,
        ([old, new], false) => (read(std::slice::from_ref(old))?, read(std::slice::from_ref(new))?),
        (_, true) => return Err(Failure::new("with --live only the files as they would be are named")),
        (_, false) => {
            return Err(Failure::new("two sets of files are compared").fix("name another, or add --live"));
        }
    };
    let changes =
        study::diff(&old, &new).map_err(|why| Failure::because("the policies cannot be compared", why))?;
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| {
            let sign = if change.gained { "gained" } else { "lost" };
            let what = match &*change.group {
                "" => change.what.clone(),
                group => format!("{}.{group}", change.what),
            };
            let place = match &*change.namespace {
                "" => "the cluster".to_owned(),
                namespace => format!("namespace {namespace}"),
            };
            vec![sign.to_owned(), change.subject.clone(), change.verb.clone(), what, place]
        })
        .collect();
    if rows.is_empty() {
        print::text("no access is gained or lost\n")?;
    }
    print::table(&rows)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn who_can(arguments: &WhoCan) -> Result<ExitCode, Failure> {
    let authorities = read(&arguments.paths)?.authorities();
    let (resource, subresource) = arguments.resource.split_once('/').unwrap_or((&arguments.resource, ""));
    let asked = if arguments.resource.starts_with('/') {
        Attributes::path(&arguments.verb, &arguments.resource)
    } else {
        let asked = Resource {
            group: &arguments.api_group,
            version: "*",
            namespace: &arguments.namespace,
            resource,
            subresource,
            name: &arguments.name,
            ..Resource::default()
        };
        Attributes::resource(&arguments.verb, asked)
    };
    super::live::print_who_can(&authorities.who_can(&asked))
}

pub(super) fn role(arguments: &Least) -> Result<ExitCode, Failure> {
    let mut least = study::Least::new(&arguments.user);
    each_line(&arguments.audit, |line| least.note(line))?;
    let roles = least.to_yaml();
    if roles.is_empty() {
        let what = format!("the log shows nothing that {:?} was allowed to do", arguments.user);
        return Err(Failure::new(what).fix("name the user as events do, and the log of that time"));
    }
    print::text(&roles)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn replay(arguments: &Replay) -> Result<ExitCode, Failure> {
    let authorities = studied(&arguments.paths, &arguments.live)?.authorities();
    let mut replay = study::Replay::default();
    each_line(&arguments.audit, |line| replay.weigh(&authorities, line))?;
    let mut rows = vec![["WOULD", "USER", "VERB", "WHAT", "NAMESPACE", "TIMES"].map(str::to_owned).to_vec()];
    rows.extend(replay.flips.iter().map(|(flip, count)| {
        let would = if flip.would_allow { "allow" } else { "refuse" };
        let texts = [would, &flip.user, &flip.verb, &flip.what, &flip.namespace].map(str::to_owned);
        texts.into_iter().chain([count.to_string()]).collect()
    }));
    print::table(&rows)?;
    print::text(&format!("{} requests, {} lines that are no events\n", replay.requests, replay.unread))?;
    Ok(if replay.flips.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn each_line(log: &Path, mut line: impl FnMut(&str)) -> Result<(), Failure> {
    let what = || format!("the audit log {} cannot be read", log.display());
    let file = File::open(log).map_err(|error| Failure::caused(what(), &error))?;
    for text in BufReader::new(file).lines() {
        line(&text.map_err(|error| Failure::caused(what(), &error))?);
    }
    Ok(())
}
