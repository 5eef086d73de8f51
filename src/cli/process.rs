//! Other processes of this machine, as far as `/proc` shows them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Failure;

const POLL: Duration = Duration::from_millis(20);

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// Whether it runs and is a server of this program: a number alone may have been given to another
    /// process since it was written down.
    pub(crate) fn is_server(self) -> bool {
        self.is_alive() && self.is_this_program() && self.serves()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(self) -> Result<(), Failure> {
        let pid =
            i32::try_from(self.0).map_err(|e| Failure::because("the process number is out of range", e))?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(|error| {
            Failure::caused(format!("process {pid} cannot be stopped"), &error)
                .fix("stop it as the user who started it")
        })
    }

    /// Waits for its end; false if it still runs after the limit.
    pub(crate) fn wait(self, limit: Duration) -> bool {
        let begun = Instant::now();
        while self.is_alive() {
            if begun.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    /// A zombie has ended; only its parent has not looked yet.
    fn is_alive(self) -> bool {
        let stat = std::fs::read_to_string(self.folder().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        !matches!(state, None | Some('Z' | 'X'))
    }

    fn is_this_program(self) -> bool {
        let Ok(program) = std::fs::read_link(self.folder().join("exe")) else { return false };
        let same = std::env::current_exe().is_ok_and(|own| own == program);
        // The kernel adds this when the file was replaced by a newer one.
        let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        same || name.trim_end_matches(" (deleted)") == "portcullis"
    }

    fn serves(self) -> bool {
        let line = std::fs::read(self.folder().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).skip(1).any(|word| word == b"up" || word == b"apiserver")
    }

    fn folder(self) -> PathBuf {
        Path::new("/proc").join(self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_no_server_although_it_runs() {
        let own = Process::new(std::process::id());
        assert!(own.is_alive());
        assert!(!own.is_server());
    }

    #[test]
    fn what_has_ended_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = Process::new(child.id());
        assert!(process.wait(Duration::from_secs(10)), "a zombie counts as ended");
        child.wait().unwrap();
        assert!(!process.is_alive());
    }
}
