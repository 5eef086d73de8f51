//! The controllers against a whole control plane, each under its own identity with the rights it has.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod cluster_roles;
mod garbage;
mod namespaces;
mod quota;

use std::time::Duration;

use kube::Client;
use portcullis_controllers::{Clients, USER_AGENT};
use portcullis_testkit::ControlPlane;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Nothing a controller does takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A control plane with its controllers running.
struct Cluster {
    plane: ControlPlane,
    admin: Client,
    stop: watch::Sender<bool>,
    controllers: JoinHandle<()>,
}

impl Cluster {
    async fn start() -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let manager = plane.part("kube-controller-manager", USER_AGENT).unwrap();
        let clients = Clients::new(manager, |name| plane.system_account(name, USER_AGENT)).unwrap();
        let run = portcullis_controllers::run(clients, plane.root_ca_pem().unwrap(), stopping);
        let controllers = tokio::spawn(run);
        let admin = plane.admin().unwrap();
        Self { plane, admin, stop, controllers }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.controllers.await.unwrap();
        self.plane.shutdown().await.unwrap();
    }
}

/// Asks again until there is an answer.
#[track_caller]
fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> impl Future<Output = T> {
    let asked = std::panic::Location::caller();
    async move {
        let answered = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(answer) => answer,
            Err(_) => panic!("{what} did not happen in time, as {asked} expects"),
        }
    }
}
