//! What records: the policy, the log with its chain, the store's outbox behind it, the webhook.

mod webhook;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::{Args, ValueEnum};
use portcullis_audit::{AuditLog, Format, LogConfig, Outbox, Policy, Record, Signer, Sink, Webhook};
use portcullis_storage::Store;
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::Failure;
use super::paths::DataDir;
pub(crate) use webhook::WebhookOptions;

/// How long a shutdown waits for events to be written.
const FLUSH: Duration = Duration::from_secs(5);
/// The only version of events there is.
const VERSION: &str = "audit.k8s.io/v1";

/// Flags about audit, under upstream's names.
#[derive(Args, Deserialize, Debug, Default, Clone)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct AuditOptions {
    /// The audit policy (audit.k8s.io/v1 Policy); a built-in one that records all but noise if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_policy_file: Option<PathBuf>,
    /// The audit log; audit.log in the data directory if not given, - for standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log_path: Option<PathBuf>,
    /// How many days rotated audit logs are kept; 366 by default, 0 is for ever.
    #[arg(long, value_name = "DAYS")]
    pub(crate) audit_log_maxage: Option<u32>,
    /// How many rotated audit logs are kept; 100 by default, 0 is all.
    #[arg(long, value_name = "COUNT")]
    pub(crate) audit_log_maxbackup: Option<usize>,
    /// The size in MiB at which the audit log is rotated; 100 by default, 0 is never.
    #[arg(long, value_name = "MIB")]
    pub(crate) audit_log_maxsize: Option<u64>,
    /// Compress rotated audit logs with gzip.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) audit_log_compress: Option<bool>,
    /// How events are written: json, or upstream's one-line text legacy.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) audit_log_format: Option<LogFormat>,
    /// Whether requests wait until their arrival is on record: batch does not, blocking does, blocking-strict
    /// refuses what cannot be recorded.
    #[arg(long, value_name = "MODE")]
    pub(crate) audit_log_mode: Option<Mode>,
    /// How many events may wait to be written; 16384 by default.
    #[arg(long, value_name = "COUNT")]
    pub(crate) audit_log_batch_buffer_size: Option<usize>,
    /// Take the bodies out of events that are too large.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) audit_log_truncate_enabled: Option<bool>,
    /// The size in bytes from which an event is too large; 102400 by default.
    #[arg(long, value_name = "BYTES")]
    pub(crate) audit_log_truncate_max_event_size: Option<usize>,
    /// The version of events: audit.k8s.io/v1.
    #[arg(long, value_name = "VERSION")]
    pub(crate) audit_log_version: Option<String>,
    /// What concerns the webhook; in a file, the keys that begin with `audit-webhook-`.
    #[command(flatten)]
    #[serde(skip)]
    pub(crate) webhook: WebhookOptions,
}

/// How events are written.
#[derive(ValueEnum, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Json,
    Legacy,
}

/// Whether requests wait for their events, as upstream names it.
#[derive(ValueEnum, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    Batch,
    Blocking,
    BlockingStrict,
}

impl AuditOptions {
    /// These options over those of a file.
    pub(crate) fn over(self, file: Self) -> Self {
        Self {
            audit_policy_file: self.audit_policy_file.or(file.audit_policy_file),
            audit_log_path: self.audit_log_path.or(file.audit_log_path),
            audit_log_maxage: self.audit_log_maxage.or(file.audit_log_maxage),
            audit_log_maxbackup: self.audit_log_maxbackup.or(file.audit_log_maxbackup),
            audit_log_maxsize: self.audit_log_maxsize.or(file.audit_log_maxsize),
            audit_log_compress: self.audit_log_compress.or(file.audit_log_compress),
            audit_log_format: self.audit_log_format.or(file.audit_log_format),
            audit_log_mode: self.audit_log_mode.or(file.audit_log_mode),
            audit_log_batch_buffer_size: self
                .audit_log_batch_buffer_size
                .or(file.audit_log_batch_buffer_size),
            audit_log_truncate_enabled: self.audit_log_truncate_enabled.or(file.audit_log_truncate_enabled),
            audit_log_truncate_max_event_size: self
                .audit_log_truncate_max_event_size
                .or(file.audit_log_truncate_max_event_size),
            audit_log_version: self.audit_log_version.or(file.audit_log_version),
            webhook: self.webhook.over(file.webhook),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        check_version(self.audit_log_version.as_deref())?;
        self.webhook.check()?;
        if self.audit_log_truncate_max_event_size == Some(0) {
            let words = "invalid audit truncate log max event size 0, must be a positive number";
            return Err(Failure::new(words));
        }
        if self.audit_log_batch_buffer_size == Some(0) {
            let words = "invalid audit batch log buffer size 0, must be a positive number";
            return Err(Failure::new(words));
        }
        Ok(())
    }

    fn policy(&self) -> Result<Policy, Failure> {
        let policy = match &self.audit_policy_file {
            Some(path) => Policy::load(path),
            None => Policy::builtin(),
        };
        let policy = policy.map_err(|error| Failure::new(error.to_string()))?;
        let modes = [self.audit_log_mode.unwrap_or(Mode::Batch), self.webhook.mode()];
        Ok(if modes.contains(&Mode::BlockingStrict) {
            policy.require_all()
        } else if modes.contains(&Mode::Blocking) {
            policy.wait_for_all()
        } else {
            policy
        })
    }

    fn log(&self, dir: &DataDir) -> Result<LogConfig, Failure> {
        let mut config = LogConfig::at(self.audit_log_path.clone().unwrap_or_else(|| dir.audit_log()));
        if let Some(mib) = self.audit_log_maxsize {
            config.rotation.max_bytes = mib.saturating_mul(1 << 20);
        }
        config.rotation.max_days = self.audit_log_maxage.unwrap_or(config.rotation.max_days);
        config.rotation.max_backups = self.audit_log_maxbackup.unwrap_or(config.rotation.max_backups);
        config.rotation.compress = self.audit_log_compress.unwrap_or_default();
        if self.audit_log_format == Some(LogFormat::Legacy) {
            config.format = Format::Legacy;
        }
        config.queue = self.audit_log_batch_buffer_size.unwrap_or(config.queue);
        if self.audit_log_truncate_enabled == Some(true) {
            config.truncate = Some(self.audit_log_truncate_max_event_size.unwrap_or(100 * 1024));
        }
        let signer = Signer::open_or_make(&dir.audit_keys()).map_err(|error| {
            Failure::caused("the key of the audit chain cannot be used", &error)
                .fix(format!("see that {} belongs to this user alone", dir.audit_keys().display()))
        })?;
        config.signer = Some(signer);
        Ok(config)
    }
}

fn check_version(version: Option<&str>) -> Result<(), Failure> {
    match version {
        Some(version) if version != VERSION => {
            Err(Failure::new(format!("invalid group version, allowed versions are [\"{VERSION}\"]")))
        }
        _ => Ok(()),
    }
}

/// All that records, running.
pub(crate) struct Auditing {
    policy: Arc<Policy>,
    log: Arc<AuditLog>,
    webhook: Option<Webhook>,
    drain: JoinHandle<()>,
}

impl Auditing {
    /// Opens the log, writes what a crash left in the store, and begins to empty the outbox.
    pub(crate) async fn open(
        options: &AuditOptions,
        dir: &DataDir,
        store: &Arc<dyn Store>,
    ) -> Result<Self, Failure> {
        options.check()?;
        let policy = Arc::new(options.policy()?);
        let webhook = options.webhook.start()?;
        let config = LogConfig { webhook: webhook.as_ref().map(Webhook::intake), ..options.log(dir)? };
        let path = config.path.clone();
        make_directory(&path)?;
        let log = AuditLog::open(config).map_err(|error| {
            Failure::caused(format!("the audit log {} cannot be opened", path.display()), &error)
                .fix("make it writable, or name another file with --audit-log-path")
        })?;
        let log = Arc::new(log);
        let outbox: Arc<dyn Outbox> = Arc::new(StoreOutbox(store.clone()));
        log.recover(&*outbox).await.map_err(|words| {
            Failure::because("audit events that a crash left in the store cannot be written", words)
        })?;
        let drain = tokio::spawn(log.clone().drain(outbox));
        Ok(Self { policy, log, webhook, drain })
    }

    /// Which requests are recorded.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policy.clone()
    }

    /// Where events go.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        self.log.clone()
    }

    /// Writes what is left.
    pub(crate) async fn close(self) {
        self.log.flush(FLUSH);
        self.drain.abort();
        if let Some(webhook) = self.webhook {
            // What it was not sent is counted, and the log's last record says how much that is.
            webhook.close(FLUSH).await;
        }
    }
}

/// As upstream: the log's directory is made if it is missing.
fn make_directory(log: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let Some(parent) = log.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(|error| {
        Failure::caused(format!("the directory {} cannot be made", parent.display()), &error)
    })
}

struct StoreOutbox(Arc<dyn Store>);

#[async_trait]
impl Outbox for StoreOutbox {
    fn newest(&self) -> u64 {
        self.0.newest_outbox()
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Record>, String> {
        let records = self.0.outbox(after, limit).await.map_err(|error| error.to_string())?;
        let record = |record: portcullis_storage::OutboxRecord| Record {
            sequence: record.sequence,
            revision: record.revision.0,
            line: record.bytes,
        };
        Ok(records.into_iter().map(record).collect())
    }

    async fn drain(&self, sequence: u64) -> Result<(), String> {
        self.0.drain_outbox(sequence).await.map_err(|error| error.to_string())
    }
}
