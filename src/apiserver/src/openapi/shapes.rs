//! What the operations of each verb look like, as data.

/// What one verb's operations look like.
pub(super) struct Shape {
    /// The verb as discovery names it; upstream's `connect` for streams.
    pub(super) verb: &'static str,
    /// The HTTP method.
    pub(super) method: &'static str,
    /// The value of `x-kubernetes-action`.
    pub(super) action: &'static str,
    /// What the operation's id begins with.
    pub(super) word: &'static str,
    /// What is sent.
    pub(super) body: Body,
    /// What comes back.
    pub(super) answer: Answer,
    /// The query's names.
    pub(super) parameters: &'static [&'static str],
    /// Whether something new may come of it.
    pub(super) creates: bool,
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Nothing,
    Object,
    Patch,
    DeleteOptions,
}

/// What comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Object,
    List,
    Status,
    Text,
}

const READ: Shape = Shape {
    verb: "get",
    method: "get",
    action: "get",
    word: "read",
    body: Body::Nothing,
    answer: Answer::Object,
    parameters: &[],
    creates: false,
};

/// Verbs of a collection.
pub(super) static COLLECTION: [Shape; 3] = [
    LIST,
    CREATE,
    Shape { verb: "deletecollection", action: "deletecollection", word: "deleteCollection", ..DELETE },
];

/// Verbs of an object.
pub(super) static OBJECT: [Shape; 4] = [READ, UPDATE, PATCH, DELETE];

/// Verbs of a subresource.
pub(super) static SUBRESOURCE: [Shape; 4] = [READ, UPDATE, PATCH, CREATE];

/// Streams: options are in the query, and what comes back is no object.
pub(super) static CONNECT: [Shape; 2] = [
    Shape { verb: "connect", action: "connect", word: "connectGet", answer: Answer::Text, ..READ },
    Shape {
        verb: "connect",
        action: "connect",
        word: "connectPost",
        method: "post",
        answer: Answer::Text,
        ..READ
    },
];

/// Reading a collection.
pub(super) const LIST: Shape = Shape {
    verb: "list",
    action: "list",
    word: "list",
    answer: Answer::List,
    parameters: &[
        "allowWatchBookmarks",
        "continue",
        "fieldSelector",
        "labelSelector",
        "limit",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        "watch",
    ],
    ..READ
};

const CREATE: Shape = Shape { verb: "create", method: "post", action: "post", word: "create", ..UPDATE };

const UPDATE: Shape = Shape {
    verb: "update",
    method: "put",
    action: "put",
    word: "replace",
    body: Body::Object,
    parameters: &["dryRun", "fieldManager", "fieldValidation"],
    creates: true,
    ..READ
};

const PATCH: Shape = Shape {
    verb: "patch",
    method: "patch",
    action: "patch",
    word: "patch",
    body: Body::Patch,
    parameters: &["dryRun", "fieldManager", "fieldValidation", "force"],
    ..UPDATE
};

const DELETE: Shape = Shape {
    verb: "delete",
    method: "delete",
    action: "delete",
    word: "delete",
    body: Body::DeleteOptions,
    answer: Answer::Status,
    parameters: &[
        "dryRun",
        "gracePeriodSeconds",
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "orphanDependents",
        "propagationPolicy",
    ],
    ..READ
};
