//! Load for any server of the Kubernetes API, and what it costs that server.
//!
//! Every phase prints one line: what was asked, how often, how many failed, the rate, latencies and the
//! server's own CPU time a request, from `/proc/PID/stat`. That last figure is the one to compare where client
//! and server share a machine.
//!
//! ```text
//! cargo bench --bench load -- --address 127.0.0.1:6443 --ca CA --cert CERT --key KEY --pids PID
//! ```

#![expect(clippy::print_stdout, reason = "a benchmark reports what it measured")]

mod client;
mod objects;
mod phases;
mod report;
mod watching;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// What goes wrong: a benchmark says so and stops.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What to ask and of whom.
#[derive(Parser, Clone, Debug)]
struct Options {
    /// Where the server is.
    #[arg(long, default_value = "127.0.0.1:6443")]
    address: String,
    /// The name its certificate is checked for.
    #[arg(long, default_value = "localhost")]
    name: String,
    /// The authority that vouches for it.
    #[arg(long)]
    ca: PathBuf,
    /// The certificate of whoever asks.
    #[arg(long)]
    cert: Option<PathBuf>,
    /// Its key.
    #[arg(long)]
    key: Option<PathBuf>,
    /// A bearer token instead.
    #[arg(long)]
    token: Option<String>,
    /// The server's processes, for their CPU time and memory.
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
    /// Connections.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Requests at once.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// Objects.
    #[arg(long, default_value_t = 10_000)]
    objects: usize,
    /// The first object to create, where others are there already.
    #[arg(long, default_value_t = 0)]
    first: usize,
    /// Reads of single objects.
    #[arg(long, default_value_t = 50_000)]
    gets: usize,
    /// Watchers.
    #[arg(long, default_value_t = 200)]
    watchers: usize,
    /// Updates that every watcher is to see.
    #[arg(long, default_value_t = 300)]
    updates: usize,
    /// Where the objects are.
    #[arg(long, default_value = "load")]
    namespace: String,
    /// Ask over HTTP/1.1.
    #[arg(long)]
    http1: bool,
    /// What to do, in order; `--phases help` lists all.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "create,get,list,page,select,update,patch,apply,review,watch,pods,podlist,deployments,delete"
    )]
    phases: Vec<String>,
    /// `cargo bench` adds this.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(phases::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Failure) -> ExitCode {
    println!("failed: {error}");
    ExitCode::FAILURE
}
