//! The directory of keys and certificates, in kubeadm's layout.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use portcullis_api::UserInfo;
use tracing::warn;

use crate::bearer_key::{Algorithm, SigningKey, VerifyingKey};
use crate::handed::{self, Seen};
use crate::issue::{self, Authority, Issued, KeyPem, Overrides, Sites};
use crate::profile::{Profile, TokenKey};
use crate::renew::{due, renew_at};
use crate::tls::LiveCertificate;
use crate::{Error, InProcessIdentity, Leaf, Result, files};

/// What [`Pki::open_or_issue`] needs to know.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the server is reached.
    pub sites: Sites,
    /// The algorithm of a new token key; the profile's (RS256) if none is given.
    pub token_algorithm: Option<Algorithm>,
}

/// The keys and certificates of a cluster: `DIR/pki/ca.crt`, `ca.key`, `apiserver.crt`, …, `sa.key`, `sa.pub`.
pub struct Pki {
    directory: PathBuf,
    options: Options,
    authorities: BTreeMap<&'static str, Authority>,
    signing: Arc<SigningKey>,
    /// Renewals and rotations, one at a time.
    writing: Mutex<()>,
}

/// One certificate on disk.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The profile it belongs to.
    pub profile: &'static str,
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub leaf: Leaf,
    /// When it will be renewed.
    pub renew_at: Timestamp,
}

impl Pki {
    /// Opens the directory's `pki` folder and issues whatever is missing, due, or no longer names
    /// all places the server is reached at. A secret that others can read is refused.
    pub fn open_or_issue(dir: &Path, options: Options) -> Result<Self> {
        let directory = dir.join("pki");
        files::private_directory(&directory)?;
        let mut authorities = BTreeMap::new();
        for profile in Profile::all()?.iter().filter(|p| p.is_authority()) {
            authorities.insert(profile.name.as_str(), open_authority(&directory, profile)?);
        }
        let signing = Arc::new(open_token_key(&directory, &options)?);
        let pki = Self { directory, options, authorities, signing, writing: Mutex::new(()) };
        pki.renew_due(Timestamp::now())?;
        Ok(pki)
    }

    /// Issues a certificate of a profile. Its key is not kept; the caller writes both where they belong.
    pub fn issue(&self, profile: &str, overrides: &Overrides) -> Result<Issued> {
        let profile = Profile::named(profile)?;
        let Some(signer) = &profile.signer else {
            return Err(Error::issue(&profile.name, "an authority is made only with the directory"));
        };
        let authority = self.authorities.get(signer.as_str());
        let authority = authority.ok_or_else(|| Error::issue(&profile.name, "its authority is unknown"))?;
        let issued =
            issue::issue(profile, overrides, &self.options.sites, Some(authority), Timestamp::now())?;
        // Before it is handed out: no certificate is without its record.
        handed::keep(&self.directory, &profile.name, &issued)?;
        Ok(issued)
    }

    /// Every certificate of this installation that has not ended, each with its profile: what is stored, and what
    /// was handed out.
    pub fn all_issued(&self, now: Timestamp) -> Result<Vec<(Leaf, String)>> {
        self.newly_issued(&mut Seen::default(), now)
    }

    /// Those of all that were not seen before. Whoever could not use them begins with a new [`Seen`].
    pub fn newly_issued(&self, seen: &mut Seen, now: Timestamp) -> Result<Vec<(Leaf, String)>> {
        seen.begin();
        let mut new = handed::read(&self.directory, seen, now)?;
        for profile in Profile::all()? {
            let Some(path) = self.path(profile, "crt") else { continue };
            if let Some(leaf) = seen.read(&path)?.filter(|leaf| leaf.not_after > now) {
                new.push((leaf, profile.name.clone()));
            }
        }
        seen.end();
        Ok(new)
    }

    /// The identity of a part of this process: the one a certificate of the profile would give it.
    pub fn in_process(&self, profile: &str, overrides: &Overrides) -> Result<InProcessIdentity> {
        let profile = Profile::named(profile)?;
        let name = issue::common_name(profile, overrides)?;
        let groups = overrides.organizations.as_ref().unwrap_or(&profile.subject.organizations);
        let groups = groups.iter().map(String::as_str).chain(["system:authenticated"]);
        Ok(InProcessIdentity::assertion(UserInfo::new(&name, groups)))
    }

    /// The identity of a part of this process that works under a service account, as controllers do:
    /// the one a token of the account would give it.
    pub fn in_process_service_account(&self, namespace: &str, name: &str) -> Result<InProcessIdentity> {
        let user = format!("system:serviceaccount:{namespace}:{name}");
        let of_namespace = format!("system:serviceaccounts:{namespace}");
        let groups = ["system:serviceaccounts", &of_namespace, "system:authenticated"];
        let user = UserInfo::new(&user, groups);
        if user.service_account() != Some((namespace, name)) {
            return Err(Error::issue("service account", "the names are no service account's"));
        }
        Ok(InProcessIdentity::assertion(user))
    }

    /// Replaces one stored certificate, with a new key.
    pub fn renew(&self, profile: &str) -> Result<()> {
        let _one_at_a_time = self.writing.lock();
        self.replace(Profile::named(profile)?, Timestamp::now())
    }

    /// Renews every stored certificate that is missing, due or outgrown, and says which. Authorities
    /// are never renewed silently: everybody would have to learn to trust the new one first.
    pub fn renew_due(&self, now: Timestamp) -> Result<Vec<&'static str>> {
        let _one_at_a_time = self.writing.lock();
        let mut renewed = Vec::new();
        for profile in stored_leaves()? {
            if self.is_stale(profile, now)? {
                self.replace(profile, now)?;
                renewed.push(profile.name.as_str());
            }
        }
        for (name, authority) in &self.authorities {
            if due(&authority.leaf, now) {
                warn!(authority = *name, expires = %authority.leaf.not_after, "Authority nears its end");
            }
        }
        Ok(renewed)
    }

    /// When the next certificate is due.
    pub fn next_renewal(&self) -> Result<Timestamp> {
        let entries = self.list()?;
        let leaves = entries.iter().filter(|e| !e.leaf.authority);
        Ok(leaves.map(|e| e.renew_at).min().unwrap_or(Timestamp::MAX))
    }

    /// Every certificate on disk.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for profile in Profile::all()? {
            let Some(path) = self.path(profile, "crt") else { continue };
            let Some(pem) = files::read(&path)? else { continue };
            let leaf = issue::leaf_of(&pem)?;
            entries.push(Entry { profile: &profile.name, path, renew_at: renew_at(&leaf), leaf });
        }
        Ok(entries)
    }

    /// A stored certificate and its key.
    pub fn stored(&self, profile: &str) -> Result<(String, KeyPem)> {
        let missing = || Error::malformed(profile, "is not stored");
        let profile = Profile::named(profile)?;
        let path = self.path(profile, "crt").ok_or_else(missing)?;
        let certificate = files::read(&path)?.ok_or_else(missing)?;
        let key = files::read_private(&path.with_extension("key"))?.ok_or_else(missing)?;
        Ok((certificate, KeyPem::new(key)))
    }

    /// A stored certificate, ready for TLS.
    pub fn live(&self, profile: &str) -> Result<Arc<LiveCertificate>> {
        let (certificate, key) = self.stored(profile)?;
        LiveCertificate::from_pem(&certificate, key.expose())
    }

    /// The certificate of an authority, in PEM form.
    pub fn authority_pem(&self, profile: &str) -> Result<&str> {
        let authority = self.authorities.get(profile);
        authority
            .map(|a| a.certificate_pem.as_str())
            .ok_or_else(|| Error::malformed(profile, "is no authority"))
    }

    /// The key that signs service account tokens.
    pub fn token_key(&self) -> Arc<SigningKey> {
        self.signing.clone()
    }

    /// The keys that check service account tokens: the signing key's own first, then every further
    /// key of `sa.pub`, where retired ones stay until their tokens are over.
    pub fn token_verification_keys(&self) -> Result<Vec<VerifyingKey>> {
        let mut keys = vec![self.signing.public().clone()];
        let path = self.directory.join(TokenKey::read()?.file).with_extension("pub");
        for pem in split_pem(&files::read(&path)?.unwrap_or_default()) {
            let key = VerifyingKey::from_pem(pem)?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, profile: &Profile, extension: &str) -> Option<PathBuf> {
        Some(self.directory.join(format!("{}.{extension}", profile.file.as_ref()?)))
    }

    fn is_stale(&self, profile: &Profile, now: Timestamp) -> Result<bool> {
        let Some(path) = self.path(profile, "crt") else { return Ok(false) };
        let Some(pem) = files::read(&path)? else { return Ok(true) };
        if files::read_private(&path.with_extension("key"))?.is_none() {
            return Ok(true);
        }
        let leaf = issue::leaf_of(&pem)?;
        Ok(due(&leaf, now) || !names_all(&leaf, profile, &self.options.sites))
    }

    fn replace(&self, profile: &Profile, now: Timestamp) -> Result<()> {
        let kept = || Error::issue(&profile.name, "certificates of this profile are not stored");
        let path = self.path(profile, "crt").ok_or_else(kept)?;
        let signer = profile.signer.as_deref().and_then(|signer| self.authorities.get(signer));
        let signer = signer.ok_or_else(|| Error::issue(&profile.name, "its authority is unknown"))?;
        let issued = issue::issue(profile, &Overrides::default(), &self.options.sites, Some(signer), now)?;
        store(&path, &issued)
    }
}

fn stored_leaves() -> Result<impl Iterator<Item = &'static Profile>> {
    Ok(Profile::all()?.iter().filter(|p| p.file.is_some() && !p.is_authority()))
}

/// The key goes first: a crash in between leaves a pair that does not match, and the certificate,
/// read with the wrong key, is refused at start rather than served.
fn store(certificate_path: &Path, issued: &Issued) -> Result<()> {
    files::write(&certificate_path.with_extension("key"), issued.key.expose().as_bytes(), files::PRIVATE)?;
    files::write(certificate_path, issued.certificate_pem.as_bytes(), files::PUBLIC)
}

fn open_authority(directory: &Path, profile: &Profile) -> Result<Authority> {
    let Some(file) = &profile.file else {
        return Err(Error::issue(&profile.name, "an authority needs a file"));
    };
    let path = directory.join(format!("{file}.crt"));
    let key_path = path.with_extension("key");
    match (files::read(&path)?, files::read_private(&key_path)?) {
        (Some(certificate), Some(key)) => Authority::load(&profile.name, certificate, &key),
        (None, None) => {
            let issued =
                issue::issue(profile, &Overrides::default(), &Sites::default(), None, Timestamp::now())?;
            store(&path, &issued)?;
            Authority::load(&profile.name, issued.certificate_pem.clone(), issued.key.expose())
        }
        // Making the other half anew would cut off everybody who trusts the old authority.
        (Some(_), None) => Err(Error::malformed(key_path.display().to_string(), "is missing")),
        (None, Some(_)) => Err(Error::malformed(path.display().to_string(), "is missing")),
    }
}

fn open_token_key(directory: &Path, options: &Options) -> Result<SigningKey> {
    let profile = TokenKey::read()?;
    let path = directory.join(format!("{}.key", profile.file));
    if let Some(pem) = files::read_private(&path)? {
        return SigningKey::from_pem(&pem);
    }
    let key = SigningKey::generate(options.token_algorithm.unwrap_or(profile.algorithm))?;
    files::write(&path, key.to_pem()?.as_bytes(), files::PRIVATE)?;
    files::write(&path.with_extension("pub"), key.public().to_pem().as_bytes(), files::PUBLIC)?;
    Ok(key)
}

fn names_all(leaf: &Leaf, profile: &Profile, sites: &Sites) -> bool {
    issue::names(profile, &Overrides::default(), sites).iter().all(|name| match name.parse() {
        Ok(address) => leaf.addresses.contains(&address),
        Err(_) => leaf.dns_names.contains(name),
    })
}

/// The PEM blocks of a text.
fn split_pem(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive("-----END PUBLIC KEY-----").filter(|part| part.contains("-----BEGIN "))
}

#[cfg(test)]
mod tests;
