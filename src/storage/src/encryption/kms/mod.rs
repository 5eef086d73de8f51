//! KMS v2: values sealed by keys that are made of a seed, which only a plugin beside this server can open.
//!
//! ```text
//! probe   Status, every minute, sooner after a failure; another key id -> Encrypt a fresh seed
//! seal    with the seed of the last good probe, at most three minutes after it
//! unlock  Decrypt what is sealed by seeds not met before; then
//! open    with a seed that is at hand
//! ```
//!
//! The values and the times are upstream's, so servers of both kinds read each other's.

mod envelope;
mod plugin;
mod proto;
mod seeds;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tracing::{info, warn};

use envelope::{Envelope, Seed, Source, SourceId};
use plugin::Plugin;
use proto::StatusResponse;
use seeds::Seeds;

/// Calls to a plugin under way at once, when many seeds are to be opened.
const AT_ONCE: usize = 8;
/// Opening many seeds ends after this long; what is left then cannot be opened yet.
const UNLOCK_WITHIN: Duration = Duration::from_secs(30);

/// The times of the probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between probes while all is well.
    pub(super) well: Duration,
    /// Between probes after one failed.
    pub(super) ill: Duration,
    /// How long a seed is written with after the last good probe.
    pub(super) written_for: Duration,
    /// How old an answer about the plugin's health may be.
    pub(super) heard: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { well: seconds(60), ill: seconds(10), written_for: seconds(180), heard: seconds(3) }
    }
}

/// One plugin, and what was learnt from it.
pub(super) struct Kms {
    name: String,
    prefix: String,
    plugin: Plugin,
    pace: Pace,
    seeds: Seeds,
    writing: RwLock<Option<Arc<Writing>>>,
    heard: Mutex<Heard>,
    /// Asks for a probe before its time.
    wake: Notify,
    /// Some value could not be opened because its seed was not at hand, or is sealed by another key now.
    news: AtomicBool,
    /// Until when the plugin is not asked to open seeds, because it did not answer.
    resting: Mutex<Option<Instant>>,
}

/// The seed that values are sealed with.
struct Writing {
    seed: Arc<Seed>,
    source: Source,
    until: Mutex<Instant>,
}

/// Seeds that are to be opened.
#[derive(Default)]
pub(super) struct Lacking(HashMap<SourceId, Source>);

impl Lacking {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The outcome of the last probe.
struct Heard {
    outcome: Result<(), String>,
    at: Option<Instant>,
    version: Option<String>,
}

impl Kms {
    pub(super) fn new(name: &str, socket: PathBuf, timeout: Duration, pace: Pace) -> Self {
        Self {
            prefix: format!("k8s:enc:kms:v2:{name}:"),
            name: name.to_owned(),
            plugin: Plugin::new(socket, timeout),
            pace,
            seeds: Seeds::default(),
            writing: RwLock::default(),
            heard: Mutex::new(Heard {
                outcome: Err("it was not asked yet".to_owned()),
                at: None,
                version: None,
            }),
            wake: Notify::new(),
            news: AtomicBool::new(false),
            resting: Mutex::default(),
        }
    }

    /// What its values begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Seals a value that is stored under `key`.
    pub(super) fn seal(&self, key: &str, value: &[u8]) -> Result<Bytes, String> {
        let writing = self.writing.read().clone();
        let writing = writing.ok_or_else(|| format!("the KMS plugin {} has given no key yet", self.name))?;
        if Instant::now() > *writing.until.lock() {
            return Err(format!("the key of the KMS plugin {} expired: it is not healthy", self.name));
        }
        let mut out = self.prefix.as_bytes().to_vec();
        let sealed = writing.seed.seal(&writing.source, key, value, &mut out);
        sealed.map_err(|_| "the cipher refused it".to_owned())?;
        Ok(out.into())
    }

    /// Opens what follows the prefix, if its seed is at hand.
    pub(super) fn open(&self, key: &str, sealed: &[u8]) -> Result<Bytes, String> {
        let envelope = Envelope::decode(sealed)?;
        let Some(seed) = self.seed(&envelope.source) else {
            self.news.store(true, Ordering::Release);
            return Err(format!("the KMS plugin {} did not open its key", self.name));
        };
        envelope.open(&seed, key).map_err(|_| super::CHANGED.to_owned())
    }

    /// Whether a value would be sealed otherwise now.
    pub(super) fn is_stale(&self, sealed: &[u8]) -> bool {
        let Some(writing) = self.writing.read().clone() else { return false };
        Envelope::decode(sealed).is_ok_and(|envelope| envelope.source.is_stale_beside(&writing.source))
    }

    /// Notes the seed that a value needs, if that is not at hand.
    pub(super) fn lacks(&self, sealed: &[u8], lacking: &mut Lacking) {
        let Ok(Envelope { source, .. }) = Envelope::decode(sealed) else { return };
        let id = source.id();
        if !self.is_written(&source) && self.seeds.get(&id).is_none() {
            lacking.0.insert(id, source);
        }
    }

    fn seed(&self, source: &Source) -> Option<Arc<Seed>> {
        let writing = self.writing.read().clone().filter(|writing| writing.source == *source);
        writing.map(|writing| writing.seed.clone()).or_else(|| self.seeds.get(&source.id()))
    }

    fn is_written(&self, source: &Source) -> bool {
        self.writing.read().as_ref().is_some_and(|writing| writing.source == *source)
    }

    /// Has the plugin open seeds. One that does not answer is left alone for a while.
    pub(super) async fn unlock(&self, Lacking(lacking): Lacking) {
        if self.resting.lock().is_some_and(|until| Instant::now() < until) {
            return;
        }
        let each = futures::stream::iter(lacking).map(|(id, source)| self.unlock_one(id, source));
        let mut each = each.buffer_unordered(AT_ONCE);
        let all = async {
            while let Some(outcome) = each.next().await {
                if let Err(status) = outcome {
                    warn!(plugin = self.name, why = status.message(), "KMS plugin does not open a key");
                    if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) {
                        *self.resting.lock() = Some(Instant::now() + self.pace.ill);
                        return;
                    }
                }
            }
        };
        if timeout(UNLOCK_WITHIN, all).await.is_err() {
            warn!(plugin = self.name, "KMS plugin takes too long to open keys");
        }
    }

    async fn unlock_one(&self, id: SourceId, source: Source) -> Result<(), Status> {
        let plaintext = self.plugin.decrypt(&source).await?;
        let seed = Seed::opened(plaintext, source.kind);
        let seed = seed.ok_or_else(|| Status::internal("it gave something that is no key"))?;
        self.seeds.put(id, Arc::new(seed));
        Ok(())
    }

    /// Whether there may be values to open or to seal again since this was asked last.
    pub(super) fn take_news(&self) -> bool {
        self.news.swap(false, Ordering::AcqRel)
    }

    /// What the last probe found. Asks for another if that is long ago.
    pub(super) fn health(&self) -> Result<(), String> {
        let heard = self.heard.lock();
        if heard.outcome.is_err() && heard.at.is_none_or(|at| at.elapsed() > self.pace.heard) {
            self.wake.notify_one();
        }
        heard.outcome.clone()
    }

    /// Probes for ever; `well` is called after each good probe.
    pub(super) async fn keep_probing(&self, well: impl Fn()) {
        loop {
            let pause = if self.heard.lock().outcome.is_ok() { self.pace.well } else { self.pace.ill };
            let _ = timeout(pause, self.wake.notified()).await;
            if self.probe().await.is_ok() {
                well();
            }
        }
    }

    /// Asks the plugin how it is, and for a seed of its current key.
    pub(super) async fn probe(&self) -> Result<(), String> {
        // From before the question, so that no answer makes a key last longer than it should.
        let until = Instant::now() + self.pace.written_for;
        let outcome = match self.plugin.status().await {
            Ok(status) => self.judge(status, until).await,
            Err(status) => Err(format!(
                "failed to perform status section of the healthz check for KMS Provider {}, error: {}",
                self.name,
                status.message()
            )),
        };
        let mut heard = self.heard.lock();
        match (&heard.outcome, &outcome) {
            (_, Err(why)) => warn!(plugin = self.name, why, "KMS plugin is not healthy"),
            (Err(_), Ok(())) => info!(plugin = self.name, "KMS plugin is healthy"),
            (Ok(()), Ok(())) => {}
        }
        heard.outcome.clone_from(&outcome);
        heard.at = Some(Instant::now());
        drop(heard);
        if outcome.is_ok() {
            *self.resting.lock() = None;
        }
        outcome
    }

    async fn judge(&self, status: StatusResponse, until: Instant) -> Result<(), String> {
        let mut wrong = Vec::new();
        if status.healthz != "ok" {
            wrong.push(format!("got unexpected healthz status: {}", shown(&status.healthz)));
        }
        wrong.extend(self.judge_version(status.version).err());
        match envelope::check_key_id(&status.key_id) {
            Err(why) => wrong.push(format!("got invalid KMSv2 KeyID: {why}")),
            Ok(()) => wrong.extend(self.rotate(&status.key_id, until).await.err()),
        }
        match wrong.as_slice() {
            [] => Ok(()),
            [only] => Err(format!("kmsv2 Provider {} is not healthy, error: {only}", self.name)),
            all => Err(format!("kmsv2 Provider {} is not healthy, error: [{}]", self.name, all.join(", "))),
        }
    }

    fn judge_version(&self, version: String) -> Result<(), String> {
        if !matches!(&*version, "v2" | "v2beta1") {
            return Err(format!("expected KMSv2 API version v2, got {}", shown(&version)));
        }
        let mut heard = self.heard.lock();
        let first = heard.version.get_or_insert_with(|| version.clone());
        if *first == version {
            return Ok(());
        }
        Err(format!(
            "KMSv2 API version should not change after the initial status response version {first}, got {version}"
        ))
    }

    /// Writes with a fresh seed if the plugin's key is another; else the one in use lasts longer.
    async fn rotate(&self, key_id: &str, until: Instant) -> Result<(), String> {
        let writing = self.writing.read().clone().filter(|writing| writing.source.key_id == key_id);
        if let Some(writing) = writing {
            *writing.until.lock() = until;
            return Ok(());
        }
        let seed = Seed::random().map_err(|_| "the system gives no random numbers".to_owned())?;
        let answer = self.plugin.encrypt(seed.plaintext()).await;
        let answer =
            answer.map_err(|status| format!("failed to encrypt DEK, error: {}", status.message()))?;
        let source = Source::derived(answer.ciphertext, answer.key_id, answer.annotations);
        source.check().map_err(|why| format!("failed to rotate DEK: {why}"))?;
        if source.key_id != key_id {
            return Err("failed to rotate DEK: Encrypt names another key than Status".to_owned());
        }
        let seed = Arc::new(seed);
        // What was written before stays readable without the plugin.
        self.seeds.put(source.id(), seed.clone());
        let writing = Writing { seed, source, until: Mutex::new(until) };
        let before = self.writing.write().replace(Arc::new(writing));
        self.news.fetch_or(before.is_some(), Ordering::AcqRel);
        info!(plugin = self.name, "KMS plugin gave a new key");
        Ok(())
    }
}

/// A plugin's words, cut to a length that a log can take.
fn shown(text: &str) -> String {
    text.chars().take(256).collect()
}

/// Takes a stored envelope apart.
pub(super) fn check(stored: &[u8]) -> Result<(), String> {
    Envelope::decode(stored).map(drop)
}
