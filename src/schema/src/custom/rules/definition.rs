//! Rules when a definition is written: whether they compile, what they cost, and what they refer to.
//!
//! Costs are bounded by what the schema bounds: a rule of an element costs as often as there can be elements. A single rule and all
//! rules together have a limit; beyond it the definition is refused.

use portcullis_api::field::{Error, ErrorList, Path, Raw};

use super::super::Structural;
use super::super::at::At;
use super::super::node::{Additional, ListType, Node, NodeId, Type};
use super::compile::{Compiled, Scope, most};
use super::shapes::Shapes;

/// What one rule may cost for one object.
const RULE_LIMIT: u64 = 10_000_000;
/// What all rules of a schema may cost for one object.
const SCHEMA_LIMIT: u64 = 100_000_000;
/// The most costly rules that are named.
const NAMED: usize = 4;
/// The request that bounds what has no bound.
const LARGEST_REQUEST: u64 = 3 * 1024 * 1024;

/// Checks all rules of a schema; where `found` tells of something else in a part of it, its rules are left alone.
pub(in super::super) fn check(schema: &Structural, at: &At<'_>, found: &ErrorList) -> ErrorList {
    let shapes = Shapes::new(schema);
    let mut walk = Walk { schema, shapes, found, errors: ErrorList::new(), total: 0, costly: Vec::new() };
    walk.node(schema.root(), at, Place { root: true, count: Some(1), lost: None });
    let Walk { mut errors, total, costly, .. } = walk;
    if total > SCHEMA_LIMIT {
        let words =
            "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        errors.extend(costly.into_iter().map(|(path, _)| Error::forbidden(&path, words)));
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        at.forbidden(&mut errors, exceeds(what, total, SCHEMA_LIMIT));
    }
    errors
}

/// Where a node stands.
#[derive(Clone)]
struct Place {
    /// Whether it is the whole object or an embedded one.
    root: bool,
    /// How many of its values there can be, if that is bounded.
    count: Option<u64>,
    /// The outermost node within which values have no counterpart before a change.
    lost: Option<Path>,
}

struct Walk<'s> {
    schema: &'s Structural,
    shapes: Shapes<'s>,
    found: &'s ErrorList,
    errors: ErrorList,
    total: u64,
    /// The most costly rules first.
    costly: Vec<(Path, u64)>,
}

impl Walk<'_> {
    fn node(&mut self, id: NodeId, at: &At<'_>, place: Place) {
        let node = self.schema.node(id);
        let count = place.count.zip(repeats(node)).map(|(count, each)| count.saturating_mul(each));
        let inner = |schema: &Structural, id: NodeId, lost: Option<Path>| Place {
            root: schema.node(id).embedded,
            count,
            lost,
        };
        if let Additional::Of(values) = node.additional {
            let place = inner(self.schema, values, place.lost.clone());
            self.node(values, &at.child("additionalProperties"), place);
        }
        let properties = at.child("properties");
        for (name, property) in &node.properties {
            let place = inner(self.schema, *property, place.lost.clone());
            self.node(*property, &properties.key(name), place);
        }
        if let Some(items) = node.items {
            let lost = place.lost.clone();
            let lost = if node.list == ListType::Map { lost } else { lost.or_else(|| Some(at.path())) };
            let place = inner(self.schema, items, lost);
            self.node(items, &at.child("items"), place);
        }
        if !node.rules.is_empty() && !self.is_broken(at) {
            self.rules(id, node, &at.child("x-kubernetes-validations"), &place);
        }
    }

    /// Whether something is wrong with the node or below it.
    fn is_broken(&self, at: &At<'_>) -> bool {
        let path = at.path();
        let within = |error: &Error| {
            let rest = error.path.as_str().strip_prefix(path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.found.iter().any(within)
    }

    fn rules(&mut self, id: NodeId, node: &Node, at: &At<'_>, place: &Place) {
        let shape = self.shapes.of(id, place.root);
        let scope = Scope::new(&shape);
        if !scope.is_visible() {
            let words = "internal error: failed to construct type information for x-kubernetes-validations rules: \
                         unable to convert structural schema to CEL declarations";
            self.errors.push(Error::internal(&at.path(), words));
            return;
        }
        let count = place.count.unwrap_or_else(|| LARGEST_REQUEST / shape.least_size().saturating_add(1));
        for (index, written) in node.rules.iter().enumerate() {
            let compiled = scope.compile((id, index), written);
            let here = at.index(index);
            let (rule, message) = (here.child("rule"), here.child("messageExpression"));
            match &compiled.program {
                Some(Err(words)) => rule.invalid(&mut self.errors, Raw(written.shown()), words.as_str()),
                Some(Ok(program)) => {
                    let cost = most(program, &shape).saturating_mul(count);
                    self.cost("estimated rule cost", &rule, cost);
                }
                None => {}
            }
            match &compiled.message {
                Some(Err(words)) => message.invalid(&mut self.errors, Raw(written.shown()), words.as_str()),
                Some(Ok(program)) => {
                    self.cost("estimated messageExpression cost", &message, most(program, &shape));
                }
                None => {}
            }
            self.old(&compiled, written, &here, place);
        }
    }

    /// What a rule says about the value before.
    fn old(&mut self, compiled: &Compiled, written: &super::Written, at: &At<'_>, place: &Place) {
        match (&place.lost, compiled.uses_old, written.optional_old_self()) {
            (Some(lost), true, _) => {
                let words = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {lost}"
                );
                at.child("rule").invalid(&mut self.errors, written.rule(), words);
            }
            (_, false, Some(value)) => {
                let words = "may not be set if oldSelf is not used in rule";
                at.child("optionalOldSelf").invalid(&mut self.errors, value, words);
            }
            _ => {}
        }
    }

    fn cost(&mut self, what: &str, at: &At<'_>, cost: u64) {
        if cost > RULE_LIMIT {
            at.forbidden(&mut self.errors, exceeds(what, cost, RULE_LIMIT));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA_LIMIT / 100 {
            let place = self.costly.partition_point(|(_, known)| *known >= cost);
            self.costly.insert(place, (at.path(), cost));
            self.costly.truncate(NAMED);
        }
    }
}

/// How many values a value of a node can hold, if that is bounded.
fn repeats(node: &Node) -> Option<u64> {
    let checks = node.checks.as_deref();
    let most = |most: Option<i64>| most.map(|most| u64::try_from(most).unwrap_or_default());
    match node.ty {
        Type::Object if node.additional != Additional::Unset => {
            most(checks.and_then(|checks| checks.max_properties))
        }
        Type::Array => most(checks.and_then(|checks| checks.max_items)),
        _ => Some(1),
    }
}

fn exceeds(what: &str, cost: u64, limit: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "only a few digits are shown")]
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        factor if factor > 100.0 => "more than 100x".to_owned(),
        factor if factor < 1.5 => format!("{factor:.6}x"),
        factor => format!("{factor:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}
