//! Variables of a policy: expressions with names that other expressions refer to, computed when one does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_cel::{Activation, Bindings, Budget, EvalError, ObjectType, Program, Type, Val};

/// What holds the variables.
pub(super) const VARIABLES: &str = "variables";

/// How deep the expressions may nest that are evaluated at the same time: one that refers to a variable, that
/// variable, and so on. A single expression may nest as deep.
pub(super) const MOST_NESTED: usize = 250;

/// Variables in their order; each may refer to those before.
#[derive(Debug, Default)]
pub(super) struct Variables(Vec<Variable>);

#[derive(Debug)]
struct Variable {
    name: Arc<str>,
    program: Result<Program, String>,
    /// How deep it nests with what it refers to.
    nested: usize,
}

impl Variables {
    /// One more variable, or why it has no value.
    pub(super) fn push(&mut self, name: &str, program: Result<Program, String>) {
        let nested = program.as_ref().map_or(0, |program| self.nested(program));
        self.0.push(Variable { name: name.into(), program, nested });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How deep an expression nests with the variables it refers to.
    pub(super) fn nested(&self, program: &Program) -> usize {
        let below = match program.fields_of(VARIABLES) {
            None => self.0.iter().map(|variable| variable.nested).max(),
            Some(fields) => {
                let named = |variable: &&Variable| fields.contains(&*variable.name);
                self.0.iter().filter(named).map(|variable| variable.nested).max()
            }
        };
        program.depth().saturating_add(below.unwrap_or_default())
    }

    /// Their type, as far as they are known.
    pub(super) fn kind(&self) -> Type {
        let kind = |variable: &Variable| variable.program.as_ref().map_or(Type::Dyn, |it| plain(it.output()));
        let fields = self.0.iter().map(|variable| (variable.name.clone(), kind(variable)));
        Type::Object(ObjectType::new("kubernetes.variables", fields).into())
    }
}

/// The type that another expression sees: what is no plain value is looked at when it is evaluated.
fn plain(kind: &Type) -> Type {
    match kind {
        Type::List(element) => Type::list(plain(element)),
        Type::Map(pair) => Type::map(plain(&pair.0), plain(&pair.1)),
        Type::Null
        | Type::Bool
        | Type::Int
        | Type::Uint
        | Type::Double
        | Type::String
        | Type::Bytes
        | Type::Timestamp
        | Type::Duration => kind.clone(),
        _ => Type::Dyn,
    }
}

/// The variables of a request, with those of the policy as they were computed so far.
pub(super) struct Composed<'v> {
    bindings: Bindings<'v>,
    variables: &'v Variables,
    known: RefCell<Vec<Option<Result<Val<'v>, String>>>>,
    /// What variables may still cost.
    budget: Cell<Budget>,
}

/// What an expression sees: the variables before it.
struct Before<'c, 'v> {
    composed: &'c Composed<'v>,
    limit: usize,
}

impl<'v> Composed<'v> {
    pub(super) fn new(bindings: Bindings<'v>, variables: &'v Variables) -> Self {
        let known = RefCell::new(vec![None; variables.0.len()]);
        Self { bindings, variables, known, budget: Cell::new(Budget::new(0)) }
    }

    /// Evaluates an expression. What it cost, and what variables cost that it was the first to ask for, is taken
    /// from the budget.
    pub(super) fn evaluate(&self, program: &Program, budget: &mut Budget) -> Result<Val<'v>, EvalError> {
        let before = *budget;
        self.budget.set(before);
        let outcome = program.evaluate(&Before { composed: self, limit: self.variables.0.len() }, budget);
        match budget.also_spend(before, self.budget.get()) {
            true => outcome,
            false => Err(EvalError::Budget),
        }
    }

    fn value(&self, at: usize) -> Result<Val<'v>, String> {
        if let Some(Some(known)) = self.known.borrow().get(at) {
            return known.clone();
        }
        let value = self.compute(at);
        if let Some(slot) = self.known.borrow_mut().get_mut(at) {
            *slot = Some(value.clone());
        }
        value
    }

    fn compute(&self, at: usize) -> Result<Val<'v>, String> {
        let Some(Variable { name, program, .. }) = self.variables.0.get(at) else {
            return Err("no such variable".to_owned());
        };
        let program = program
            .as_ref()
            .map_err(|why| format!("composited variable \"{name}\" fails to compile: {why}"))?;
        let before = self.budget.get();
        let mut own = before;
        let outcome = program.evaluate(&Before { composed: self, limit: at }, &mut own);
        own.also_spend(before, self.budget.get());
        self.budget.set(own);
        outcome.map_err(|why| format!("composited variable \"{name}\" fails to evaluate: {why}"))
    }
}

impl<'v> Activation<'v> for Before<'_, 'v> {
    fn find(&self, name: &str) -> Option<Result<Val<'v>, String>> {
        if name != VARIABLES {
            return self.composed.bindings.find(name);
        }
        // All of them at once: those that have no value are not there.
        let named = self.composed.variables.0.iter().take(self.limit).enumerate();
        let values: BTreeMap<String, Val<'v>> = named
            .filter_map(|(at, variable)| Some((variable.name.to_string(), self.composed.value(at).ok()?)))
            .collect();
        Some(Ok(Val::map(values)))
    }

    fn field(&self, variable: &str, field: &str) -> Option<Result<Val<'v>, String>> {
        if variable != VARIABLES {
            return None;
        }
        let before = self.composed.variables.0.get(..self.limit)?;
        let at = before.iter().rposition(|variable| *variable.name == *field)?;
        Some(self.composed.value(at))
    }
}
