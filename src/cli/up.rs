//! `portcullis up`: everything there is, in one process, for the person at this machine.
//!
//! The API server on the embedded store, the controllers, and a context in the user's kubeconfig whose
//! certificate is the user's own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::assemble::Running;
use super::options::ServeOptions;
use super::parts::Parts;
use super::paths::DataDir;
use super::serve::Started;
use super::steps::{Steps, Voice};
use super::{Failure, administrators, logging, serve, user};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A YAML file of flags; the command line wins over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leave the kubeconfig alone.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    no_kubeconfig: Option<bool>,
    #[command(flatten)]
    serve: ServeOptions,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let line = ServeOptions { no_kubeconfig: arguments.no_kubeconfig, ..arguments.serve };
    let options = line.with_file(arguments.config.as_deref())?;
    let options = defaults(options);
    let level = options.log_level.as_deref().unwrap_or("warn");
    logging::start(level, options.log_json.unwrap_or(!logging::at_a_terminal()));
    let dir = DataDir::resolve(options.data_dir.as_deref())?;
    let mut steps = Steps::new(Voice::choose(options.output));
    let start = start(&options, &dir, &mut steps);
    let outcome = serve::runtime()?.block_on(serve::session(&dir, start));
    outcome.map_err(|failure| steps.failed(failure))
}

/// What is on here though upstream's server, which `apiserver` answers as, has it off: our own group, and
/// the plugin without which a service claims the addresses of others (CVE-2020-8554).
pub(crate) fn defaults(options: ServeOptions) -> ServeOptions {
    const DENY: &str = "DenyServiceExternalIPs";
    let mut enable = options.enable_admission_plugins.unwrap_or_default();
    let named = |list: &[String]| list.iter().any(|name| name == DENY);
    if !named(&enable) && !named(options.disable_admission_plugins.as_deref().unwrap_or_default()) {
        enable.push(DENY.to_owned());
    }
    ServeOptions {
        user_tokens: options.user_tokens.or(Some(true)),
        enable_admission_plugins: Some(enable),
        ..options
    }
}

async fn start(options: &ServeOptions, dir: &DataDir, steps: &mut Steps) -> Result<Started, Failure> {
    let running = serve::start(options, dir, steps).await?;
    match greet(options, dir, steps, &running).await {
        Ok(parts) => Ok(Started { running, parts: Some(parts) }),
        Err(failure) => {
            running.shutdown().await?;
            Err(failure)
        }
    }
}

/// Starts what runs beside the server, gives the user a way in and says how to use it.
async fn greet(
    options: &ServeOptions,
    dir: &DataDir,
    steps: &mut Steps,
    running: &Running,
) -> Result<Parts, Failure> {
    let shared = options.etcd_servers.as_ref().is_some_and(|servers| !servers.is_empty());
    let parts = steps.run("controllers", || Parts::start(running, shared))?;
    if options.no_kubeconfig == Some(true) {
        steps.next(&format!("kubectl --kubeconfig {} get namespaces", dir.admin_kubeconfig().display()));
        return Ok(parts);
    }
    let path = user::kubeconfig().ok_or_else(|| {
        Failure::new("this user has no home directory for a kubeconfig")
            .fix("set KUBECONFIG, or use --no-kubeconfig")
    })?;
    administrators::bind(running).await?;
    let begun = steps.elapsed();
    user::merge(&running.pki, &running.url(), &path)?;
    running.write_down_certificates().await?;
    steps.tell("kubeconfig", &path.display().to_string(), steps.elapsed().saturating_sub(begun));
    steps.next(&format!("kubectl --context {} get namespaces", user::CONTEXT));
    Ok(parts)
}
