//! How much is recorded, and when: upstream's levels and stages.

use serde::{Deserialize, Serialize};

/// How much of a request is recorded; a higher level includes the lower ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Level {
    /// Nothing.
    None,
    /// Who asked for what, when, and how it ended.
    Metadata,
    /// The request's body too.
    Request,
    /// The bodies of request and response too.
    RequestResponse,
}

impl Level {
    /// All levels, as upstream lists them.
    pub const ALL: [Self; 4] = [Self::None, Self::Metadata, Self::Request, Self::RequestResponse];

    /// The word in policies and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

/// When in the life of a request an event was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stage {
    /// The request passed authentication and nothing else was done with it.
    RequestReceived,
    /// The head of a stream was sent.
    ResponseStarted,
    /// Nothing more will be sent.
    ResponseComplete,
    /// A bug ended the request.
    Panic,
}

impl Stage {
    /// All stages, as upstream lists them.
    pub const ALL: [Self; 4] =
        [Self::RequestReceived, Self::ResponseStarted, Self::ResponseComplete, Self::Panic];

    /// The word in policies and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::RequestReceived => 1,
            Self::ResponseStarted => 2,
            Self::ResponseComplete => 4,
            Self::Panic => 8,
        }
    }
}

/// A set of stages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stages(u8);

impl Stages {
    /// Whether a stage is in the set.
    pub fn has(self, stage: Stage) -> bool {
        self.0 & stage.bit() != 0
    }

    /// The set without a stage.
    #[must_use]
    pub fn without(self, stage: Stage) -> Self {
        Self(self.0 & !stage.bit())
    }

    /// The stages of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Stage> for Stages {
    fn from_iter<I: IntoIterator<Item = Stage>>(stages: I) -> Self {
        Self(stages.into_iter().fold(0, |set, stage| set | stage.bit()))
    }
}
