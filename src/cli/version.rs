//! `portcullis version`

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::options::Output;

/// This program and the Kubernetes version it serves.
pub(crate) const LONG: &str = concat!(env!("CARGO_PKG_VERSION"), " (Kubernetes v1.36)");

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let text = if arguments.output == Output::Json {
        serde_json::json!({ "portcullis": env!("CARGO_PKG_VERSION"), "kubernetes": "v1.36" }).to_string()
    } else {
        format!("portcullis {LONG}")
    };
    writeln!(std::io::stdout(), "{text}")
        .map_err(|e| Failure::caused("the version cannot be printed", &e))?;
    Ok(ExitCode::SUCCESS)
}
