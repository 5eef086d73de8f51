//! One call: within its deadline, judged by its failure policy, with what it says written down.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_api::{ApiError, Map, Object, Reason, Result, Value};
use portcullis_outbound::{AdmissionAnswer, CallError, Cause, InvalidReview, Request};

use super::hook::{Hook, SideEffects};
use super::metrics::{self, Ending};
use super::review;
use crate::attributes::Attributes;
use crate::expressions::{AUTHORIZER, Input, request_question, request_tree};
use crate::matching::{OnFailure, Verdict};
use crate::shown::Shown;
use crate::target::Target;

/// As much of a webhook's words of refusal is passed on.
const MAX_MESSAGE: usize = 32 << 10;
/// The longest annotation that is taken from a webhook.
const MAX_ANNOTATION: usize = 4096;

/// What is asked of webhooks: the same for all of one stage.
pub(super) struct Asking<'a, 'b> {
    pub(super) write: &'a Attributes<'b>,
    /// The word for the stage in metrics: `admit`, `validating`.
    pub(super) stage: &'static str,
    pub(super) mutates: bool,
    pub(super) patience: Duration,
}

/// Why a hook did not let the write pass.
pub(super) enum Failure {
    /// It could not be asked, or its answer is none: the words, and the code that is counted.
    Call(String, u16),
    /// It refuses.
    Rejected(ApiError),
    /// It was not asked: the request itself is at fault.
    Refused(ApiError),
}

impl<'b> Asking<'_, 'b> {
    /// Whether a hook is concerned, and as what it sees the object.
    ///
    /// # Errors
    /// When that cannot be found out: the write is refused.
    pub(super) async fn concerns(&self, hook: &Hook, object: Option<&Object>) -> Result<Option<Target>> {
        let Some(target) = hook.criteria.matches(self.write, object)? else { return Ok(None) };
        if hook.conditions.is_empty() {
            return Ok(Some(target));
        }
        let shown = Shown::of(self.write, object, &target).await.map_err(internal)?;
        match self.verdict(hook, &shown, &target) {
            Verdict::Matches => Ok(Some(target)),
            Verdict::Excluded(_) | Verdict::Ignored => {
                metrics::excluded(&hook.name, self.stage, self.write.operation.as_str());
                Ok(None)
            }
            Verdict::Failed(why) => Err(ApiError::forbidden(self.write.resource, self.write.name, &why)),
        }
    }

    fn verdict(&self, hook: &Hook, shown: &Shown<'_>, target: &Target) -> Verdict {
        let request = request_tree(self.write, target).into();
        let asks = hook.conditions.mention(AUTHORIZER)
            || hook.conditions.mention(crate::expressions::REQUEST_RESOURCE);
        let authorizer =
            asks.then(|| (self.write.reader.authorizer(self.write.user), request_question(self.write)));
        let input = Input {
            object: shown.object.as_deref(),
            old: shown.old.as_deref(),
            request: &request,
            namespace: None,
            params: None,
            authorizer,
        };
        hook.conditions.evaluate(&input.bindings(), hook.on_failure)
    }

    /// Asks a hook.
    ///
    /// # Errors
    /// Why the write does not pass, before the failure policy is looked at.
    pub(super) async fn ask(
        &self,
        hook: &Hook,
        (shown, target): (&Shown<'_>, &Target),
    ) -> Result<AdmissionAnswer, Failure> {
        self.check_dry_run(hook)?;
        let answer = self.send(hook, (shown, target)).await?;
        self.note(hook, &answer);
        if answer.allowed { Ok(answer) } else { Err(Failure::Rejected(denial(&hook.name, answer.status))) }
    }

    fn check_dry_run(&self, hook: &Hook) -> Result<(), Failure> {
        if !self.write.dry_run {
            return Ok(());
        }
        match hook.effects {
            SideEffects::NoneOnDryRun => Ok(()),
            SideEffects::Unsaid => Err(Failure::Call("Webhook SideEffects is nil".to_owned(), 400)),
            SideEffects::Some => {
                let message = format!("admission webhook {:?} does not support dry run", hook.name);
                Err(Failure::Refused(ApiError::bad_request(message)))
            }
        }
    }

    async fn send(
        &self,
        hook: &Hook,
        (shown, target): (&Shown<'_>, &Target),
    ) -> Result<AdmissionAnswer, Failure> {
        let version = hook.version.ok_or_else(|| {
            let why = "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)";
            Failure::Call(why.to_owned(), 400)
        })?;
        let client = hook
            .client
            .get()
            .map_err(|why| Failure::Call(format!("could not get REST client: {why}"), 500))?;
        let left = self.left().map_err(Failure::Refused)?.min(hook.timeout);
        let uid = uuid::Uuid::new_v4().to_string();
        let body = review::question(self.write, (shown, target), version, &uid);
        let request = Request::post(body).query(format!("timeout={}s", seconds(left))).within(left);
        let failed = |error: &CallError| {
            Failure::Call(format!("failed to call webhook: {}", words(error)), code(error))
        };
        let reply = client.send(&request).await.and_then(portcullis_outbound::Reply::success);
        let reply = reply.map_err(|error| failed(&error))?;
        AdmissionAnswer::read(&reply.body, version, &uid, self.mutates).map_err(|invalid| {
            let why = match invalid {
                InvalidReview::Unreadable(why) => format!("failed to call webhook: {why}"),
                InvalidReview::Response(why) => format!("received invalid webhook response: {why}"),
            };
            Failure::Call(why, 503)
        })
    }

    /// How long the client still waits.
    ///
    /// # Errors
    /// 504 when it does not wait any more.
    pub(super) fn left(&self) -> Result<Duration> {
        let waited = Timestamp::now().duration_since(self.write.since);
        let left = self.patience.saturating_sub(Duration::try_from(waited).unwrap_or_default());
        if left.is_zero() {
            let message = "Timeout: request did not complete within requested timeout";
            return Err(ApiError::new(Reason::Timeout, message).with_causes(Vec::new()));
        }
        Ok(left)
    }

    /// Warnings for the client, annotations for audit. A key that is none is left out.
    fn note(&self, hook: &Hook, answer: &AdmissionAnswer) {
        for (key, value) in &answer.annotations {
            let key = format!("{}/{key}", hook.name);
            if value.len() <= MAX_ANNOTATION && portcullis_api::names::qualified_name(&key).is_empty() {
                self.write.notes.annotate(key, value.as_str());
            } else {
                tracing::warn!(webhook = hook.name, "An annotation of a webhook's answer is left out");
            }
        }
        for warning in &answer.warnings {
            self.write.notes.warn(warning.clone());
        }
    }

    /// Counts an outcome and says what it means for the write: `Ok` if it goes on.
    ///
    /// # Errors
    /// The refusal the client reads.
    pub(super) fn settle<T>(
        &self,
        hook: &Hook,
        begun: Instant,
        outcome: Result<T, Failure>,
        open: impl FnOnce(),
    ) -> Result<Option<T>> {
        let told = |ending: Ending, code: u16| {
            metrics::called(
                &hook.name,
                self.stage,
                self.write.operation.as_str(),
                begun.elapsed(),
                ending,
                code,
            );
        };
        match outcome {
            Ok(done) => {
                told(Ending::Allowed, 200);
                Ok(Some(done))
            }
            Err(Failure::Rejected(error)) => {
                told(Ending::Rejected, error.code().as_u16());
                Err(error)
            }
            Err(Failure::Refused(error)) => {
                told(Ending::Internal, 0);
                Err(error)
            }
            Err(Failure::Call(why, code)) if hook.on_failure == OnFailure::Ignore => {
                told(Ending::FailedOpen, code);
                tracing::warn!(webhook = hook.name, why, "A webhook failed and is passed over");
                open();
                self.left().map(|_| None)
            }
            Err(Failure::Call(why, code)) => {
                told(Ending::Failed, code);
                tracing::warn!(webhook = hook.name, why, "A webhook failed, so the write is refused");
                Err(ApiError::internal_said(&format!("failed calling webhook {:?}: {why}", hook.name)))
            }
        }
    }
}

/// 500 with the words of an error that came up on the way to a webhook.
pub(super) fn internal(error: ApiError) -> ApiError {
    match error.log() {
        Some(_) => error,
        None => ApiError::internal_said(error.message()),
    }
}

/// What client-go says of a failed call.
fn words(error: &CallError) -> String {
    match error.cause() {
        Cause::Status { message, .. } => message.clone(),
        _ => error.to_string(),
    }
}

fn code(error: &CallError) -> u16 {
    match error.cause() {
        Cause::Status { code, .. } => code.as_u16(),
        _ => 503,
    }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// A webhook's refusal with its own `Status`, which says who refuses.
fn denial(name: &str, status: Option<Map<String, Value>>) -> ApiError {
    let mut status = status.unwrap_or_default();
    let text = |field: &str| status.get(field).and_then(Value::as_str).unwrap_or_default();
    let by = format!("admission webhook {name:?} denied the request");
    let message = match (text("message"), text("reason")) {
        ("", "") => format!("{by} without explanation"),
        ("", reason) => format!("{by}: {reason}"),
        (message, _) => format!("{by}: {message}"),
    };
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    status.insert("message".to_owned(), message.into());
    ApiError::passed_on(&status)
}
