//! `portcullis apiserver`: the API server alone, until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use portcullis_pki::Overrides;
use portcullis_pki::kubeconfig::{Credential, Kubeconfig};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::assemble::{Running, assemble};
use super::options::ServeOptions;
use super::paths::DataDir;
use super::state::State;
use super::steps::{Steps, Voice};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A YAML file of flags; the command line wins over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print steps as JSON lines.
    #[arg(long, value_parser = ["json", "text"])]
    output: Option<String>,
    #[command(flatten)]
    serve: ServeOptions,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let options = arguments.serve.with_file(arguments.config.as_deref())?;
    super::logging::start(options.log_level.as_deref().unwrap_or("info"), options.log_json.unwrap_or(true));
    let dir = DataDir::resolve(options.data_dir.as_deref())?;
    let steps = Steps::new(Voice::choose(arguments.output.as_deref() == Some("json")));
    runtime()?.block_on(serve(&options, &dir, steps))
}

/// The runtime every serving command uses.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused("the asynchronous runtime cannot start", &error))
}

async fn serve(options: &ServeOptions, dir: &DataDir, mut steps: Steps) -> Result<ExitCode, Failure> {
    let running = assemble(options, dir, &mut steps).await?;
    steps.tell("API server", &running.url(), steps.elapsed());
    publish(&running, dir)?;
    stopped().await?;
    tracing::info!("Stopping");
    State::remove(dir);
    running.shutdown().await?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the kubeconfig and the state file: from here on the server is ready for others.
pub(crate) fn publish(running: &Running, dir: &DataDir) -> Result<(), Failure> {
    let fail = |error: portcullis_pki::Error| Failure::caused("the admin kubeconfig cannot be written", &error);
    let issued = running.pki.issue("admin", &Overrides::default()).map_err(fail)?;
    let authority = running.pki.authority_pem("ca").map_err(fail)?;
    Kubeconfig::new("portcullis", &running.url(), authority, "admin", Credential::from(&issued))
        .write(&dir.admin_kubeconfig())
        .map_err(fail)?;
    State { server: running.url(), pid: std::process::id() }.write(dir)
}

/// Resolves when the process is asked to stop.
pub(crate) async fn stopped() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::caused("signals cannot be received", &error));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
