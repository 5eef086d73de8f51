//! Encryption at rest, above any store.
//!
//! What is sealed by what is said by upstream's `EncryptionConfiguration`: for each resource a list of
//! providers, the first of which writes and all of which read. Values carry upstream's prefixes, so that
//! upstream's servers read them too. A value that none of the providers opens is not shown: it may have
//! been moved from another key, cut, or sealed by a key that is gone.

mod config;
mod kms;
mod live;
mod sealing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use tokio::sync::watch;
use zeroize::Zeroizing;

pub use live::LiveEncryption;

use crate::coded::{Codec, CodecError};
use config::{File, group_resource};
use kms::{Kms, Lacking, Pace};
use sealing::{Scheme, SealingKey};

/// What every sealed value begins with.
const SEALED: &[u8] = b"k8s:enc:";
/// More is not said, so that nothing can be learnt from it.
const CHANGED: &str = "it was changed, or sealed for another key";

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
    /// Every KMS plugin of the rules, and what keeps asking them.
    plugins: Vec<Arc<Kms>>,
    probes: Probes,
    /// Counts the times at which values may be opened, or are to be sealed, that were not before.
    changed: watch::Sender<u64>,
}

#[derive(Clone)]
enum Provider {
    Identity,
    Sealing(Arc<SealingKey>),
    Kms(Arc<Kms>),
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
        Self::parse_at(text, placed, inner, Pace::default())
    }

    fn parse_at(text: &str, placed: Placed, inner: Arc<dyn Codec>, pace: Pace) -> Result<Self, String> {
        let file = config::parse(text)?;
        let mut rules: HashMap<(String, String), Vec<Provider>> = HashMap::new();
        let mut plugins = Vec::new();
        for entry in &file.resources {
            let mut made = Vec::new();
            for provider in &entry.providers {
                match &provider.kms {
                    Some(kms) => {
                        let kms = Arc::new(kms.plugin(pace)?);
                        plugins.push(kms.clone());
                        made.push(Provider::Kms(kms));
                    }
                    None => made.extend(providers(provider)),
                }
            }
            for resource in &entry.resources {
                let place = group_resource(resource);
                for mask in [(place.0, "*"), ("*", "*")] {
                    if rules.contains_key(&(mask.0.to_owned(), mask.1.to_owned())) {
                        let (resource, mask) = (config::shown(place), config::shown(mask));
                        return Err(format!("resource {resource} is masked by earlier rule {mask}"));
                    }
                }
                let rule = rules.entry((place.0.to_owned(), place.1.to_owned())).or_default();
                rule.extend(made.iter().cloned());
            }
        }
        Ok(Self { plugins, ..Self::new(rules, placed, inner) })
    }

    /// Seals Secrets with the first of some keys of this machine's own.
    pub fn own(keys: Vec<OwnKey>, placed: Placed, inner: Arc<dyn Codec>) -> Self {
        let mut providers = own_providers(keys);
        providers.push(Provider::Identity);
        let rules = HashMap::from([((String::new(), "secrets".to_owned()), providers)]);
        Self::new(rules, placed, inner)
    }

    fn new(rules: HashMap<(String, String), Vec<Provider>>, placed: Placed, inner: Arc<dyn Codec>) -> Self {
        Self {
            rules,
            fallback: Vec::new(),
            placed,
            prefix: None,
            inner,
            plugins: Vec::new(),
            probes: Probes::default(),
            changed: watch::Sender::new(0),
        }
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

    /// Whether it needs KMS plugins.
    pub fn uses_kms(&self) -> bool {
        !self.plugins.is_empty()
    }

    /// Asks every KMS plugin for a key to write with.
    ///
    /// # Errors
    /// What is wrong with those that gave none.
    pub async fn prime(&self) -> Result<(), String> {
        join_all(self.plugins.iter().map(|kms| kms.probe())).await;
        self.health()
    }

    /// Keeps asking the KMS plugins for as long as this lives. Needs a runtime.
    pub fn keep_probing(&self) {
        let probe = |kms: &Arc<Kms>| {
            let (kms, changed) = (kms.clone(), self.changed.clone());
            tokio::spawn(async move {
                let tell = || {
                    if kms.take_news() {
                        changed.send_modify(|count| *count = count.wrapping_add(1));
                    }
                };
                kms.keep_probing(tell).await;
            })
        };
        self.probes.0.lock().extend(self.plugins.iter().map(probe));
    }

    /// How the KMS plugins are, as far as was heard.
    ///
    /// # Errors
    /// What is wrong with which, in upstream's words.
    pub fn health(&self) -> Result<(), String> {
        let each = self.plugins.iter().enumerate();
        let wrong = each.filter_map(|(at, kms)| Some(format!("kms-provider-{at}: {}", kms.health().err()?)));
        let wrong: Vec<String> = wrong.collect();
        match wrong.as_slice() {
            [] => Ok(()),
            [only] => Err(only.clone()),
            all => Err(format!("[{}]", all.join(", "))),
        }
    }

    /// Whether what is stored under a key is sealed by a KMS plugin's key.
    pub fn asks_plugin(&self, key: &str) -> bool {
        matches!(self.rule(key).first(), Some(Provider::Kms(_)))
    }

    /// Whether some provider has written a sealed value, as far as its prefix says; nothing is opened.
    pub fn knows(&self, key: &str, stored: &[u8]) -> bool {
        !stored.starts_with(SEALED)
            || self.rule(key).iter().chain(&self.fallback).any(|provider| match provider {
                Provider::Identity => false,
                Provider::Sealing(sealing) => stored.starts_with(sealing.prefix().as_bytes()),
                Provider::Kms(kms) => stored.starts_with(kms.prefix().as_bytes()),
            })
    }

    /// Tells of changes by another channel.
    fn telling(self, changed: watch::Sender<u64>) -> Self {
        Self { changed, ..self }
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
            Some(Provider::Kms(kms)) => kms.seal(&self.bound_to(key), &value).map_err(CodecError),
            Some(Provider::Identity) | None => Ok(value),
        }
    }

    fn open(&self, key: &str, stored: Bytes) -> Result<Bytes, CodecError> {
        if !stored.starts_with(SEALED) {
            return self.inner.open(key, stored);
        }
        let (mut why, bound) = ("no matching prefix found".to_owned(), self.bound_to(key));
        for provider in self.rule(key).iter().chain(&self.fallback) {
            let opened = match provider {
                Provider::Identity => continue,
                Provider::Sealing(sealing) => match stored.strip_prefix(sealing.prefix().as_bytes()) {
                    Some(sealed) => sealing.open(&bound, sealed).map_err(|_| CHANGED.to_owned()),
                    None => continue,
                },
                Provider::Kms(kms) => match stored.strip_prefix(kms.prefix().as_bytes()) {
                    Some(sealed) => kms.open(&bound, sealed),
                    None => continue,
                },
            };
            match opened {
                Ok(opened) => return self.inner.open(key, opened),
                Err(wrong) => why = wrong,
            }
        }
        Err(CodecError(why))
    }

    fn is_stale(&self, key: &str, stored: &[u8]) -> bool {
        match self.rule(key).first() {
            Some(Provider::Sealing(sealing)) => !stored.starts_with(sealing.prefix().as_bytes()),
            Some(Provider::Kms(kms)) => {
                stored.strip_prefix(kms.prefix().as_bytes()).is_none_or(|sealed| kms.is_stale(sealed))
            }
            Some(Provider::Identity) | None => stored.starts_with(SEALED),
        }
    }

    fn unlock(&self, values: &mut dyn Iterator<Item = (&str, &[u8])>) -> Option<BoxFuture<'static, ()>> {
        if self.plugins.is_empty() {
            return None;
        }
        let mut lacking: Vec<Lacking> = self.plugins.iter().map(|_| Lacking::default()).collect();
        for (_, stored) in values.filter(|(_, stored)| stored.starts_with(SEALED)) {
            for (kms, lacking) in self.plugins.iter().zip(&mut lacking) {
                if let Some(sealed) = stored.strip_prefix(kms.prefix().as_bytes()) {
                    kms.lacks(sealed, lacking);
                }
            }
        }
        let each = self.plugins.iter().cloned().zip(lacking).filter(|(_, lacking)| !lacking.is_empty());
        let each = each.map(|(kms, lacking)| async move { kms.unlock(lacking).await });
        let each: Vec<_> = each.collect();
        (!each.is_empty()).then(|| join_all(each).map(drop).boxed())
    }
}

/// Tasks that end with the encryption they are for.
#[derive(Default)]
struct Probes(Mutex<Vec<tokio::task::JoinHandle<()>>>);

impl Drop for Probes {
    fn drop(&mut self) {
        for probe in self.0.lock().drain(..) {
            probe.abort();
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

/// Takes apart what a KMS plugin's value is after its prefix; it came from the store and may be anything.
///
/// # Errors
/// Why it is none.
pub fn check_envelope(stored: &[u8]) -> Result<(), String> {
    kms::check(stored)
}
