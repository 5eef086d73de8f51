//! The names of authorizers.

/// An authorizer that can be configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// What a node's pods need.
    Node,
    /// Our policy files.
    PolicyFiles,
    /// Roles and bindings.
    Rbac,
    /// Kubernetes' attribute policies.
    Abac,
    /// Everything, to everybody.
    AlwaysAllow,
    /// Nothing, to nobody.
    AlwaysDeny,
}

/// All there are.
pub(super) const ALL: [Mode; 6] =
    [Mode::AlwaysAllow, Mode::AlwaysDeny, Mode::Abac, Mode::Rbac, Mode::Node, Mode::PolicyFiles];

impl Mode {
    /// The word that configurations use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::PolicyFiles => "PolicyFiles",
            Self::Rbac => "RBAC",
            Self::Abac => "ABAC",
            Self::AlwaysAllow => "AlwaysAllow",
            Self::AlwaysDeny => "AlwaysDeny",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// The modes of the flag; [`WEBHOOK`] is `None`.
pub(super) fn parse<S: AsRef<str>>(words: &[S]) -> Result<Vec<Option<Mode>>, String> {
    if words.is_empty() {
        return Err("at least one authorization-mode must be passed".to_owned());
    }
    let mut modes = Vec::new();
    for word in words.iter().map(AsRef::as_ref) {
        let mode = Mode::of(word);
        if mode.is_none() && word != WEBHOOK {
            return Err(format!("authorization-mode {word:?} is not a valid mode"));
        }
        if modes.contains(&mode) {
            let all: Vec<String> = words.iter().map(|word| format!("{:?}", word.as_ref())).collect();
            let all = all.join(" ");
            return Err(format!("authorization-mode [{all}] has mode specified more than once"));
        }
        modes.push(mode);
    }
    Ok(modes)
}

/// The word for authorizers outside this program.
pub(super) const WEBHOOK: &str = "Webhook";
