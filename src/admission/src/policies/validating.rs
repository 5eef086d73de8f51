//! Validating policies on a write: what all of them say together.

use std::collections::BTreeMap;

use async_trait::async_trait;
use http::StatusCode;
use portcullis_api::{Cause, Object, Reason, Result, Value};

use super::binding::{Action, Binding};
use super::hooks::{Hook, Policies};
use super::judge::{Case, Failure, Judgement, Validations};
use super::params;
use super::policy::Policy;
use super::request::{self, Facts};
use crate::attributes::Attributes;
use crate::matching::OnFailure;
use crate::plugins::{forbidden, shown_name};
use crate::shown::Shown;
use crate::stage::ValidatingStage;
use crate::target::Target;

/// The annotation that tells of a failed validation.
const FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";
/// The longest value of a policy's annotation.
const LONGEST_ANNOTATION: usize = 10 * 1024;

#[async_trait]
impl ValidatingStage for Policies {
    fn is_idle(&self) -> bool {
        self.validating.is_idle()
    }

    async fn validate(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<()> {
        if request::is_exempt(write) {
            return Ok(());
        }
        let active = self.validating.active();
        let mut run = Run { write, object, refusals: Vec::new() };
        for hook in active.iter() {
            run.policy(hook).await?;
        }
        run.verdict()
    }
}

/// A refusal and what it comes from.
struct Refusal {
    message: String,
    reason: Reason,
}

struct Run<'r, 'a> {
    write: &'r Attributes<'a>,
    object: Option<&'r Object>,
    refusals: Vec<Refusal>,
}

/// What one policy's bindings share.
struct Prepared<'r> {
    shown: Shown<'r>,
    request: Value,
    condition_request: Value,
}

impl<'r> Run<'r, '_> {
    async fn policy(&mut self, hook: &Hook<Validations>) -> Result<()> {
        let policy = &hook.policy;
        let target = match policy.criteria.matches(self.write, self.object) {
            Ok(Some(target)) => target,
            Ok(None) => return Ok(()),
            Err(why) => {
                self.misconfigured(policy, None, why.message());
                return Ok(());
            }
        };
        let kind = match params::served(policy.params.as_ref(), self.write) {
            Ok(kind) => kind,
            Err(why) => {
                self.misconfigured(policy, None, &why);
                return Ok(());
            }
        };
        let mut annotations = Annotations::default();
        let mut prepared = None;
        for binding in &hook.bindings {
            let matches = match &binding.criteria {
                None => Ok(true),
                Some(criteria) => criteria.matches(self.write, self.object).map(|target| target.is_some()),
            };
            let params = match matches {
                Ok(false) => continue,
                Ok(true) => params::collect(kind.as_ref(), binding, self.write).await,
                Err(why) => Err(why.message().to_owned()),
            };
            let params = match params {
                Ok(params) => params,
                Err(why) => {
                    self.misconfigured(policy, Some(binding), &why);
                    continue;
                }
            };
            if prepared.is_none() && !params.is_empty() {
                match self.prepare(&target).await {
                    Ok(ready) => prepared = Some(ready),
                    Err(why) => {
                        let why = format!("failed to convert object version: {}", why.message());
                        self.misconfigured(policy, Some(binding), &why);
                        continue;
                    }
                }
            }
            let namespace = request::namespace_tree(self.write)?;
            let Some(ready) = &prepared else { continue };
            for param in &params {
                let facts = Facts {
                    object: ready.shown.object.as_deref(),
                    old: ready.shown.old.as_deref(),
                    params: param.as_deref(),
                    namespace: namespace.as_ref(),
                };
                let case =
                    Case { facts, request: &ready.request, condition_request: &ready.condition_request };
                let judgement = policy.judge(self.write, &case);
                self.take(policy, binding, judgement, &mut annotations);
                crate::stage::breathe().await;
            }
        }
        annotations.publish(&policy.name, self.write);
        Ok(())
    }

    async fn prepare(&self, target: &Target) -> Result<Prepared<'r>> {
        Ok(Prepared {
            shown: Shown::of(self.write, self.object, target).await?,
            request: request::tree(self.write, target),
            condition_request: request::condition_tree(self.write, target),
        })
    }

    /// Does what the binding says about failed validations.
    fn take(
        &mut self,
        policy: &Policy<Validations>,
        binding: &Binding,
        judgement: Judgement,
        annotations: &mut Annotations,
    ) {
        for (at, failure) in &judgement.failures {
            for action in &binding.actions {
                match action {
                    Action::Deny => self.refuse(policy, Some(binding), &failure.message, failure.reason),
                    Action::Audit => self.audit(policy, binding, *at, failure),
                    Action::Warn => self.write.notes.warn(format!(
                        "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                        policy.name, binding.name, failure.message
                    )),
                }
            }
        }
        for (key, value) in judgement.annotations {
            annotations.add(key, value);
        }
        for why in judgement.broken_annotations {
            self.refuse(policy, Some(binding), &why, Reason::Invalid);
        }
    }

    fn audit(&self, policy: &Policy<Validations>, binding: &Binding, at: usize, failure: &Failure) {
        let (message, policy, binding_name) =
            (go_json(&failure.message), go_json(&policy.name), go_json(&binding.name));
        let actions = &binding.shown_actions;
        let value = format!(
            "[{{\"message\":{message},\"policy\":{policy},\"binding\":{binding_name},\"expressionIndex\":{at},\
             \"validationActions\":{actions}}}]"
        );
        self.write.notes.annotate(FAILURE, value);
    }

    fn misconfigured(&mut self, policy: &Policy<Validations>, binding: Option<&Binding>, why: &str) {
        if policy.on_failure == OnFailure::Fail {
            let what = if binding.is_some() { "binding" } else { "policy" };
            self.refuse(policy, binding, &format!("failed to configure {what}: {why}"), Reason::Invalid);
        }
    }

    fn refuse(&mut self, policy: &Policy<Validations>, binding: Option<&Binding>, why: &str, reason: Reason) {
        let name = &policy.name;
        let message = match binding {
            Some(binding) => {
                let binding = &binding.name;
                format!("ValidatingAdmissionPolicy '{name}' with binding '{binding}' denied request: {why}")
            }
            None => format!("ValidatingAdmissionPolicy '{name}' denied request: {why}"),
        };
        self.refusals.push(Refusal { message, reason });
    }

    /// The first refusal is what the client reads.
    fn verdict(self) -> Result<()> {
        let Some(Refusal { message, reason }) = self.refusals.into_iter().next() else { return Ok(()) };
        let name = self.object.or(self.write.old).map(shown_name).unwrap_or_default();
        let refusal = forbidden(self.write, name, &message);
        let code = match reason {
            Reason::Forbidden | Reason::Unauthorized | Reason::RequestEntityTooLarge => reason.code(),
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let cause = Cause { message, ..Cause::default() };
        Err(refusal.with_reason(reason).with_code(code).with_causes(vec![cause]))
    }
}

/// A text as Go writes it in JSON.
fn go_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// The annotations of one policy: what several bindings say differently is put together.
#[derive(Default)]
struct Annotations(BTreeMap<String, Vec<String>>);

impl Annotations {
    fn add(&mut self, key: String, mut value: String) {
        if value.len() > LONGEST_ANNOTATION {
            let cut = (0..=LONGEST_ANNOTATION).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
            value.truncate(cut);
        }
        let values = self.0.entry(key).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    fn publish(self, policy: &str, write: &Attributes<'_>) {
        for (key, values) in self.0 {
            write.notes.annotate(format!("{policy}/{key}"), values.join(", "));
        }
    }
}
