//! One line a step, with its time: for a person at a terminal, for tools, or for nobody.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::Failure;
use super::options::Output;

/// How progress is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Voice {
    /// Lines with a tick.
    Text,
    /// A JSON object a line.
    Json,
    /// Nothing.
    Silent,
}

impl Voice {
    /// As asked for; otherwise text for a terminal and silence for the rest.
    pub(crate) fn choose(asked: Option<Output>) -> Self {
        match asked {
            Some(Output::Json) => Self::Json,
            Some(Output::Text) => Self::Text,
            None if std::io::stdout().is_terminal() => Self::Text,
            None => Self::Silent,
        }
    }
}

/// Tells of steps as they are done.
pub(crate) struct Steps {
    voice: Voice,
    begun: Instant,
}

impl Steps {
    pub(crate) fn new(voice: Voice) -> Self {
        Self { voice, begun: Instant::now() }
    }

    /// Does a step.
    pub(crate) fn run<T>(
        &mut self,
        name: &str,
        step: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let done = step()?;
        self.tell(name, "", begun.elapsed());
        Ok(done)
    }

    /// Waits for a step.
    pub(crate) async fn wait<T>(
        &mut self,
        name: &str,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let done = step.await?;
        self.tell(name, "", begun.elapsed());
        Ok(done)
    }

    /// Tells of a step with something to show: an address, a path.
    pub(crate) fn tell(&self, name: &str, shown: &str, took: Duration) {
        let millis = took.as_millis();
        let text = match self.voice {
            Voice::Silent => return,
            Voice::Text if shown.is_empty() => format!("✓ {name} ({millis} ms)"),
            Voice::Text => format!("✓ {name} {shown} ({millis} ms)"),
            Voice::Json => {
                serde_json::json!({ "step": name, "detail": shown, "milliseconds": millis }).to_string()
            }
        };
        print_line(&text);
    }

    /// The last line: the next command to type.
    pub(crate) fn next(&self, command: &str) {
        match self.voice {
            Voice::Silent => {}
            Voice::Text => print_line(command),
            Voice::Json => print_line(&serde_json::json!({ "next": command }).to_string()),
        }
    }

    /// Tells tools why there is no next step. People read it on standard error.
    pub(crate) fn failed(&self, failure: Failure) -> Failure {
        if self.voice == Voice::Json {
            print_line(&failure.to_json().to_string());
        }
        failure
    }

    /// Since when steps are taken.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

fn print_line(text: &str) {
    // A reader that went away does not stop the server.
    let _ = writeln!(std::io::stdout(), "{text}");
}
