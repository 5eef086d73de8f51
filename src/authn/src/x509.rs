//! Client certificates: the common name is the user, the organizations are the groups.
//!
//! Not mine: no certificate. Rejected: one that no authority of ours vouches for, that has expired,
//! was revoked, or names nobody. Certificate and authorities are judged on every request (from
//! memory), so a connection kept alive does not outlive them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_api::UserInfo;
use portcullis_pki::{Leaf, Peer, Purpose};

use crate::CREDENTIAL_ID;
use crate::attempt::{Attempt, Identity, Method, Rejection, authenticated};
use crate::life::Life;

/// The scheme.
#[derive(Clone, Debug, Default)]
pub struct X509 {
    refuse_service_accounts: bool,
}

impl X509 {
    /// Refuses certificates whose name is a service account's. Upstream believes them.
    #[must_use]
    pub fn refusing_service_accounts(self) -> Self {
        Self { refuse_service_accounts: true }
    }

    pub(crate) fn authenticate(&self, peer: &Peer, now: Timestamp) -> Attempt {
        let Peer::Certificate(chain) = peer else { return Attempt::NotMine };
        let verified = match chain.verified(Purpose::User, now) {
            Ok(verified) => verified,
            Err(refusal) => return Attempt::Rejected(Rejection::new(refusal.to_string())),
        };
        let strict = self.refuse_service_accounts;
        match verified.user(|leaf| user_of(leaf, strict)) {
            Err(why) => Attempt::Rejected(Rejection::new(why.to_owned())),
            Ok(user) => {
                let life = Life::until(Some(verified.leaf().not_after)).while_good(chain.clone());
                let identity = Identity::new(user.clone(), Method::X509, None);
                Attempt::Verified(Identity { life, ..identity })
            }
        }
    }
}

fn user_of(leaf: &Leaf, refuse_service_accounts: bool) -> Result<UserInfo, String> {
    let name = &leaf.common_name;
    if name.is_empty() {
        return Err("the certificate has no common name".into());
    }
    if refuse_service_accounts && name.starts_with("system:serviceaccount:") {
        return Err("the certificate names a service account".into());
    }
    let id = format!("X509SHA256={}", leaf.fingerprint);
    let user = UserInfo {
        uid: leaf.uid.as_deref().unwrap_or_default().into(),
        extra: Arc::new(BTreeMap::from([(CREDENTIAL_ID.to_owned(), vec![id])])),
        ..UserInfo::new(name, &leaf.organizations)
    };
    Ok(authenticated(user))
}
