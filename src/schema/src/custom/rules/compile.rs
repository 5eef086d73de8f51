//! The rules beside a schema: a tree of the nodes that have rules, or rules below them.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_cel::{Environment, Hints, Program, Shape, Type};

use super::super::Structural;
use super::super::node::{Additional, NodeId};
use super::shapes::Shapes;
use super::written::Written;

/// The name of the value a rule is about.
pub(super) const SELF: &str = "self";
/// The name of the value before.
pub(super) const OLD_SELF: &str = "oldSelf";

/// A node with its rules and those below it.
#[derive(Debug)]
pub(in super::super) struct Spot {
    pub(super) node: NodeId,
    pub(super) shape: Arc<Shape>,
    pub(super) rules: Vec<Compiled>,
    pub(super) items: Option<Box<Spot>>,
    pub(super) additional: Option<Box<Spot>>,
    pub(super) properties: BTreeMap<Box<str>, Spot>,
    pub(super) all_of: Vec<Spot>,
}

/// A rule that can be evaluated, or why it cannot be.
#[derive(Debug)]
pub(super) struct Compiled {
    /// The node the rule stands in and its place there.
    pub(super) source: (NodeId, usize),
    /// Nothing for an empty rule.
    pub(super) program: Option<Result<Program, String>>,
    pub(super) message: Option<Result<Program, String>>,
    pub(super) uses_old: bool,
}

impl Compiled {
    pub(super) fn written<'s>(&self, schema: &'s Structural) -> Option<&'s Written> {
        schema.node(self.source.0).rules.get(self.source.1)
    }
}

/// The tree for a whole schema; nothing if it has no rules.
pub(in super::super) fn compile(schema: &Structural) -> Option<Spot> {
    let mut shapes = Shapes::new(schema);
    spot(schema, &mut shapes, schema.root(), schema.root(), true)
}

/// The rules of `validation`, which is `node` itself or a part of its `allOf`, about values of `node`.
fn spot(
    schema: &Structural,
    shapes: &mut Shapes<'_>,
    validation: NodeId,
    node: NodeId,
    root: bool,
) -> Option<Spot> {
    let (rules, values) = (schema.node(validation), schema.node(node));
    let mut below = |validation: Option<NodeId>, node: Option<NodeId>| {
        let node = node?;
        let embedded = schema.node(node).embedded;
        spot(schema, shapes, validation?, node, embedded)
    };
    let additional = |additional: &Additional| match additional {
        Additional::Of(id) => Some(*id),
        _ => None,
    };
    let items = below(rules.items, values.items).map(Box::new);
    let additional = below(additional(&rules.additional), additional(&values.additional)).map(Box::new);
    let properties: BTreeMap<Box<str>, Spot> = rules
        .properties
        .iter()
        .filter_map(|(name, id)| Some((name.clone(), below(Some(*id), values.property(name))?)))
        .collect();
    let parts = rules.checks.as_deref().map_or(&[][..], |checks| &checks.all_of);
    let all_of: Vec<Spot> = parts.iter().filter_map(|part| spot(schema, shapes, *part, node, root)).collect();
    let bare = rules.rules.is_empty();
    if bare && items.is_none() && additional.is_none() && properties.is_empty() && all_of.is_empty() {
        return None;
    }
    let shape = shapes.of(node, root);
    let compiled = if bare { Vec::new() } else { compile_all(schema, validation, &shape) };
    Some(Spot { node, shape, rules: compiled, items, additional, properties, all_of })
}

fn compile_all(schema: &Structural, validation: NodeId, shape: &Shape) -> Vec<Compiled> {
    let written = schema.node(validation).rules.iter().enumerate();
    let scope = Scope::new(shape);
    written.map(|(index, rule)| scope.compile((validation, index), rule)).collect()
}

/// What the rules of one node may refer to.
pub(super) struct Scope {
    plain: Environment,
    optional: Environment,
    visible: bool,
}

impl Scope {
    pub(super) fn new(shape: &Shape) -> Self {
        let kind = shape.cel_type();
        let visible = kind.is_some();
        let kind = kind.unwrap_or(Type::Dyn);
        let base = Environment::new().variable(SELF, kind.clone());
        Self {
            plain: base.clone().variable(OLD_SELF, kind.clone()),
            optional: base.variable(OLD_SELF, Type::optional(kind)),
            visible,
        }
    }

    /// Whether expressions can see such values at all.
    pub(super) fn is_visible(&self) -> bool {
        self.visible
    }

    pub(super) fn compile(&self, source: (NodeId, usize), rule: &Written) -> Compiled {
        let optional = rule.optional_old_self() == Some(true);
        let environment = if optional { &self.optional } else { &self.plain };
        let mut compiled = Compiled { source, program: None, message: None, uses_old: false };
        if rule.rule().trim().is_empty() {
            return compiled;
        }
        let program = program(environment, rule.rule());
        compiled.uses_old = program.as_ref().is_ok_and(|program| program.references(OLD_SELF));
        let usable = program.is_ok();
        compiled.program = Some(program);
        if usable && !rule.message_expression().is_empty() {
            compiled.message = Some(message(environment, rule.message_expression()));
        }
        compiled
    }
}

fn program(environment: &Environment, text: &str) -> Result<Program, String> {
    let program = environment.compile(text).map_err(|error| format!("compilation failed: {error}"))?;
    if *program.output() != Type::Bool {
        return Err("cel expression must evaluate to a bool".to_owned());
    }
    match program.defect() {
        Some(defect) => Err(format!("program instantiation failed: {defect}")),
        None => Ok(program),
    }
}

fn message(environment: &Environment, text: &str) -> Result<Program, String> {
    let compiled = environment.compile(text);
    let program = compiled.map_err(|error| format!("messageExpression compilation failed: {error}"))?;
    if *program.output() != Type::String {
        return Err("messageExpression must evaluate to a string".to_owned());
    }
    match program.defect() {
        Some(defect) => Err(format!("messageExpression instantiation failed: {defect}")),
        None => Ok(program),
    }
}

/// What a program costs at most for values of a shape.
pub(super) fn most(program: &Program, shape: &Shape) -> u64 {
    program.estimate(Hints::of(shape)).max
}
