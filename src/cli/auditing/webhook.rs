//! The flags of the audit webhook, under upstream's names, and the webhook they describe.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use portcullis_audit::{Throttle, Webhook, WebhookConfig};
use portcullis_outbound::{Client, Limits, kubeconfig_endpoint};
use serde::Deserialize;

use super::{Mode, check_version};
use crate::cli::{Failure, lifetime};

/// Flags about the audit webhook.
#[derive(Args, Deserialize, Debug, Default, Clone)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct WebhookOptions {
    /// A kubeconfig file of the webhook that audit events are sent to, beside the log.
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_webhook_config_file: Option<PathBuf>,
    /// Whether requests wait for the webhook: batch (the default) does not, blocking does, blocking-strict
    /// refuses what it does not take.
    #[arg(long, value_name = "MODE")]
    pub(crate) audit_webhook_mode: Option<Mode>,
    /// How many events may wait to be sent; 10000 by default.
    #[arg(long, value_name = "COUNT")]
    pub(crate) audit_webhook_batch_buffer_size: Option<usize>,
    /// How many events are sent at once; 400 by default.
    #[arg(long, value_name = "COUNT")]
    pub(crate) audit_webhook_batch_max_size: Option<usize>,
    /// How long an event waits for others, such as 30s, which is the default.
    #[arg(long, value_name = "DURATION")]
    pub(crate) audit_webhook_batch_max_wait: Option<String>,
    /// Whether the rate of calls is limited; it is by default.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) audit_webhook_batch_throttle_enable: Option<bool>,
    /// How many calls are made a second; 10 by default.
    #[arg(long, value_name = "RATE")]
    pub(crate) audit_webhook_batch_throttle_qps: Option<f32>,
    /// How many calls are made at once after a pause; 15 by default.
    #[arg(long, value_name = "COUNT")]
    pub(crate) audit_webhook_batch_throttle_burst: Option<u32>,
    /// How long it is waited before a call is made again, such as 10s, which is the default.
    #[arg(long, value_name = "DURATION")]
    pub(crate) audit_webhook_initial_backoff: Option<String>,
    /// Take the bodies out of events that are too large.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) audit_webhook_truncate_enabled: Option<bool>,
    /// The size in bytes from which an event is too large; 102400 by default.
    #[arg(long, value_name = "BYTES")]
    pub(crate) audit_webhook_truncate_max_event_size: Option<usize>,
    /// How many bytes are sent at once; 10485760 by default.
    #[arg(long, value_name = "BYTES")]
    pub(crate) audit_webhook_truncate_max_batch_size: Option<usize>,
    /// The version of events: audit.k8s.io/v1.
    #[arg(long, value_name = "VERSION")]
    pub(crate) audit_webhook_version: Option<String>,
}

impl WebhookOptions {
    /// These options over those of a file.
    pub(crate) fn over(self, file: Self) -> Self {
        Self {
            audit_webhook_config_file: self.audit_webhook_config_file.or(file.audit_webhook_config_file),
            audit_webhook_mode: self.audit_webhook_mode.or(file.audit_webhook_mode),
            audit_webhook_batch_buffer_size: self
                .audit_webhook_batch_buffer_size
                .or(file.audit_webhook_batch_buffer_size),
            audit_webhook_batch_max_size: self
                .audit_webhook_batch_max_size
                .or(file.audit_webhook_batch_max_size),
            audit_webhook_batch_max_wait: self
                .audit_webhook_batch_max_wait
                .or(file.audit_webhook_batch_max_wait),
            audit_webhook_batch_throttle_enable: self
                .audit_webhook_batch_throttle_enable
                .or(file.audit_webhook_batch_throttle_enable),
            audit_webhook_batch_throttle_qps: self
                .audit_webhook_batch_throttle_qps
                .or(file.audit_webhook_batch_throttle_qps),
            audit_webhook_batch_throttle_burst: self
                .audit_webhook_batch_throttle_burst
                .or(file.audit_webhook_batch_throttle_burst),
            audit_webhook_initial_backoff: self
                .audit_webhook_initial_backoff
                .or(file.audit_webhook_initial_backoff),
            audit_webhook_truncate_enabled: self
                .audit_webhook_truncate_enabled
                .or(file.audit_webhook_truncate_enabled),
            audit_webhook_truncate_max_event_size: self
                .audit_webhook_truncate_max_event_size
                .or(file.audit_webhook_truncate_max_event_size),
            audit_webhook_truncate_max_batch_size: self
                .audit_webhook_truncate_max_batch_size
                .or(file.audit_webhook_truncate_max_batch_size),
            audit_webhook_version: self.audit_webhook_version.or(file.audit_webhook_version),
        }
    }

    /// Whether requests wait, and how.
    pub(super) fn mode(&self) -> Mode {
        match self.audit_webhook_config_file {
            Some(_) => self.audit_webhook_mode.unwrap_or(Mode::Batch),
            None => Mode::Batch,
        }
    }

    /// What upstream refuses, in its words; and flags without the webhook they are about.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_version(self.audit_webhook_version.as_deref())?;
        if self.audit_webhook_config_file.is_none() {
            return self.check_unused();
        }
        let refused = |words: String| Err(Failure::new(words));
        let event = self.audit_webhook_truncate_max_event_size.unwrap_or(100 * 1024);
        let batch = self.audit_webhook_truncate_max_batch_size.unwrap_or(10 << 20);
        if event == 0 {
            return refused(positive("truncate webhook max event size", event));
        }
        if batch < event {
            return refused(format!(
                "invalid audit truncate webhook max batch size {batch}, must be greater than max event size ({event})"
            ));
        }
        if self.mode() != Mode::Batch {
            return Ok(());
        }
        if self.audit_webhook_batch_buffer_size == Some(0) {
            return refused(positive("batch webhook buffer size", 0));
        }
        if self.audit_webhook_batch_max_size == Some(0) {
            return refused(positive("batch webhook max batch size", 0));
        }
        let throttled = self.audit_webhook_batch_throttle_enable != Some(false);
        match (self.audit_webhook_batch_throttle_qps, self.audit_webhook_batch_throttle_burst) {
            // Not a number is not positive either.
            (Some(rate), _) if throttled && (rate.is_nan() || rate <= 0.0) => {
                refused(positive("batch webhook throttle QPS", rate))
            }
            (_, Some(0)) if throttled => refused(positive("batch webhook throttle burst", 0)),
            _ => Ok(()),
        }
    }

    fn check_unused(&self) -> Result<(), Failure> {
        let given = [
            ("--audit-webhook-mode", self.audit_webhook_mode.is_some()),
            ("--audit-webhook-batch-buffer-size", self.audit_webhook_batch_buffer_size.is_some()),
            ("--audit-webhook-batch-max-size", self.audit_webhook_batch_max_size.is_some()),
            ("--audit-webhook-batch-max-wait", self.audit_webhook_batch_max_wait.is_some()),
            ("--audit-webhook-batch-throttle-enable", self.audit_webhook_batch_throttle_enable.is_some()),
            ("--audit-webhook-batch-throttle-qps", self.audit_webhook_batch_throttle_qps.is_some()),
            ("--audit-webhook-batch-throttle-burst", self.audit_webhook_batch_throttle_burst.is_some()),
            ("--audit-webhook-initial-backoff", self.audit_webhook_initial_backoff.is_some()),
            ("--audit-webhook-truncate-enabled", self.audit_webhook_truncate_enabled.is_some()),
            ("--audit-webhook-truncate-max-event-size", self.audit_webhook_truncate_max_event_size.is_some()),
            ("--audit-webhook-truncate-max-batch-size", self.audit_webhook_truncate_max_batch_size.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => Err(Failure::new(format!("{flag} has no effect without a webhook"))
                .fix("name its kubeconfig with --audit-webhook-config-file")),
        }
    }

    /// Begins to send, if a webhook is named.
    pub(super) fn start(&self) -> Result<Option<Webhook>, Failure> {
        let Some(path) = &self.audit_webhook_config_file else { return Ok(None) };
        let unusable = |error: portcullis_outbound::ConfigError| {
            Failure::because(format!("--audit-webhook-config-file {} cannot be used", path.display()), error)
        };
        let endpoint = kubeconfig_endpoint(path).map_err(unusable)?;
        let client = Client::new(endpoint, Limits::default()).map_err(unusable)?;
        self.config(client).map(Webhook::start).map(Some)
    }

    fn config(&self, client: Client) -> Result<WebhookConfig, Failure> {
        let upstream = WebhookConfig::to(client);
        let duration = |flag, text: &Option<String>, standard| match text {
            Some(text) => lifetime::go(flag, text),
            None => Ok(standard),
        };
        let first_pause = duration(
            "--audit-webhook-initial-backoff",
            &self.audit_webhook_initial_backoff,
            upstream.first_pause,
        )?;
        let largest_event = match self.audit_webhook_truncate_enabled {
            Some(true) => Some(self.audit_webhook_truncate_max_event_size.unwrap_or(100 * 1024)),
            _ => None,
        };
        let largest_batch = self.audit_webhook_truncate_max_batch_size.unwrap_or(upstream.largest_batch);
        let common = WebhookConfig { first_pause, largest_event, largest_batch, ..upstream };
        if self.mode() != Mode::Batch {
            // Who waits waits for nothing else.
            return Ok(WebhookConfig { wait: Duration::ZERO, throttle: None, sure: true, ..common });
        }
        let wait =
            duration("--audit-webhook-batch-max-wait", &self.audit_webhook_batch_max_wait, common.wait)?;
        let throttle = Throttle {
            rate: self.audit_webhook_batch_throttle_qps.unwrap_or(Throttle::UPSTREAM.rate),
            burst: self.audit_webhook_batch_throttle_burst.unwrap_or(Throttle::UPSTREAM.burst),
        };
        Ok(WebhookConfig {
            buffer: self.audit_webhook_batch_buffer_size.unwrap_or(common.buffer),
            batch: self.audit_webhook_batch_max_size.unwrap_or(common.batch),
            wait,
            throttle: (self.audit_webhook_batch_throttle_enable != Some(false)).then_some(throttle),
            ..common
        })
    }
}

fn positive(what: &str, value: impl std::fmt::Display) -> String {
    format!("invalid audit {what} {value}, must be a positive number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(change: impl FnOnce(&mut WebhookOptions)) -> WebhookOptions {
        let mut options =
            WebhookOptions { audit_webhook_config_file: Some("x".into()), ..Default::default() };
        change(&mut options);
        options
    }

    #[test]
    fn what_upstream_refuses_is_refused_in_its_words() {
        let table: [(WebhookOptions, &str); 7] = [
            (
                named(|o| o.audit_webhook_batch_buffer_size = Some(0)),
                "invalid audit batch webhook buffer size 0, must be a positive number",
            ),
            (
                named(|o| o.audit_webhook_batch_max_size = Some(0)),
                "invalid audit batch webhook max batch size 0, must be a positive number",
            ),
            (
                named(|o| o.audit_webhook_batch_throttle_qps = Some(-1.5)),
                "invalid audit batch webhook throttle QPS -1.5, must be a positive number",
            ),
            (
                named(|o| o.audit_webhook_batch_throttle_burst = Some(0)),
                "invalid audit batch webhook throttle burst 0, must be a positive number",
            ),
            (
                named(|o| o.audit_webhook_truncate_max_event_size = Some(0)),
                "invalid audit truncate webhook max event size 0, must be a positive number",
            ),
            (
                named(|o| o.audit_webhook_truncate_max_batch_size = Some(7)),
                "invalid audit truncate webhook max batch size 7, must be greater than max event size (102400)",
            ),
            (
                named(|o| o.audit_webhook_version = Some("audit.k8s.io/v2".into())),
                "invalid group version, allowed versions are [\"audit.k8s.io/v1\"]",
            ),
        ];
        for (options, words) in table {
            assert_eq!(options.check().unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn what_is_not_used_is_not_checked_as_upstream() {
        named(|o| {
            o.audit_webhook_mode = Some(Mode::BlockingStrict);
            o.audit_webhook_batch_buffer_size = Some(0);
        })
        .check()
        .unwrap();
        named(|o| {
            o.audit_webhook_batch_throttle_enable = Some(false);
            o.audit_webhook_batch_throttle_burst = Some(0);
        })
        .check()
        .unwrap();
    }

    #[test]
    fn flags_without_their_webhook_are_a_mistake() {
        let options = WebhookOptions { audit_webhook_batch_max_size: Some(1), ..Default::default() };
        assert!(options.check().unwrap_err().to_string().starts_with("--audit-webhook-batch-max-size"));
    }
}
