//! Requests without a credential.

use std::collections::HashSet;

use portcullis_api::UserInfo;

use crate::attempt::{Attempt, Identity, Method};
use crate::{ANONYMOUS, UNAUTHENTICATED};

/// Who may come without a credential. What they may do then is authorization's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Nobody.
    Refused,
    /// Whoever asks for one of these paths, compared exactly and as sent.
    Paths(HashSet<String>),
    /// Everybody.
    Everywhere,
}

impl Default for Anonymous {
    /// The health endpoints: a load balancer or kubelet probing them has no credential.
    fn default() -> Self {
        Self::Paths(["/healthz", "/livez", "/readyz"].map(str::to_owned).into())
    }
}

impl Anonymous {
    pub(crate) fn authenticate(&self, path: &str) -> Attempt {
        let allowed = match self {
            Self::Refused => false,
            Self::Paths(paths) => paths.contains(path),
            Self::Everywhere => true,
        };
        if !allowed {
            return Attempt::NotMine;
        }
        let user = UserInfo::new(ANONYMOUS, [UNAUTHENTICATED]);
        Attempt::Verified(Identity::new(user, Method::Anonymous, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d047_e004_only_the_exact_path_is_anonymous() {
        let anonymous = Anonymous::default();
        let open = |path| matches!(anonymous.authenticate(path), Attempt::Verified(_));
        assert!(open("/livez") && open("/readyz") && open("/healthz"));
        for path in [
            "/livez/",
            "//livez",
            "/livez/ping",
            "/%6civez",
            "/LIVEZ",
            "/livez/../api/v1/secrets",
            "/livez%2f..",
            "/livez;/api",
            "/livez/api/v1/secrets",
            "/",
            "",
            "/api",
            "/version",
            "/metrics",
            "/openapi/v3",
        ] {
            assert!(!open(path), "{path}");
        }
    }
}
