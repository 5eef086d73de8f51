//! What every serving command does: start, say where, wait for the word to stop, drain.

use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};
use portcullis_pki::Overrides;
use portcullis_pki::kubeconfig::{Credential, Kubeconfig};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::assemble::{Running, assemble};
use super::options::ServeOptions;
use super::parts::Parts;
use super::paths::DataDir;
use super::state::State;
use super::steps::Steps;
use super::{Failure, preflight};

/// What a shell sees of a process that ended at Ctrl-C.
const INTERRUPTED: u8 = 130;

/// The runtime every command uses that speaks to a network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused("the asynchronous runtime cannot start", &error))
}

/// A server, and what runs beside it.
pub(crate) struct Started {
    pub(crate) running: Running,
    pub(crate) parts: Option<Parts>,
}

impl Started {
    /// Stops in the reverse order: nobody of ours is left who would ask a draining server.
    pub(crate) async fn shutdown(self) -> Result<(), Failure> {
        if let Some(parts) = self.parts {
            parts.stop().await;
        }
        self.running.shutdown().await
    }
}

/// Serves what a start makes until the process is asked to stop, then drains. Asked again, it ends at once.
pub(crate) async fn session(
    dir: &DataDir,
    start: impl Future<Output = Result<Started, Failure>>,
) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    let started = tokio::select! {
        started = start => started?,
        () = stop.asked() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    // From here on others may come.
    State::of_this_process(started.running.url()).write(dir)?;
    stop.asked().await;
    tracing::info!("Stopping");
    State::remove(dir);
    tokio::select! {
        drained = started.shutdown() => drained.map(|()| ExitCode::SUCCESS),
        () = stop.asked() => {
            tracing::warn!("Asked twice to stop: requests in flight are cut off");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// Starts a server and writes its administrator's kubeconfig.
pub(crate) async fn start(
    options: &ServeOptions,
    dir: &DataDir,
    steps: &mut Steps,
) -> Result<Running, Failure> {
    // Whatever is made from here on is for this user, wherever it is put.
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    preflight::before_serving(dir)?;
    State::remove_stale(dir);
    let running = assemble(options, dir, steps).await?;
    steps.tell("API server", &running.url(), steps.elapsed());
    write_kubeconfig(&running, dir)?;
    running.write_down_certificates().await?;
    Ok(running)
}

fn write_kubeconfig(running: &Running, dir: &DataDir) -> Result<(), Failure> {
    let fail =
        |error: portcullis_pki::Error| Failure::caused("the admin kubeconfig cannot be written", &error);
    let issued = running.pki.issue("admin", &Overrides::default()).map_err(fail)?;
    let authority = running.pki.authority_pem("ca").map_err(fail)?;
    Kubeconfig::new("portcullis", &running.url(), authority, "admin", Credential::from(&issued))
        .write(&dir.admin_kubeconfig())
        .map_err(fail)
}

/// SIGTERM and SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::caused("signals cannot be received", &error));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Resolves when the process is asked to stop.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
