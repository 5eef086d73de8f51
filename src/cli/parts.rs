//! The parts of the control plane that `up` runs beside the server: clients of it, in the same process,
//! each under an identity of its own.

use std::time::Duration;

use portcullis_client::in_process;
use portcullis_controllers::{Clients, Turns, USER_AGENT};
use portcullis_pki::{InProcessIdentity, Overrides};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Failure;
use super::assemble::Running;

/// How long a part may take to finish what it began.
const FINISH: Duration = Duration::from_secs(5);
const NAMESPACE: &str = "kube-system";

/// Running parts.
pub(crate) struct Parts {
    stop: watch::Sender<bool>,
    controllers: JoinHandle<()>,
}

impl Parts {
    /// Starts all parts. Where several servers may share a store, what must run once runs in turns.
    pub(crate) fn start(running: &Running, shared: bool) -> Result<Self, Failure> {
        let what = "the controllers cannot be started";
        let fail = |error: portcullis_pki::Error| Failure::caused(what, &error);
        let client = |identity: portcullis_pki::Result<InProcessIdentity>| {
            let server = running.server.in_process(identity.map_err(fail)?);
            in_process(server, USER_AGENT).map_err(|error| Failure::caused(what, &error))
        };
        let manager = client(running.pki.in_process("kube-controller-manager", &Overrides::default()))?;
        let account = |name: &str| client(running.pki.in_process_service_account(NAMESPACE, name));
        let clients = Clients::new(manager, account)?;
        let root_ca = running.pki.authority_pem("ca").map_err(fail)?.to_owned();
        running.check_policies()?;
        let (stop, stopping) = watch::channel(false);
        let controllers = if shared {
            let me = name();
            tokio::spawn(portcullis_controllers::run_in_turns(
                clients,
                root_ca,
                me,
                Turns::default(),
                stopping,
            ))
        } else {
            tokio::spawn(portcullis_controllers::run(clients, root_ca, stopping))
        };
        running.runs(&["controller-manager"]);
        Ok(Self { stop, controllers })
    }

    /// Stops all parts; what does not finish in time is cut off.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let mut controllers = self.controllers;
        if timeout(FINISH, &mut controllers).await.is_err() {
            tracing::warn!("The controllers did not finish in time");
            controllers.abort();
        }
    }
}

/// What tells this process from all others, in upstream's form.
fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{}", host.trim(), uuid::Uuid::new_v4())
}
