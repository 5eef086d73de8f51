//! Checks the expressions of a validating policy against the types of what it is about. What it finds changes nothing
//! about the policy; it is shown in the policy's status.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::{GroupVersion, Gvk, Gvr, Value};
use portcullis_cel::{Shape, Type};
use serde_json::json;

use super::binding::text;
use super::compiler::Compiler;
use super::policy::{go_gvk, items};
use crate::expressions::{OBJECT, OLD_OBJECT, PARAMS, Scope};

/// No more kinds than these are looked at.
const MOST_KINDS: usize = 10;

/// What is served, with its types.
pub trait Known {
    /// The kind of a resource's objects.
    fn kind_of(&self, resource: &Gvr) -> Option<Gvk>;

    /// What is known of a kind's objects.
    fn shape_of(&self, kind: &Gvk) -> Option<Arc<Shape>>;
}

/// The warnings about a policy's expressions, as `status.typeChecking.expressionWarnings` holds them.
pub fn type_check(spec: &Value, known: &dyn Known) -> Vec<Value> {
    let checker = Checker::new(spec, known);
    let mut warnings = Vec::new();
    for (at, validation) in items(spec, "validations").enumerate() {
        for field in ["expression", "messageExpression"] {
            let expression = text(validation, field);
            if expression.is_empty() {
                continue;
            }
            let found = checker.check(expression);
            if !found.is_empty() {
                let place = format!("spec.validations[{at}].{field}");
                warnings.push(json!({"fieldRef": place, "warning": found.join("\n")}));
            }
        }
    }
    warnings
}

struct Checker<'s> {
    spec: &'s Value,
    /// The kinds it may be about, each with the compiler for its types.
    kinds: Vec<(Gvk, Type)>,
    params: Option<Type>,
}

impl<'s> Checker<'s> {
    fn new(spec: &'s Value, known: &dyn Known) -> Self {
        let kind_type = |kind: &Gvk| known.shape_of(kind).map(|shape| shape.cel_type().unwrap_or(Type::Dyn));
        let kinds = kinds(spec, known).into_iter().filter_map(|kind| {
            let found = kind_type(&kind)?;
            Some((kind, found))
        });
        let params = spec.get("paramKind").filter(|kind| !kind.is_null()).map(|kind| {
            let gv = GroupVersion::parse(text(kind, "apiVersion"));
            gv.and_then(|gv| kind_type(&Gvk::new(gv, text(kind, "kind")))).unwrap_or(Type::Dyn)
        });
        Self { spec, kinds: kinds.collect(), params }
    }

    /// What is wrong with an expression, for each kind for which something is.
    fn check(&self, expression: &str) -> Vec<String> {
        let complaint = |(kind, found): &(Gvk, Type)| {
            let mut scope = Scope::new().with(OBJECT, found.clone()).with(OLD_OBJECT, found.clone());
            if let Some(params) = &self.params {
                scope = scope.with(PARAMS, params.clone());
            }
            let mut compiler = Compiler::within(scope, true);
            for variable in items(self.spec, "variables") {
                // What is wrong with a variable shows where it is used.
                let _complaint = compiler.variable(text(variable, "name"), text(variable, "expression"));
            }
            let error = compiler.environment().environment().compile(expression).err()?;
            Some(format!("{}: {error}\n", go_gvk(kind)))
        };
        self.kinds.iter().filter_map(complaint).collect()
    }
}

/// The kinds that the rules of a policy name outright, sorted.
fn kinds(spec: &Value, known: &dyn Known) -> BTreeSet<Gvk> {
    let mut kinds = BTreeSet::new();
    let Some(matches) = spec.get("matchConstraints") else { return kinds };
    for rule in items(matches, "resourceRules") {
        let (groups, versions) = (exact(rule, "apiGroups"), exact(rule, "apiVersions"));
        let (Some(groups), Some(versions)) = (groups, versions) else { continue };
        let mut resources: Vec<&str> = items(rule, "resources").filter_map(Value::as_str).collect();
        resources.retain(|resource| !resource.contains(['*', '/']));
        resources.sort_unstable();
        let mut count = 0;
        for group in &groups {
            for version in &versions {
                for resource in &resources {
                    let gvr = Gvr::new(GroupVersion::new(*group, *version), *resource);
                    let Some(kind) = known.kind_of(&gvr) else { continue };
                    kinds.insert(kind);
                    count += 1;
                    if count == MOST_KINDS {
                        return kinds;
                    }
                }
            }
        }
    }
    kinds
}

/// The words of a rule, sorted; none if one of them stands for several.
fn exact<'r>(rule: &'r Value, field: &str) -> Option<Vec<&'r str>> {
    let mut words: Vec<&str> = items(rule, field).filter_map(Value::as_str).collect();
    words.sort_unstable();
    (!words.iter().any(|word| word.contains('*'))).then_some(words)
}
