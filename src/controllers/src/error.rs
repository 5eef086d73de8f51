//! Why a look at an object failed.

use kube::core::Status;

/// What goes wrong in a controller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the server refused: {}", .0.message)]
    Refused(Box<Status>),
    #[error("the server cannot be asked")]
    Asking(#[source] Box<kube::Error>),
    #[error("a request cannot be made")]
    Request(#[source] kube::core::request::Error),
    #[error("a label selector cannot be read")]
    Selector(#[source] kube::core::ParseExpressionError),
    #[error("namespace {0} was replaced by another of its name")]
    Replaced(String),
    #[error("no kind {0} is served")]
    UnknownKind(String),
    #[error("the content of namespace {namespace} cannot be deleted: {why}")]
    Content { namespace: String, why: String },
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status),
            other => Self::Asking(Box::new(other)),
        }
    }
}

impl From<kube::core::request::Error> for Error {
    fn from(error: kube::core::request::Error) -> Self {
        Self::Request(error)
    }
}

impl Error {
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.is_not_found())
    }

    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused(status) if status.is_conflict())
    }

    /// The words of the server, where it had any.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Refused(status) => status.message.clone(),
            other => other.to_string(),
        }
    }
}

/// Takes for done what was there already, and what has no place any more: its namespace is gone or going.
pub(crate) fn created<T>(outcome: Result<T, kube::Error>) -> Result<(), Error> {
    match outcome {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if needless(&status) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn needless(status: &Status) -> bool {
    let terminating = || {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
    };
    status.is_already_exists() || status.is_not_found() || terminating()
}
