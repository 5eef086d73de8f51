//! Encryption at rest, above any store.
//!
//! What is sealed by what is said by upstream's `EncryptionConfiguration`: for each resource a list of
//! providers, the first of which writes and all of which read. Values carry upstream's prefixes, so that
//! upstream's servers read them too. A value that none of the providers opens is not shown: it may have
//! been moved from another key, cut, or sealed by a key that is gone.

mod config;
mod sealing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::coded::{Codec, CodecError};
use config::{File, group_resource};
use sealing::{Scheme, SealingKey};

/// What every sealed value begins with.
const SEALED: &[u8] = b"k8s:enc:";

/// Tells the group and resource of a storage key.
pub type Placed = Arc<dyn Fn(&str) -> Option<(String, String)> + Send + Sync>;

/// Seals and opens values.
pub struct Encryption {
    /// By group and resource, either of which may be `*`.
    rules: HashMap<(String, String), Vec<Provider>>,
    /// What reads whatever the rules do not.
    fallback: Vec<Provider>,
    placed: Placed,
    /// What storage keys begin with in the store itself, if not with `/registry`.
    prefix: Option<String>,
    inner: Arc<dyn Codec>,
}

#[derive(Clone)]
enum Provider {
    Identity,
    Sealing(Arc<SealingKey>),
}

/// A key of this machine's own, for when no configuration is given.
pub struct OwnKey {
    /// What it is called in the values it seals.
    pub name: String,
    /// 32 random bytes.
    pub secret: Zeroizing<Vec<u8>>,
}

impl Encryption {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// All that is wrong with it, in upstream's words.
    pub fn parse(text: &str, placed: Placed, inner: Arc<dyn Codec>) -> Result<Self, String> {
        let file = config::parse(text)?;
        let mut rules: HashMap<(String, String), Vec<Provider>> = HashMap::new();
        for entry in &file.resources {
            let providers: Vec<Provider> = entry.providers.iter().flat_map(providers).collect();
            for resource in &entry.resources {
                let place = group_resource(resource);
                for mask in [(place.0, "*"), ("*", "*")] {
                    if rules.contains_key(&(mask.0.to_owned(), mask.1.to_owned())) {
                        let (resource, mask) = (config::shown(place), config::shown(mask));
                        return Err(format!("resource {resource} is masked by earlier rule {mask}"));
                    }
                }
                let rule = rules.entry((place.0.to_owned(), place.1.to_owned())).or_default();
                rule.extend(providers.iter().cloned());
            }
        }
        Ok(Self { rules, fallback: Vec::new(), placed, prefix: None, inner })
    }

    /// Seals Secrets with the first of some keys of this machine's own.
    pub fn own(keys: Vec<OwnKey>, placed: Placed, inner: Arc<dyn Codec>) -> Self {
        let mut providers = own_providers(keys);
        providers.push(Provider::Identity);
        let rules = HashMap::from([((String::new(), "secrets".to_owned()), providers)]);
        Self { rules, fallback: Vec::new(), placed, prefix: None, inner }
    }

    /// Also opens what was sealed before by keys of this machine's own.
    #[must_use]
    pub fn reading(self, keys: Vec<OwnKey>) -> Self {
        Self { fallback: own_providers(keys), ..self }
    }

    /// Storage keys begin with another prefix than `/registry` in the store; values are bound to that.
    #[must_use]
    pub fn below(self, prefix: &str) -> Self {
        let prefix = format!("/{}", prefix.trim_matches('/'));
        Self { prefix: (prefix != "/registry").then_some(prefix), ..self }
    }

    fn rule(&self, key: &str) -> &[Provider] {
        let Some((group, resource)) = (self.placed)(key) else { return &[] };
        let any = || "*".to_owned();
        let places = [(group.clone(), resource), (group, any()), (any(), any())];
        places.iter().find_map(|place| self.rules.get(place)).map_or(&[], Vec::as_slice)
    }

    /// The storage key as the store has it, which is what values are bound to.
    fn bound_to<'k>(&self, key: &'k str) -> std::borrow::Cow<'k, str> {
        match (&self.prefix, key.strip_prefix("/registry")) {
            (Some(prefix), Some(rest)) => format!("{prefix}{rest}").into(),
            _ => key.into(),
        }
    }
}

impl Codec for Encryption {
    fn seal(&self, key: &str, value: Bytes) -> Result<Bytes, CodecError> {
        let value = self.inner.seal(key, value)?;
        match self.rule(key).first() {
            Some(Provider::Sealing(sealing)) => {
                let sealed = sealing.seal(&self.bound_to(key), &value);
                sealed.map_err(|_| CodecError("the cipher refused it".to_owned()))
            }
            Some(Provider::Identity) | None => Ok(value),
        }
    }

    fn open(&self, key: &str, stored: Bytes) -> Result<Bytes, CodecError> {
        if !stored.starts_with(SEALED) {
            return self.inner.open(key, stored);
        }
        let (mut fitting, bound) = (false, self.bound_to(key));
        for provider in self.rule(key).iter().chain(&self.fallback) {
            let Provider::Sealing(sealing) = provider else { continue };
            let Some(sealed) = stored.strip_prefix(sealing.prefix().as_bytes()) else { continue };
            fitting = true;
            if let Ok(opened) = sealing.open(&bound, sealed) {
                return self.inner.open(key, opened);
            }
        }
        let why =
            if fitting { "it was changed, or sealed for another key" } else { "no matching prefix found" };
        Err(CodecError(why.to_owned()))
    }

    fn is_stale(&self, key: &str, stored: &[u8]) -> bool {
        match self.rule(key).first() {
            Some(Provider::Sealing(sealing)) => !stored.starts_with(sealing.prefix().as_bytes()),
            Some(Provider::Identity) | None => stored.starts_with(SEALED),
        }
    }
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryption").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnKey").field("name", &self.name).finish_non_exhaustive()
    }
}

fn providers(provider: &config::Provider) -> Vec<Provider> {
    let Some((scheme, keys)) = provider.keys() else { return vec![Provider::Identity] };
    let key = |key: &config::NamedKey| Some(SealingKey::new(scheme, &key.name, key.bytes()?));
    keys.keys.iter().filter_map(key).map(|key| Provider::Sealing(Arc::new(key))).collect()
}

fn own_providers(keys: Vec<OwnKey>) -> Vec<Provider> {
    let sealing = |key: OwnKey| SealingKey::new(Scheme::Portcullis, &key.name, key.secret);
    keys.into_iter().map(|key| Provider::Sealing(Arc::new(sealing(key)))).collect()
}

/// Checks a configuration file without keeping its keys.
///
/// # Errors
/// All that is wrong with it.
pub fn check_config(text: &str) -> Result<(), String> {
    config::parse(text).map(|_: File| ())
}
