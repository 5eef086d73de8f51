//! Why a command failed, and what to do about it.

use std::fmt::{self, Display};
use std::io;

/// A failure in the words of whoever ran the command: what happened, because of what, and the fix.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: Vec<String>,
    fix: Option<String>,
}

impl Failure {
    /// A failure without a deeper cause.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: Vec::new(), fix: None }
    }

    /// A failure with the chain of its causes.
    pub(crate) fn caused(what: impl Into<String>, cause: &(dyn std::error::Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(cause), |error| error.source());
        Self { why: causes.map(ToString::to_string).collect(), ..Self::new(what) }
    }

    /// A failure whose cause is words.
    pub(crate) fn because(what: impl Into<String>, cause: impl Display) -> Self {
        Self { why: vec![cause.to_string()], ..Self::new(what) }
    }

    /// Adds what the reader can do.
    #[must_use]
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// What happened, for tools.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": self.what, "causes": self.why, "fix": self.fix })
    }

    /// Writes the failure to standard error.
    pub(crate) fn print(&self) {
        // Nowhere is left to report a closed standard error.
        let _ = io::Write::write_all(&mut io::stderr(), format!("✗ {self}\n").as_bytes());
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for cause in &self.why {
            write!(f, "\n  because {cause}")?;
        }
        match &self.fix {
            Some(fix) => write!(f, "\n  fix: {fix}"),
            None => Ok(()),
        }
    }
}
