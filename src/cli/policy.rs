//! `portcullis policy`: who may do what, why, and what a change would do.
//!
//! What is asked of files is answered by the evaluators that decide in a server.

mod can;
mod explain;
mod live;
mod offline;
mod reach;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;
use super::options::Output;
use reach::Reach;

/// The very file that auditors read.
const EXAMPLE: &str = include_str!("../../policies/example.yaml");

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check files for what is risky, broken or without effect.
    Check(Check),
    /// Try expectations on files, and say what of the policies they cover.
    Test(Test),
    /// Say what one set of files gives that another does not.
    Diff(Diff),
    /// Print rules to start from.
    Example,
    /// Name everybody who may do something.
    WhoCan(WhoCan),
    /// Say what a user may do in a namespace.
    Can(Can),
    /// Say which requests of an audit log would end otherwise.
    Replay(Replay),
    /// Write the smallest roles that allow what somebody did according to an audit log.
    Role(Least),
    /// Write a page for an auditor: who can, what is risky, what changed.
    Report(Report),
    /// Explain a decision by its id.
    Explain(Explain),
    /// List the rules and bindings that decided nothing since the server started.
    Unused(Unused),
    /// Say how a server's policy files fare and what they would change.
    Status(Unused),
}

/// What of a running server is studied beside files.
#[derive(Args, Debug)]
struct Live {
    /// Study what a running server has, as it would be with the files applied.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Args, Debug)]
struct Check {
    /// Files and directories: RBAC objects as YAML or JSON, policy files.
    #[arg(required_unless_present = "live", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    live: Live,
    /// Print SARIF, for editors and code hosts.
    #[arg(long)]
    sarif: bool,
}

#[derive(Args, Debug)]
struct Test {
    /// A YAML file of cases.
    #[arg(value_name = "CASES")]
    cases: PathBuf,
    /// Files and directories: RBAC objects as YAML or JSON, policy files.
    #[arg(long = "with", required_unless_present = "live", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    live: Live,
    /// Fail when less than this share of the rules, in percent, would be missed if they were removed.
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    score: u8,
}

#[derive(Args, Debug)]
struct Diff {
    /// The files or directories: as it is and as it would be; with --live only as it would be.
    #[arg(required = true, num_args = 1..=2, value_names = ["OLD", "NEW"])]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    live: Live,
}

#[derive(Args, Debug)]
struct WhoCan {
    #[command(flatten)]
    reach: Reach,
    /// The verb.
    verb: String,
    /// The resource, with its subresource after a slash; or a path that begins with one.
    resource: String,
    /// The API group.
    #[arg(long, default_value = "")]
    api_group: String,
    /// The namespace; the whole cluster if not given.
    #[arg(long, short, default_value = "")]
    namespace: String,
    /// The object's name.
    #[arg(long, default_value = "")]
    name: String,
    /// Ask files instead of a server.
    #[arg(long = "with", value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Args, Debug)]
struct Can {
    #[command(flatten)]
    reach: Reach,
    /// The user's name.
    user: String,
    /// Groups of the user.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The namespace.
    #[arg(long, short, default_value = "default")]
    namespace: String,
    /// Ask files instead of a server.
    #[arg(long = "with", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
struct Replay {
    /// The audit log, one event a line.
    #[arg(long, value_name = "LOG")]
    audit: PathBuf,
    /// Files and directories: RBAC objects as YAML or JSON, policy files.
    #[arg(long = "with", required_unless_present = "live", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    live: Live,
}

#[derive(Args, Debug)]
struct Least {
    /// The user's name; `system:serviceaccount:NAMESPACE:NAME` for a service account.
    user: String,
    /// The audit log, one event a line.
    #[arg(long, value_name = "LOG")]
    audit: PathBuf,
}

#[derive(Args, Debug)]
struct Report {
    /// Files and directories: RBAC objects as YAML or JSON, policy files.
    #[arg(required_unless_present = "live", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    live: Live,
    /// The file or directory as it was, to tell what changed.
    #[arg(long, value_name = "OLD")]
    since: Option<PathBuf>,
    /// An audit log, to tell who came and how.
    #[arg(long, value_name = "LOG")]
    audit: Option<PathBuf>,
    /// The label of namespaces that names their tenant.
    #[arg(long, value_name = "KEY", default_value = "tenant")]
    tenant_label: String,
    /// The file to write; standard output if none is named.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Explain {
    #[command(flatten)]
    reach: Reach,
    /// The id, from the header Portcullis-Decision-Id or the warning of a refusal.
    id: String,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
struct Unused {
    #[command(flatten)]
    reach: Reach,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Example => super::print::text(EXAMPLE).map(|()| ExitCode::SUCCESS),
        Command::Check(arguments) => offline::check(arguments),
        Command::Test(arguments) => offline::test(arguments),
        Command::Diff(arguments) => offline::diff(arguments),
        Command::WhoCan(arguments) if !arguments.paths.is_empty() => offline::who_can(arguments),
        Command::WhoCan(arguments) => live::who_can(arguments),
        Command::Can(arguments) => can::run(arguments),
        Command::Replay(arguments) => offline::replay(arguments),
        Command::Role(arguments) => offline::role(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Unused(arguments) => live::unused(arguments),
        Command::Status(arguments) => live::status(arguments),
    }
}
