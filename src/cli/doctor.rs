//! `portcullis doctor`: everything a server needs of this machine, each with its fix.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::checks::{self, Finding};
use super::options::Output;
use super::place::Place;
use super::{Failure, print};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The port the server would serve on.
    #[arg(long, value_name = "PORT")]
    secure_port: Option<u16>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let findings = examine(arguments)?;
    match arguments.output {
        Output::Json => print::json(&findings.iter().map(to_json).collect())?,
        Output::Text => print::text(&findings.iter().map(to_text).collect::<String>())?,
    }
    let healthy = findings.iter().all(|(_, finding)| finding.is_ok());
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(arguments: &Arguments) -> Result<Vec<(&'static str, Finding)>, Failure> {
    let dir = arguments.place.dir()?;
    let mut options = arguments.place.options()?;
    options.secure_port = arguments.secure_port.or(options.secure_port);
    Ok(vec![
        ("data directory", checks::data_directory(&dir)),
        ("disk space", checks::space(&dir)),
        ("clock", checks::clock(&dir, Timestamp::now())),
        ("open files", checks::open_files()),
        ("port", checks::port(&options, &dir)),
        ("store", checks::store(&dir)),
        ("kubeconfig", checks::kubeconfig()),
        ("kubectl", checks::kubectl()),
    ])
}

fn to_text((name, finding): &(&str, Finding)) -> String {
    match finding {
        Ok(detail) => format!("✓ {name}: {detail}\n"),
        Err(failure) => format!("✗ {name}: {failure}\n"),
    }
}

fn to_json((name, finding): &(&str, Finding)) -> Value {
    match finding {
        Ok(detail) => json!({ "check": name, "ok": true, "detail": detail }),
        Err(failure) => json!({ "check": name, "ok": false, "failure": failure.to_json() }),
    }
}
