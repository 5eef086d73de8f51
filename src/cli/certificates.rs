//! The certificates of a data directory, only looked at.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use portcullis_pki::{Leaf, Profile, renew_at};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::Failure;
use super::paths::DataDir;

const DAY: i64 = 24 * 60 * 60;

/// One certificate file.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) profile: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) leaf: Leaf,
}

impl Certificate {
    /// All that exist; none if there is no data directory yet.
    pub(crate) fn all(dir: &DataDir) -> Result<Vec<Self>, Failure> {
        let profiles =
            Profile::all().map_err(|error| Failure::caused("the profiles cannot be read", &error))?;
        let files = profiles.iter().filter_map(|profile| {
            let path = dir.pki().join(format!("{}.crt", profile.file.as_ref()?));
            path.exists().then_some((profile, path))
        });
        files.map(|(profile, path)| Ok(Self { profile: &profile.name, leaf: read(&path)?, path })).collect()
    }

    /// When it ends and how it is renewed, in words.
    pub(crate) fn outlook(&self, now: Timestamp) -> String {
        let days = (self.leaf.not_after.as_second() - now.as_second()) / DAY;
        match self.leaf.not_after <= now {
            true => "expired".to_owned(),
            false => format!("{days} d"),
        }
    }

    /// For tools.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "profile": self.profile,
            "path": self.path,
            "subject": subject(&self.leaf),
            "notBefore": self.leaf.not_before.to_string(),
            "notAfter": self.leaf.not_after.to_string(),
            "renewAt": (!self.leaf.authority).then(|| renew_at(&self.leaf).to_string()),
        })
    }
}

/// User and groups as one word.
pub(crate) fn subject(leaf: &Leaf) -> String {
    match leaf.organizations.as_slice() {
        [] => leaf.common_name.clone(),
        groups => format!("{} ({})", leaf.common_name, groups.join(", ")),
    }
}

fn read(path: &Path) -> Result<Leaf, Failure> {
    let fail = |why: String| {
        Failure::because(format!("{} cannot be read", path.display()), why)
            .fix("restore it from a backup, or delete it and its key so that it is issued anew")
    };
    let der = CertificateDer::from_pem_file(path).map_err(|error| fail(error.to_string()))?;
    Leaf::parse(&der).map_err(fail)
}
