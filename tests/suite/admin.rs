//! A server, and an administrator's way to it.

use std::time::{Duration, Instant};

use portcullis_outbound::{Client, Limits, Reply, Request, kubeconfig_endpoint};
use serde_json::Value;

use crate::program::Server;

/// What is waited for comes within a second or two; a busy machine may take its time.
const SETTLED: Duration = Duration::from_secs(60);

/// An administrator of a server.
pub(crate) struct Admin {
    pub(crate) server: Server,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    pub(crate) fn of(server: Server) -> Self {
        let endpoint = kubeconfig_endpoint(&server.admin_kubeconfig()).unwrap();
        let client = Client::new(endpoint, Limits::default()).unwrap();
        Self { server, client, runtime: tokio::runtime::Runtime::new().unwrap() }
    }

    /// What is there; `None` if nothing is.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let reply = self.ask(Request::get(), path);
        (reply.status == 200).then(|| reply.json().unwrap())
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask(Request::post_json(body).unwrap(), path)
    }

    /// Whatever is answered.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Reply {
        self.ask(Request::get(), path)
    }

    /// Looks until something is seen.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < SETTLED, "{what} does not come");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn ask(&self, request: Request, path: &str) -> Reply {
        let url = format!("{}{path}", self.server.state["server"].as_str().unwrap());
        self.runtime.block_on(self.client.send(&request.at(url.parse().unwrap()))).unwrap()
    }
}
