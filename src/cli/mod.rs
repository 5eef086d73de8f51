//! The commands, one file each.

mod administrators;
mod admission;
mod apiserver;
mod ask;
mod assemble;
mod audit;
mod auditing;
mod authentication;
mod authorization;
mod certificates;
mod certs;
mod checks;
mod credentials;
mod doctor;
mod down;
mod engine;
mod failure;
mod health;
mod identity;
mod ledger;
mod lifetime;
mod logging;
mod memory;
mod online;
mod options;
mod paging;
mod parts;
mod paths;
mod place;
mod platform;
mod policy;
mod posture;
mod preflight;
mod print;
mod process;
mod progress;
mod refusals;
mod reload;
mod sealing;
mod serve;
mod spool;
mod state;
mod status;
mod steps;
mod store;
mod storing;
mod token;
mod up;
mod user;
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
    /// Run everything in one process and add it to your kubeconfig.
    Up(up::Arguments),
    /// Stop the server of a data directory and wait until it has drained.
    Down(down::Arguments),
    /// Say what runs, how it feels and what it holds.
    Status(status::Arguments),
    /// Check what a server needs of this machine, and say how to mend it.
    Doctor(doctor::Arguments),
    /// Run the API server alone.
    Apiserver(apiserver::Arguments),
    /// Issue, list and renew certificates.
    Certs(certs::Arguments),
    /// Ask who may do what and why, and study policies before they are used.
    Policy(policy::Arguments),
    /// Verify and read the audit log.
    Audit(audit::Arguments),
    /// Say how a running server stands to the CIS benchmark.
    Posture(posture::Arguments),
    /// Issue, list and revoke tokens of people and programs.
    Token(token::Arguments),
    /// List every certificate and token that was issued, and take them back.
    Credentials(credentials::Arguments),
    /// Check, back up, restore, move and re-encrypt what is stored.
    Store(store::Arguments),
    /// Say which version this is.
    Version(version::Arguments),
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Up(arguments) => up::run(arguments),
        Command::Down(arguments) => down::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Certs(arguments) => certs::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Posture(arguments) => posture::run(&arguments),
        Command::Apiserver(arguments) => apiserver::run(arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Credentials(arguments) => credentials::run(&arguments),
        Command::Store(arguments) => store::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
    }
}
