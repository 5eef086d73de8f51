//! What can go wrong while an expression is evaluated.

use std::fmt;

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvalError {
    /// The expression failed on this data.
    Failed(String),
    /// One evaluation cost more than one may.
    CallCost,
    /// All evaluations together cost more than they may.
    Budget,
}

impl fmt::Display for EvalError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) => out.write_str(message),
            Self::CallCost => out.write_str("operation cancelled: actual cost limit exceeded"),
            Self::Budget => out.write_str("validation failed due to running out of cost budget, no further validation rules will be run"),
        }
    }
}

impl std::error::Error for EvalError {}

/// Why a step has no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It failed, and this says why.
    Message(Box<str>),
    /// A function is not for such arguments; whoever called it knows its name.
    Arguments,
    /// An operator is not for such operands.
    Bare,
    /// The evaluation is over: it costs too much.
    Cost,
}

impl Fault {
    pub(crate) fn new(message: impl Into<Box<str>>) -> Self {
        Self::Message(message.into())
    }

    /// An operator is not for such operands.
    pub(crate) fn bare() -> Self {
        Self::Bare
    }
}

impl From<Fault> for EvalError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Message(message) => Self::Failed(message.into()),
            Fault::Arguments | Fault::Bare => Self::Failed("no such overload".to_owned()),
            Fault::Cost => Self::CallCost,
        }
    }
}
