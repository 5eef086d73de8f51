//! How far a long command is, for the person at the terminal: one line that is written over.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(500);

/// A line about progress on standard error, if that is a terminal.
pub(super) struct Progress {
    what: &'static str,
    done: usize,
    told: Option<Instant>,
    shown: bool,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, done: 0, told: None, shown: std::io::stderr().is_terminal() }
    }

    /// So many more are done.
    pub(super) fn add(&mut self, more: usize, of: usize) {
        self.at(self.done.saturating_add(more), of);
    }

    /// So many are done.
    pub(super) fn at(&mut self, done: usize, of: usize) {
        self.done = done;
        if self.shown && self.told.is_none_or(|told| told.elapsed() > EVERY) {
            self.told = Some(Instant::now());
            // Nobody is hurt if nobody sees it.
            let _ = write!(std::io::stderr(), "\r{done} of {of} {} ", self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.told.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
