//! Certificate profiles: the files of `certs/`, embedded and read once.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::{Algorithm, Error, Result};

/// What every certificate of one purpose has in common.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// The profile's name.
    pub name: String,
    /// The base name of its files; certificates without one are issued on demand and never kept.
    #[serde(default)]
    pub file: Option<String>,
    /// The profile of the authority that signs it; none signs itself.
    #[serde(default)]
    pub signer: Option<String>,
    /// The subject.
    pub subject: Subject,
    /// DNS names and IP addresses; words in braces are filled when issuing.
    #[serde(default)]
    pub names: Vec<String>,
    /// What its key may be used for.
    pub usages: Vec<Usage>,
    /// How long it is valid.
    pub lifetime_days: u32,
}

/// A certificate's subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// The common name: the user.
    pub common_name: String,
    /// The organizations: the groups.
    #[serde(default)]
    pub organizations: Vec<String>,
}

/// A use of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// Signing certificates: an authority.
    CertificateSigning,
    /// Signing lists of revoked certificates.
    RevocationSigning,
    /// Signing handshakes.
    DigitalSignature,
    /// Receiving keys.
    KeyEncipherment,
    /// Being a TLS server.
    ServerAuth,
    /// Being a TLS client.
    ClientAuth,
}

/// The key pair that signs service account tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenKey {
    pub(crate) file: String,
    pub(crate) algorithm: Algorithm,
}

impl Profile {
    /// All profiles the program knows; authorities come first.
    pub fn all() -> Result<&'static [Profile]> {
        static ALL: LazyLock<std::result::Result<Vec<Profile>, String>> = LazyLock::new(|| {
            SOURCES.iter().map(|text| serde_saphyr::from_str(text).map_err(|e| e.to_string())).collect()
        });
        ALL.as_deref().map_err(|why| Error::malformed("certificate profiles", why))
    }

    /// One profile by name.
    pub fn named(name: &str) -> Result<&'static Profile> {
        let found = Self::all()?.iter().find(|p| p.name == name);
        found.ok_or_else(|| Error::issue(name, "no such profile"))
    }

    /// Whether the certificate signs others.
    pub fn is_authority(&self) -> bool {
        self.usages.contains(&Usage::CertificateSigning)
    }
}

impl TokenKey {
    pub(crate) fn read() -> Result<Self> {
        let text = include_str!("../../../certs/service-accounts.yaml");
        serde_saphyr::from_str(text)
            .map_err(|e| Error::malformed("certs/service-accounts.yaml", e.to_string()))
    }
}

const SOURCES: &[&str] = &[
    include_str!("../../../certs/ca.yaml"),
    include_str!("../../../certs/front-proxy-ca.yaml"),
    include_str!("../../../certs/apiserver.yaml"),
    include_str!("../../../certs/apiserver-kubelet-client.yaml"),
    include_str!("../../../certs/front-proxy-client.yaml"),
    include_str!("../../../certs/admin.yaml"),
    include_str!("../../../certs/cluster-admin.yaml"),
    include_str!("../../../certs/user.yaml"),
    include_str!("../../../certs/kube-scheduler.yaml"),
    include_str!("../../../certs/kube-controller-manager.yaml"),
    include_str!("../../../certs/kube-proxy.yaml"),
    include_str!("../../../certs/node.yaml"),
    include_str!("../../../certs/node-serving.yaml"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_reads_and_has_its_signer_before_it() {
        let mut seen: Vec<&str> = Vec::new();
        for profile in Profile::all().unwrap() {
            if let Some(signer) = &profile.signer {
                assert!(seen.contains(&signer.as_str()), "{} comes before its signer", profile.name);
            }
            assert_eq!(profile.signer.is_none(), profile.is_authority());
            seen.push(&profile.name);
        }
        assert_eq!(TokenKey::read().unwrap().algorithm, Algorithm::Rs256);
    }

    #[test]
    fn only_one_profile_is_above_policy_as_a_person() {
        let masters: Vec<_> = Profile::all()
            .unwrap()
            .iter()
            .filter(|p| p.subject.organizations.iter().any(|o| o == "system:masters"))
            .map(|p| p.name.as_str())
            .collect();
        assert_eq!(masters, ["apiserver-kubelet-client", "admin"]);
    }
}
