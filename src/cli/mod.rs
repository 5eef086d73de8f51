//! The commands, one file each.

mod apiserver;
mod assemble;
mod failure;
mod logging;
mod options;
mod paths;
mod platform;
mod preflight;
mod state;
mod steps;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use failure::Failure;

/// A Kubernetes v1.36 control plane, security first.
#[derive(Parser, Debug)]
#[command(name = "portcullis", version = version::LONG, about, long_about = None, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the API server alone.
    Apiserver(apiserver::Arguments),
    /// Say which version this is.
    Version(version::Arguments),
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Apiserver(arguments) => apiserver::run(arguments),
        Command::Version(arguments) => version::run(&arguments),
    }
}
