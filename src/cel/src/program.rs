//! Environments, programs and what they are evaluated with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::check::{Facts, Names, check, type_named};
use crate::cost::{Hints, Range, estimate};
use crate::error::EvalError;
use crate::eval::{self, Node};
use crate::meter::{ALL_WORK, MOST_WORK, Meter};
use crate::shape::Shape;
use crate::source::{CompileError, Issue, Position, Source};
use crate::syntax::ast::{Expr, Kind, Literal};
use crate::syntax::{Complaint, parse};
use crate::types::Type;
use crate::value::{Val, read};

/// What one evaluation may cost.
pub const CALL_LIMIT: u64 = 1_000_000;
/// What all evaluations for one object may cost together.
pub const OBJECT_BUDGET: u64 = 10_000_000;
/// What all match conditions for one object may cost together.
pub const MATCH_BUDGET: u64 = 2_500_000;

/// What expressions may refer to: variables with their types, beside the functions of all libraries.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    names: Arc<Names>,
}

impl Environment {
    /// An environment without variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more variable.
    #[must_use]
    pub fn variable(self, name: &str, kind: Type) -> Self {
        let mut names = Arc::unwrap_or_clone(self.names);
        names.variables.insert(name.into(), kind);
        Self { names: names.into() }
    }

    /// The same where expressions can also write patches: `Object{..}` and `JSONPatch{..}`.
    #[must_use]
    pub fn writing_patches(self) -> Self {
        Self { names: Names { patches: true, ..Arc::unwrap_or_clone(self.names) }.into() }
    }

    /// Reads, checks and prepares an expression.
    pub fn compile(&self, text: &str) -> Result<Program, CompileError> {
        let source = Source::new(text);
        let failed = |complaints: Vec<Complaint>| {
            let issues = complaints.into_iter().map(|complaint| {
                let at = complaint.at.map_or(Position::NOWHERE, |at| source.position(at));
                Issue { at, message: complaint.message }
            });
            CompileError::new(source.clone(), issues.collect())
        };
        let mut parsed = parse(text).map_err(failed)?;
        let facts = check(&mut parsed.root, parsed.nodes, &self.names).map_err(failed)?;
        Program::new(parsed.root, facts, &self.names, source.text())
    }
}

/// An expression that can be evaluated.
pub struct Program {
    root: Expr,
    facts: Facts,
    /// What is evaluated, or why nothing can be.
    plan: Result<Node, String>,
    text: Arc<str>,
}

impl fmt::Debug for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Program").field("text", &self.text).finish_non_exhaustive()
    }
}

impl Program {
    fn new(root: Expr, facts: Facts, names: &Names, text: &str) -> Result<Self, CompileError> {
        let types = |name: &str| -> Option<Type> {
            if names.variables.contains_key(name) {
                return None;
            }
            match type_named(name)? {
                Type::Type(Some(inner)) => Some((*inner).clone()),
                _ => None,
            }
        };
        let plan = eval::plan(&root, &facts, &types);
        Ok(Self { root, facts, plan, text: text.into() })
    }

    /// The type of its values.
    #[must_use]
    pub fn output(&self) -> &Type {
        self.facts.kind(&self.root)
    }

    /// Why it can never be evaluated, if so: a constant part of it has no value.
    #[must_use]
    pub fn defect(&self) -> Option<&str> {
        self.plan.as_ref().err().map(String::as_str)
    }

    /// Whether it mentions a variable.
    #[must_use]
    pub fn references(&self, variable: &str) -> bool {
        mentions(&self.root, variable)
    }

    /// The fields of a variable that it selects; none if it mentions the variable otherwise.
    #[must_use]
    pub fn fields_of(&self, variable: &str) -> Option<BTreeSet<&str>> {
        let mut fields = BTreeSet::new();
        selections(&self.root, variable, &mut fields).then_some(fields)
    }

    /// How deep it nests, which is how deep evaluating it recurses.
    #[must_use]
    pub fn depth(&self) -> usize {
        depth(&self.root)
    }

    /// What it costs if its variables are as large as they can be.
    #[must_use]
    pub fn estimate(&self, hints: Hints<'_>) -> Range {
        estimate(&self.root, &self.facts, hints)
    }

    /// Evaluates it. What it cost is taken from the budget, whatever comes out.
    pub fn evaluate<'v>(
        &self,
        activation: &dyn Activation<'v>,
        budget: &mut Budget,
    ) -> Result<Val<'v>, EvalError> {
        let mut meter = Meter::new(budget.call, budget.work.min(MOST_WORK));
        let outcome = match &self.plan {
            Ok(node) => eval::run(node, activation, &mut meter).map_err(EvalError::from),
            Err(defect) => Err(EvalError::Failed(defect.clone())),
        };
        budget.work = budget.work.saturating_sub(meter.worked());
        match budget.left.checked_sub(meter.cost()) {
            Some(left) if budget.work > 0 => {
                budget.left = left;
                outcome
            }
            _ => {
                budget.left = 0;
                Err(EvalError::Budget)
            }
        }
    }
}

fn mentions(expr: &Expr, variable: &str) -> bool {
    if matches!(&expr.kind, Kind::Ident(name) if &**name == variable) {
        return true;
    }
    let mut found = false;
    expr.children(&mut |child| found = found || mentions(child, variable));
    found
}

/// Whether a variable is only mentioned where a field of it is selected; collects the fields.
fn selections<'e>(expr: &'e Expr, variable: &str, fields: &mut BTreeSet<&'e str>) -> bool {
    let is = |expr: &Expr| matches!(&expr.kind, Kind::Ident(name) if &**name == variable);
    match &expr.kind {
        Kind::Select(select) if is(&select.operand) => {
            fields.insert(&select.field);
            return true;
        }
        Kind::Call(call) if &*call.function == "_?._" && call.args.first().is_some_and(is) => {
            if let Some(Kind::Literal(Literal::String(field))) = call.args.get(1).map(|field| &field.kind) {
                fields.insert(field);
                return true;
            }
        }
        _ => {}
    }
    let mut only = !is(expr);
    expr.children(&mut |child| only = selections(child, variable, fields) && only);
    only
}

fn depth(expr: &Expr) -> usize {
    let mut below = 0;
    expr.children(&mut |child| below = below.max(depth(child)));
    below.saturating_add(1)
}

/// What evaluations may still cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    left: u64,
    call: u64,
    /// What may still be done of what is counted beside costs.
    work: u64,
}

impl Budget {
    /// So much for all evaluations together, and for each what one may cost.
    #[must_use]
    pub fn new(total: u64) -> Self {
        Self { left: total, call: CALL_LIMIT, work: ALL_WORK }
    }

    /// The same with another limit for each.
    #[must_use]
    pub fn with_call_limit(self, call: u64) -> Self {
        Self { call, ..self }
    }

    /// Takes what was taken from a copy of this budget, too; says whether there was as much.
    pub fn also_spend(&mut self, before: Self, after: Self) -> bool {
        let cost = before.left.saturating_sub(after.left);
        self.work = self.work.saturating_sub(before.work.saturating_sub(after.work));
        // A copy that was spent to the end may have been asked for more.
        let within = cost <= self.left && self.work > 0 && (after.left > 0 || before.left == 0);
        self.left = if within { self.left - cost } else { 0 };
        within
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }
}

/// The values of variables.
pub trait Activation<'v> {
    /// The value of a variable; none if there is no such variable.
    fn find(&self, name: &str) -> Option<Result<Val<'v>, String>>;

    /// The value of a field of a variable whose fields are computed one by one, when they are asked for; none if
    /// the variable is not of that kind or has no such field.
    fn field(&self, _variable: &str, _field: &str) -> Option<Result<Val<'v>, String>> {
        None
    }
}

/// Variables and their values.
#[derive(Clone, Debug, Default)]
pub struct Bindings<'v> {
    values: BTreeMap<&'v str, Result<Val<'v>, String>>,
}

impl<'v> Bindings<'v> {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more variable.
    #[must_use]
    pub fn bind(mut self, name: &'v str, value: Val<'v>) -> Self {
        self.values.insert(name, Ok(value));
        self
    }

    /// The same with one more variable that is part of the data.
    #[must_use]
    pub fn bind_json(mut self, name: &'v str, json: &'v Json, shape: &'v Shape) -> Self {
        let value = read(json, shape).map_err(|fault| EvalError::from(fault).to_string());
        self.values.insert(name, value);
        self
    }
}

impl<'v> Activation<'v> for Bindings<'v> {
    fn find(&self, name: &str) -> Option<Result<Val<'v>, String>> {
        self.values.get(name).cloned()
    }
}

impl<'v> Val<'v> {
    /// Part of the data as a value.
    pub fn from_json(json: &'v Json, shape: &'v Shape) -> Result<Self, EvalError> {
        read(json, shape).map_err(EvalError::from)
    }

    /// An object of the data as a value.
    #[must_use]
    pub fn from_object(object: &'v serde_json::Map<String, Json>, shape: &'v Shape) -> Self {
        Self::Map(crate::value::Map::Json(object, shape))
    }

    /// A map from texts.
    #[must_use]
    pub fn map(values: BTreeMap<String, Self>) -> Self {
        let entry = |(name, value): (String, Self)| {
            let key = Self::text(name);
            Some((crate::value::Key::of(&key)?, (key, value)))
        };
        Self::Map(crate::value::Map::Shared(Arc::new(values.into_iter().filter_map(entry).collect())))
    }

    /// A value that may be missing.
    #[must_use]
    pub fn optional(value: Option<Self>) -> Self {
        Self::Optional(value.map(Arc::new))
    }
}
