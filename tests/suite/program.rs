//! The program and a server of it, each with a home and a data directory of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Starting takes well below a second; a busy machine may take its time.
const READY: Duration = Duration::from_secs(60);
const GONE: Duration = Duration::from_secs(30);

/// A home of its own, so that nobody's files are touched.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path().join(".kube").join("config")
    }

    /// A command of the program in this home.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments).env("HOME", self.path()).stdin(Stdio::null());
        for name in ["KUBECONFIG", "XDG_DATA_HOME", "PORTCULLIS_LOG"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs the program to its end, which must be a good one, and returns what it printed.
    #[track_caller]
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", words(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command on this home's data directory.
    #[track_caller]
    pub(crate) fn told_of_data(&self, arguments: &[&str]) -> String {
        let dir = self.data_dir();
        let place = ["--data-dir", dir.to_str().unwrap()];
        self.told(&[arguments, &place].concat())
    }

    /// Starts a server on a free port and waits until it is ready.
    #[track_caller]
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_at("0", arguments)
    }

    /// Starts a server on a port and waits until it is ready.
    #[track_caller]
    pub(crate) fn serve_at(&self, port: &str, arguments: &[&str]) -> Server {
        let dir = self.data_dir();
        let place = ["--data-dir", dir.to_str().unwrap(), "--secure-port", port];
        let mut command = self.command(&[arguments, &place].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut server = Server { child: Some(child), state: Value::Null, dir };
        server.wait_until_ready();
        server
    }
}

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) state: Value,
    pub(crate) dir: PathBuf,
}

impl Server {
    pub(crate) fn state_file(&self) -> PathBuf {
        self.dir.join("apiserver.json")
    }

    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    /// The end of a URL.
    pub(crate) fn port(&self) -> &str {
        self.state["server"].as_str().and_then(|url| url.rsplit(':').next()).unwrap()
    }

    /// Sends a signal and returns how the process ended and what it printed.
    #[track_caller]
    pub(crate) fn stop(mut self, signal: Signal) -> Output {
        let child = self.child.take().unwrap();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let begun = Instant::now();
        let output = child.wait_with_output().unwrap();
        assert!(begun.elapsed() < GONE, "it took {:?} to stop", begun.elapsed());
        output
    }

    /// Waits for an end that somebody else asked for.
    #[track_caller]
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.take().unwrap().wait_with_output().unwrap().status
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.state_file()).unwrap_or_default();
            self.state = serde_json::from_str(&text).unwrap_or_default();
            if self.state["pid"] == self.child.as_ref().unwrap().id() {
                return;
            }
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                let output = self.child.take().unwrap().wait_with_output().unwrap();
                panic!("the server ended: {}", words(&output));
            }
            assert!(begun.elapsed() < READY, "the server is not ready after {READY:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Says why a test passes without having been run.
pub(crate) fn skip<T>(why: &str) -> Option<T> {
    // Past the harness, which keeps what a passing test prints.
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
    None
}

/// Everything a command said.
pub(crate) fn words(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{} {out}{err}", output.status)
}
