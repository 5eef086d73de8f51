//! The verdict of one validating policy on one request with one parameter.

use portcullis_api::{Reason, Value};
use portcullis_cel::{Budget, EvalError, OBJECT_BUDGET, Val};

use super::binding::text;
use super::compiler::{Compiler, Part};
use super::policy::{Expression, Policy, Rules, items};
use super::request::Facts;
use super::variables::Composed;
use crate::attributes::Attributes;
use crate::matching::{OnFailure, Verdict};

/// The longest message that an expression may make.
const LONGEST_MESSAGE: usize = 5 * 1024;

/// What a validating policy says.
#[derive(Debug)]
pub(super) struct Validations {
    validations: Vec<Validation>,
    annotations: Vec<Annotation>,
}

#[derive(Debug)]
struct Validation {
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
    reason: Reason,
}

#[derive(Debug)]
struct Annotation {
    key: String,
    value: Expression,
}

impl Rules for Validations {
    fn compile(spec: &Value, compiler: &Compiler) -> Self {
        let validation = |one: &Value| Validation {
            expression: Expression::compile(compiler, Part::Validation, text(one, "expression")),
            message: text(one, "message").trim().to_owned(),
            message_expression: Some(text(one, "messageExpression"))
                .filter(|text| !text.is_empty())
                .map(|text| Expression::compile(compiler, Part::Message, text)),
            reason: reason(text(one, "reason")),
        };
        let annotation = |one: &Value| Annotation {
            key: text(one, "key").to_owned(),
            value: Expression::compile(compiler, Part::Annotation, text(one, "valueExpression")),
        };
        Self {
            validations: items(spec, "validations").map(validation).collect(),
            annotations: items(spec, "auditAnnotations").map(annotation).collect(),
        }
    }
}

fn reason(word: &str) -> Reason {
    match word {
        "Forbidden" => Reason::Forbidden,
        "Unauthorized" => Reason::Unauthorized,
        "RequestEntityTooLarge" => Reason::RequestEntityTooLarge,
        _ => Reason::Invalid,
    }
}

/// What a policy comes to.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// The failed validations with their places.
    pub(super) failures: Vec<(usize, Failure)>,
    /// Annotations of the audit event.
    pub(super) annotations: Vec<(String, String)>,
    /// Annotations that could not be computed and refuse the request.
    pub(super) broken_annotations: Vec<String>,
}

/// A failed validation.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) reason: Reason,
}

impl Judgement {
    /// Nothing could be evaluated.
    fn failed(message: String, on_failure: OnFailure) -> Self {
        let mut judgement = Self::default();
        judgement.error(0, message, on_failure);
        judgement
    }

    fn error(&mut self, at: usize, message: String, on_failure: OnFailure) {
        if on_failure == OnFailure::Fail {
            self.failures.push((at, Failure { message, reason: Reason::Invalid }));
        }
    }
}

/// What a policy is evaluated with.
pub(super) struct Case<'v> {
    pub(super) facts: Facts<'v>,
    /// The request as validations see it.
    pub(super) request: &'v Value,
    /// The request as conditions see it.
    pub(super) condition_request: &'v Value,
}

impl Policy<Validations> {
    /// Evaluates the conditions and, if they hold, everything else.
    pub(super) fn judge(&self, write: &Attributes<'_>, case: &Case<'_>) -> Judgement {
        match self.concerns(write, case) {
            Verdict::Matches => {}
            Verdict::Excluded(_) | Verdict::Ignored => return Judgement::default(),
            Verdict::Failed(message) => return Judgement::failed(message, self.on_failure),
        }
        match self.validate(write, case) {
            Ok(mut judgement) => match self.annotate(case, &mut judgement) {
                Ok(()) => judgement,
                Err(why) => Judgement::failed(why.to_string(), self.on_failure),
            },
            Err(why) => Judgement::failed(why.to_string(), self.on_failure),
        }
    }

    fn concerns(&self, write: &Attributes<'_>, case: &Case<'_>) -> Verdict {
        if self.conditions.is_empty() {
            return Verdict::Matches;
        }
        // Upstream's conditions do not see the namespace.
        let facts = Facts { namespace: None, ..case.facts };
        let input = facts.input(case.condition_request, Some(write));
        self.conditions.evaluate(&input.bindings(), self.on_failure)
    }

    fn validate(&self, write: &Attributes<'_>, case: &Case<'_>) -> Result<Judgement, EvalError> {
        let mut budget = Budget::new(OBJECT_BUDGET);
        let bindings = case.facts.input(case.request, Some(write)).bindings();
        let composed = Composed::new(bindings, &self.variables);
        let mut outcomes = Vec::with_capacity(self.rules.validations.len());
        for validation in &self.rules.validations {
            outcomes.push(validation.expression.evaluate(&composed, &mut budget)?);
        }
        let messages = self.messages(case, budget);
        let mut judgement = Judgement::default();
        for (at, (validation, outcome)) in self.rules.validations.iter().zip(outcomes).enumerate() {
            match (outcome, &messages) {
                (Err(why), _) => judgement.error(at, why, self.on_failure),
                (Ok(_), Err(why)) => {
                    judgement.error(at, format!("failed messageExpression: {why}"), self.on_failure);
                }
                (Ok(Val::Bool(true)), _) => {}
                (Ok(_), Ok(messages)) => {
                    let computed = messages.get(at).and_then(Option::as_deref);
                    let message = validation.words(computed);
                    judgement.failures.push((at, Failure { message, reason: validation.reason }));
                }
            }
        }
        Ok(judgement)
    }

    /// What the expressions of messages come to; one that fails has no say.
    fn messages(&self, case: &Case<'_>, mut budget: Budget) -> Result<Vec<Option<String>>, EvalError> {
        let bindings = case.facts.input(case.request, None).bindings();
        let composed = Composed::new(bindings, &self.variables);
        let mut messages = Vec::with_capacity(self.rules.validations.len());
        for validation in &self.rules.validations {
            let Some(expression) = &validation.message_expression else {
                messages.push(None);
                continue;
            };
            let outcome = expression.evaluate(&composed, &mut budget)?;
            messages.push(outcome.ok().and_then(|value| value.as_str().map(str::to_owned)));
        }
        Ok(messages)
    }

    fn annotate(&self, case: &Case<'_>, judgement: &mut Judgement) -> Result<(), EvalError> {
        if self.rules.annotations.is_empty() {
            return Ok(());
        }
        let mut budget = Budget::new(OBJECT_BUDGET);
        let bindings = case.facts.input(case.request, None).bindings();
        let composed = Composed::new(bindings, &self.variables);
        for Annotation { key, value } in &self.rules.annotations {
            match value.evaluate(&composed, &mut budget)? {
                Ok(Val::String(value)) => {
                    let value = value.as_str().trim();
                    if !value.is_empty() {
                        judgement.annotations.push((key.clone(), value.to_owned()));
                    }
                }
                Ok(_) => {}
                Err(why) if self.on_failure == OnFailure::Fail => judgement.broken_annotations.push(why),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Validation {
    /// The words of a refusal: what was computed, else what is written, else the expression.
    fn words(&self, computed: Option<&str>) -> String {
        let computed = computed.map(str::trim).unwrap_or_default();
        if !computed.is_empty() && computed.len() <= LONGEST_MESSAGE && !computed.contains('\n') {
            return computed.to_owned();
        }
        if !self.message.is_empty() {
            return self.message.clone();
        }
        format!("failed expression: {}", self.expression.text.trim())
    }
}

impl Expression {
    /// The value, or the words for why there is none.
    ///
    /// # Errors
    /// When the budget is spent: then nothing more is evaluated.
    pub(super) fn evaluate<'v>(
        &self,
        composed: &Composed<'v>,
        budget: &mut Budget,
    ) -> Result<Result<Val<'v>, String>, EvalError> {
        let program = match &self.program {
            Ok(program) => program,
            Err(why) => return Ok(Err(format!("compilation error: {why}"))),
        };
        match composed.evaluate(program, budget) {
            Err(EvalError::Budget) => Err(EvalError::Budget),
            Err(why) => Ok(Err(format!("expression '{}' resulted in error: {why}", self.text))),
            Ok(value) => Ok(Ok(value)),
        }
    }
}
