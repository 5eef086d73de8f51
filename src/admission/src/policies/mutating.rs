//! Mutating policies on a write: which of them run, in the order of their names, and what they make of the object.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, Cause, Object, Reason, Result, Value};

use super::binding::{Binding, text};
use super::compiler::Compiler;
use super::hooks::{Hook, Policies};
use super::params::{self, Param};
use super::patch::{Mutation, Unmade};
use super::policy::{Policy, Rules, go_gvk, items};
use super::request::{self, Facts};
use super::variables::Composed;
use crate::attributes::{Attributes, Operation};
use crate::matching::{OnFailure, Verdict};
use crate::plugins::{forbidden, shown_name};
use crate::shown::Shown;
use crate::stage::{MutatingStage, Round};
use crate::target::Target;

/// What a mutating policy says.
#[derive(Debug)]
pub(super) struct Mutations {
    mutations: Vec<Mutation>,
    /// Whether it runs again when something changed after it.
    again: bool,
}

impl Rules for Mutations {
    fn compile(spec: &Value, compiler: &Compiler) -> Self {
        let mutations = items(spec, "mutations").filter_map(|one| Mutation::compile(one, compiler)).collect();
        Self { mutations, again: text(spec, "reinvocationPolicy") == "IfNeeded" }
    }
}

#[async_trait]
impl MutatingStage for Policies {
    fn is_idle(&self) -> bool {
        self.mutating.is_idle()
    }

    async fn mutate(
        &self,
        write: &Attributes<'_>,
        object: Option<&mut Object>,
        round: &mut Round<'_>,
    ) -> Result<()> {
        // There is nothing to change where something goes.
        let Some(object) = object else { return Ok(()) };
        if write.operation == Operation::Delete || request::is_exempt(write) {
            return Ok(());
        }
        let active = self.mutating.active();
        let mut run = Run { write, errors: Vec::new() };
        let mut invocations = Vec::new();
        for hook in active.iter() {
            run.select(hook, object, &mut invocations).await;
        }
        if !invocations.is_empty() {
            run.invoke(&invocations, object, round).await?;
        }
        run.verdict(object)
    }
}

/// A policy to run with one binding and one parameter.
struct Invocation {
    policy: Arc<Policy<Mutations>>,
    binding: Arc<Binding>,
    param: Param,
    target: Target,
}

impl Invocation {
    /// What tells it from others.
    fn id(&self) -> String {
        let (policy, binding) = (&self.policy.name, &self.binding.name);
        match &self.param {
            Some(param) => format!("{policy}/{binding}/{}/{}", param.namespace(), param.name()),
            None => format!("{policy}/{binding}"),
        }
    }
}

/// A failure of a policy that does not say to ignore it.
struct Failure {
    message: String,
    reason: Option<Reason>,
}

struct Run<'r, 'a> {
    write: &'r Attributes<'a>,
    errors: Vec<Failure>,
}

impl Run<'_, '_> {
    /// Finds out which of a policy's bindings are about the write.
    async fn select(&mut self, hook: &Hook<Mutations>, object: &Object, found: &mut Vec<Invocation>) {
        let policy = &hook.policy;
        let matched = policy.criteria.matches(self.write, Some(object));
        let (target, kind) = match matched.map_err(|why| why.message().to_owned()) {
            Ok(None) => return,
            Ok(Some(target)) => match params::served(policy.params.as_ref(), self.write) {
                Ok(kind) => (target, kind),
                Err(why) => return self.misconfigured(policy, None, &why),
            },
            Err(why) => return self.misconfigured(policy, None, &why),
        };
        for binding in &hook.bindings {
            let matches = match &binding.criteria {
                None => Ok(true),
                Some(criteria) => criteria.matches(self.write, Some(object)).map(|target| target.is_some()),
            };
            let params = match matches {
                Ok(false) => continue,
                Ok(true) => params::collect(kind.as_ref(), binding, self.write).await,
                Err(why) => Err(why.message().to_owned()),
            };
            match params {
                Ok(params) => found.extend(params.into_iter().map(|param| Invocation {
                    policy: policy.clone(),
                    binding: binding.clone(),
                    param,
                    target: target.clone(),
                })),
                Err(why) => self.misconfigured(policy, Some(binding), &why),
            }
        }
    }

    async fn invoke(
        &mut self,
        invocations: &[Invocation],
        object: &mut Object,
        round: &mut Round<'_>,
    ) -> Result<()> {
        let namespace = request::namespace_tree(self.write)?;
        let mut patched = false;
        for invocation in invocations {
            let id = invocation.id();
            let before = Shown::of(self.write, Some(object), &invocation.target).await?;
            let Shown { object: Some(shown), old } = before else { continue };
            let (shown, old) = (shown.into_owned(), old.map(std::borrow::Cow::into_owned));
            let facts = Facts {
                object: Some(&shown),
                old: old.as_ref(),
                params: invocation.param.as_deref(),
                namespace: namespace.as_ref(),
            };
            match self.concerns(invocation, &facts) {
                Verdict::Matches => {}
                Verdict::Excluded(_) | Verdict::Ignored => continue,
                Verdict::Failed(why) => {
                    self.fail(&invocation.policy, Some(&invocation.binding), &why, Some(Reason::Invalid));
                    continue;
                }
            }
            if !round.runs(&id) {
                continue;
            }
            if let Some(changed) = self.mutated(invocation, &facts)? {
                patched = true;
                if changed != shown {
                    *object = self.as_requested(changed, &invocation.target).await?;
                    round.changed();
                }
            }
            if invocation.policy.rules.again {
                round.ran(&id);
            }
            crate::stage::breathe().await;
        }
        if patched {
            round.changed();
        }
        Ok(())
    }

    fn concerns(&self, invocation: &Invocation, facts: &Facts<'_>) -> Verdict {
        let policy = &invocation.policy;
        if policy.conditions.is_empty() {
            return Verdict::Matches;
        }
        let request = request::condition_tree(self.write, &invocation.target);
        let facts = Facts { namespace: None, ..*facts };
        policy.conditions.evaluate(&facts.input(&request, Some(self.write)).bindings(), policy.on_failure)
    }

    /// The object after all mutations of a policy; none if none was made. A mutation that fails does not keep
    /// the others from being made.
    fn mutated(&mut self, invocation: &Invocation, facts: &Facts<'_>) -> Result<Option<Object>> {
        let Invocation { policy, binding, target, .. } = invocation;
        let request = request::tree(self.write, target);
        let schema = self.write.kinds.schema(target).ok_or_else(|| unknown_kind(target))?;
        let mut current: Option<Object> = None;
        for mutation in &policy.rules.mutations {
            let object = current.as_ref().or(facts.object);
            let Some(object) = object else { return Ok(None) };
            let facts = Facts { object: Some(object), ..*facts };
            let bindings = facts.input(&request, Some(self.write)).bindings();
            let made = mutation.run(&Composed::new(bindings, &policy.variables), &schema, object);
            match made {
                Ok(mut made) => {
                    self.write.kinds.settle(target, &mut made)?;
                    current = Some(made);
                }
                Err(Unmade::Refused(error)) => return Err(error),
                Err(Unmade::Failed(why)) => self.fail(policy, Some(binding), &why, Some(Reason::Invalid)),
            }
        }
        Ok(current)
    }

    async fn as_requested(&self, object: Object, from: &Target) -> Result<Object> {
        let own = self.write.target();
        if from.kind == own.kind { Ok(object) } else { self.write.kinds.convert(object, from, &own).await }
    }

    fn misconfigured(&mut self, policy: &Policy<Mutations>, binding: Option<&Binding>, why: &str) {
        let what = if binding.is_some() { "binding" } else { "policy" };
        self.fail(policy, binding, &format!("failed to configure {what}: {why}"), None);
    }

    fn fail(
        &mut self,
        policy: &Policy<Mutations>,
        binding: Option<&Binding>,
        why: &str,
        reason: Option<Reason>,
    ) {
        if policy.on_failure == OnFailure::Ignore {
            return;
        }
        let name = &policy.name;
        let message = match binding {
            Some(binding) => {
                format!("policy '{name}' with binding '{}' denied request: {why}", binding.name)
            }
            None => format!("policy {} denied request: {why}", go_quote(name)),
        };
        self.errors.push(Failure { message, reason });
    }

    /// The first failure is what the client reads; all are among the causes.
    fn verdict(self, object: &Object) -> Result<()> {
        let Some(first) = self.errors.first() else { return Ok(()) };
        let refusal = forbidden(self.write, shown_name(object), "admission request denied by policy");
        let refusal = refusal.with_message(first.message.clone());
        let code = refusal.code();
        let refusal = match first.reason {
            Some(reason) => refusal.with_reason(reason).with_code(code),
            None => refusal,
        };
        let cause = |failure: Failure| Cause { message: failure.message, ..Cause::default() };
        Err(refusal.with_causes(self.errors.into_iter().map(cause).collect()))
    }
}

/// 503 for a kind whose schema is not there yet.
fn unknown_kind(target: &Target) -> ApiError {
    let message = format!(
        "Resource kind {} not found. There can be a delay between when CustomResourceDefinitions are created and when \
         they are available.",
        go_gvk(&target.kind)
    );
    ApiError::new(Reason::ServiceUnavailable, message)
}
