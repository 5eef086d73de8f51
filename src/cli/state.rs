//! `apiserver.json`: what a running server says of itself, for tools and for the other commands.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use super::Failure;
use super::paths::DataDir;
use super::process::Process;

/// A running server.
#[derive(Serialize, Deserialize, Debug, Clone)]
pub(crate) struct State {
    /// The address, as `https://HOST:PORT`.
    pub(crate) server: String,
    /// The process.
    pub(crate) pid: u32,
    /// The version of the program that wrote this.
    #[serde(default)]
    pub(crate) version: String,
}

impl State {
    /// What this process says of itself.
    pub(crate) fn of_this_process(server: String) -> Self {
        Self { server, pid: std::process::id(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Publishes the state; readers see the old file or the new one, never half of it.
    pub(crate) fn write(&self, dir: &DataDir) -> Result<(), Failure> {
        let path = dir.state();
        let fail =
            |error: &std::io::Error| Failure::caused(format!("{} cannot be written", path.display()), error);
        let text =
            serde_json::to_string(self).map_err(|e| Failure::because("the state cannot be written", e))?;
        let next = path.with_extension("json.new");
        let mut file = std::fs::File::create(&next).map_err(|e| fail(&e))?;
        file.write_all(text.as_bytes()).map_err(|e| fail(&e))?;
        file.write_all(b"\n").map_err(|e| fail(&e))?;
        std::fs::rename(&next, &path).map_err(|e| fail(&e))
    }

    /// Reads the state a server left, whether it still runs or not.
    pub(crate) fn read(dir: &DataDir) -> Option<Self> {
        let text = std::fs::read_to_string(dir.state()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The state of a server that runs.
    pub(crate) fn running(dir: &DataDir) -> Option<Self> {
        Self::read(dir).filter(|state| Process::new(state.pid).is_server())
    }

    /// Takes away what a killed server left, so that nobody takes it for news.
    pub(crate) fn remove_stale(dir: &DataDir) {
        if Self::running(dir).is_none() {
            // Nothing there is as good.
            let _ = std::fs::remove_file(dir.state());
        }
    }

    /// Takes the state of this process away at its end.
    pub(crate) fn remove(dir: &DataDir) {
        if Self::read(dir).is_none_or(|state| state.pid != std::process::id()) {
            return;
        }
        // Gone already is as good.
        let _ = std::fs::remove_file(dir.state());
    }
}
