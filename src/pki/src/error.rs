//! What can go wrong with keys, certificates and their files.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of this crate. No variant holds key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        cause: io::Error,
    },
    /// A private key's file can be read by others.
    #[error("{} can be read by others (mode {mode:o}); it must be 0600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file or text does not hold what it should.
    #[error("{what}: {why}")]
    Malformed {
        /// The file or thing.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate cannot be issued as asked.
    #[error("cannot issue certificate {name}: {why}")]
    Issue {
        /// The profile.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The cryptographic library refused.
    #[error("cryptography failed while trying to {0}")]
    Crypto(&'static str),
    /// A TLS configuration was refused.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { action, path, cause }
    }

    pub(crate) fn malformed(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), why: why.into() }
    }

    pub(crate) fn issue(name: &str, why: impl Into<String>) -> Self {
        Self::Issue { name: name.to_owned(), why: why.into() }
    }
}
