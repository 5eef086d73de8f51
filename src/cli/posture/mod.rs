//! `portcullis posture`: how a running server stands to the items of the CIS Kubernetes benchmark that are
//! about the API server, judged by what is in force and not by what a file says.
//!
//! ```text
//! Facts   what the running parts say of themselves        (facts.rs)
//! ITEMS   one row an item: its number, its words, a judge  (items.rs)
//! GET /portcullis/posture  ->  this command: text or JSON, and exit code 1 where an item fails
//! ```

mod facts;
mod items;

use std::process::ExitCode;

use clap::Args;
use http::StatusCode;
use serde_json::{Value, json};

use super::ask::Asker;
use super::options::Output;
use super::place::Place;
use super::{Failure, print, serve};

pub(crate) use facts::Facts;
use items::ITEMS;

const PATH: &str = "/portcullis/posture";

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What an item comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It holds.
    Pass,
    /// It does not, and the benchmark leaves it to judgement.
    Warn,
    /// It does not.
    Fail,
    /// There is nothing here that it is about.
    Absent,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Absent => "N/A",
        }
    }
}

/// A verdict and what it rests on.
type Finding = (Verdict, String);

/// The answer of the endpoint.
pub(crate) fn report(facts: &Facts) -> Value {
    let found: Vec<(&items::Item, Finding)> = ITEMS.iter().map(|item| (item, (item.judge)(facts))).collect();
    let count = |wanted: Verdict| found.iter().filter(|(_, (verdict, _))| *verdict == wanted).count();
    let items = found.iter().map(|(item, (verdict, evidence))| {
        json!({ "id": item.id, "title": item.title, "verdict": verdict.as_str(), "evidence": evidence })
    });
    json!({
        "benchmark": "CIS Kubernetes Benchmark 1.11, API server",
        "version": env!("CARGO_PKG_VERSION"),
        "items": items.collect::<Vec<_>>(),
        "pass": count(Verdict::Pass), "warn": count(Verdict::Warn),
        "fail": count(Verdict::Fail), "notApplicable": count(Verdict::Absent),
    })
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let dir = arguments.place.dir()?;
    let (status, body) = serve::runtime()?.block_on(async {
        let mut asker = Asker::connect(&dir).await?;
        asker.get(PATH).await
    })?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status != StatusCode::OK {
        let why = answer.get("message").and_then(Value::as_str).unwrap_or("the server gives no reason");
        return Err(Failure::because(format!("the server answers {}", status.as_u16()), why));
    }
    match arguments.output {
        Output::Json => print::json(&answer)?,
        Output::Text => print(&answer)?,
    }
    let failed = answer.get("fail").and_then(Value::as_u64) != Some(0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(answer: &Value) -> Result<(), Failure> {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let items = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let row = |item: &Value| ["verdict", "id", "title", "evidence"].map(|key| text(item, key)).to_vec();
    print::table(&items.iter().map(row).collect::<Vec<_>>())?;
    let count = |key: &str| answer.get(key).and_then(Value::as_u64).unwrap_or_default();
    print::text(&format!(
        "{} pass, {} warn, {} fail, {} not applicable\n",
        count("pass"),
        count("warn"),
        count("fail"),
        count("notApplicable")
    ))
}

#[cfg(test)]
mod tests;
