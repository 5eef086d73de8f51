//! Match conditions: expressions all of which must hold for a webhook or policy to be concerned.

use portcullis_api::Value;
use portcullis_cel::{Bindings, Budget, EvalError, MATCH_BUDGET, Program, Type};

use crate::expressions::{Scope, compile};

/// What happens when something cannot be found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// The request is refused.
    Fail,
    /// The webhook or policy is passed over.
    Ignore,
}

impl OnFailure {
    /// Reads `failurePolicy`.
    pub fn read(from: &Value) -> Self {
        match from.get("failurePolicy").and_then(Value::as_str) {
            Some("Ignore") => Self::Ignore,
            _ => Self::Fail,
        }
    }
}

/// What conditions say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All hold.
    Matches,
    /// One does not: its name.
    Excluded(String),
    /// It cannot be found out, and that is to be ignored.
    Ignored,
    /// It cannot be found out: the words for the client.
    Failed(String),
}

/// Conditions that were compiled.
#[derive(Debug, Default)]
pub struct Conditions(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    name: String,
    text: String,
    program: Result<Program, String>,
}

impl Conditions {
    /// Reads and compiles `matchConditions`.
    pub fn read(list: Option<&Value>, scope: &Scope) -> Self {
        let text =
            |one: &Value, field: &str| one.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let read = |one: &Value| {
            let expression = text(one, "expression");
            let program = compile(&expression, scope, &[Type::Bool]);
            Condition { name: text(one, "name"), text: expression, program }
        };
        Self(list.and_then(Value::as_array).into_iter().flatten().map(read).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any mentions a variable.
    pub fn mention(&self, variable: &str) -> bool {
        self.0.iter().any(|one| one.program.as_ref().is_ok_and(|program| program.references(variable)))
    }

    /// Evaluates all within their budget. One that does not hold settles it, whatever the others do.
    pub fn evaluate(&self, bindings: &Bindings<'_>, on_failure: OnFailure) -> Verdict {
        let failed = |errors: Vec<String>| match on_failure {
            OnFailure::Ignore => Verdict::Ignored,
            OnFailure::Fail => Verdict::Failed(aggregate(errors)),
        };
        let mut budget = Budget::new(MATCH_BUDGET);
        let mut outcomes = Vec::with_capacity(self.0.len());
        for condition in &self.0 {
            match condition.evaluate(bindings, &mut budget) {
                Err(Failure::Budget(why)) => return failed(vec![why]),
                Err(Failure::Condition(why)) => outcomes.push(Err(why)),
                Ok(holds) => outcomes.push(Ok((condition, holds))),
            }
        }
        let excludes = |outcome: &Result<(&Condition, bool), String>| match outcome {
            Ok((condition, false)) => Some(condition.name.clone()),
            _ => None,
        };
        if let Some(name) = outcomes.iter().find_map(excludes) {
            return Verdict::Excluded(name);
        }
        let errors: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
        if errors.is_empty() { Verdict::Matches } else { failed(errors) }
    }
}

enum Failure {
    /// Of one condition; another may still exclude.
    Condition(String),
    /// Nothing more can be evaluated.
    Budget(String),
}

impl Condition {
    fn evaluate(&self, bindings: &Bindings<'_>, budget: &mut Budget) -> Result<bool, Failure> {
        let program = match &self.program {
            Ok(program) => program,
            Err(why) => return Err(Failure::Condition(format!("compilation error: {why}"))),
        };
        match program.evaluate(bindings, budget) {
            // Checked when it was compiled.
            Ok(value) => Ok(value.as_bool() != Some(false)),
            Err(EvalError::Budget) => Err(Failure::Budget(EvalError::Budget.to_string())),
            Err(why) => {
                Err(Failure::Condition(format!("expression '{}' resulted in error: {why}", self.text)))
            }
        }
    }
}

/// Several errors as Go joins them, each once.
fn aggregate(mut errors: Vec<String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    errors.retain(|error| {
        let new = !seen.contains(error);
        seen.push(error.clone());
        new
    });
    match errors.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}
