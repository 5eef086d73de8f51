//! A policy: what it is about and what it says, compiled.

use std::sync::Arc;

use portcullis_api::{GroupVersion, Gvk, Object, Value};
use portcullis_cel::Program;

use super::binding::text;
use super::compiler::{Compiler, Part};
use super::variables::Variables;
use crate::expressions::Scope;
use crate::matching::{Conditions, Criteria, OnFailure};

/// A policy of one of the two kinds.
#[derive(Debug)]
pub(super) struct Policy<R> {
    pub(super) name: Arc<str>,
    pub(super) on_failure: OnFailure,
    /// The kind of its parameters.
    pub(super) params: Option<Gvk>,
    pub(super) criteria: Criteria,
    pub(super) conditions: Conditions,
    pub(super) variables: Variables,
    pub(super) rules: R,
}

/// What a kind of policies says.
pub(super) trait Rules: Send + Sync + Sized + 'static {
    /// Compiles what is said. What does not compile fails when it is evaluated.
    fn compile(spec: &Value, compiler: &Compiler) -> Self;
}

/// An expression with its text.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) text: String,
    pub(super) program: Result<Program, String>,
}

impl Expression {
    pub(super) fn compile(compiler: &Compiler, part: Part, text: &str) -> Self {
        Self { text: text.to_owned(), program: compiler.compile(part, text) }
    }
}

impl<R: Rules> Policy<R> {
    /// Compiles a stored policy.
    pub(super) fn compile(object: &Object) -> Self {
        static NOTHING: Value = Value::Null;
        let spec = object.get("spec").unwrap_or(&NOTHING);
        let params = spec.get("paramKind").filter(|kind| !kind.is_null()).map(param_kind);
        let scope = Scope::new().with_authorizer();
        let scope = if params.is_some() { scope.with_params() } else { scope };
        let mut compiler = Compiler::new(spec, true);
        for variable in items(spec, "variables") {
            // A complaint is kept with the variable: it concerns whoever asks for it.
            let _complaint = compiler.variable(text(variable, "name"), text(variable, "expression"));
        }
        let rules = R::compile(spec, &compiler);
        Self {
            name: object.name().into(),
            on_failure: OnFailure::read(spec),
            params,
            criteria: Criteria::of_policy(spec.get("matchConstraints").unwrap_or(&NOTHING)),
            conditions: Conditions::read(spec.get("matchConditions"), &scope),
            variables: compiler.into_variables(),
            rules,
        }
    }
}

/// The kind that `paramKind` names; one without a version is served by nobody.
fn param_kind(kind: &Value) -> Gvk {
    let gv = GroupVersion::parse(text(kind, "apiVersion")).unwrap_or_else(|| GroupVersion::new("", ""));
    Gvk::new(gv, text(kind, "kind"))
}

pub(super) fn items<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// A kind as Go prints it.
pub(super) fn go_gvk(kind: &Gvk) -> String {
    format!("{}/{}, Kind={}", kind.gv.group, kind.gv.version, kind.kind)
}
