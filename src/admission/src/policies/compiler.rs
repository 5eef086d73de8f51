//! Compiles the expressions of a policy: what each may refer to and what it must come to.

use portcullis_api::Value;
use portcullis_cel::{Program, Type};

use super::variables::{MOST_NESTED, VARIABLES, Variables};
use crate::expressions::{Scope, compile};

/// More variables than these do not compile: each is compiled with the types of all before it.
const MOST_VARIABLES: usize = 1_000;

/// What an expression is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Whether the policy concerns a request.
    Condition,
    /// What must hold.
    Validation,
    /// The words of a refusal.
    Message,
    /// The value of an annotation of the audit event.
    Annotation,
    /// A configuration to apply.
    Configuration,
    /// A JSON patch.
    JsonPatch,
}

/// Compiles the expressions of one policy. Variables are compiled first, in their order.
pub struct Compiler {
    /// What all expressions may refer to but messages.
    scope: Scope,
    /// What messages may refer to.
    without_authorizer: Scope,
    variables: Variables,
    /// Whether expressions may refer to `variables` at all.
    composes: bool,
}

impl Compiler {
    /// The compiler for a policy's `spec`; `composes` says whether expressions may refer to variables even if
    /// there are none.
    pub fn new(spec: &Value, composes: bool) -> Self {
        let scope = match spec.get("paramKind") {
            None | Some(Value::Null) => Scope::new(),
            Some(_) => Scope::new().with_params(),
        };
        Self::within(scope, composes)
    }

    /// The compiler for expressions over other variables than usual.
    pub(super) fn within(scope: Scope, composes: bool) -> Self {
        Self {
            scope: scope.clone().with_authorizer(),
            without_authorizer: scope,
            variables: Variables::default(),
            composes,
        }
    }

    /// Compiles a variable; later expressions may refer to it, and fail if it does not compile.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub fn variable(&mut self, name: &str, text: &str) -> Result<(), String> {
        self.composes = true;
        let compiled = match self.variables.len() < MOST_VARIABLES {
            true => self.any(text),
            false => Err(format!("compilation failed: a policy has at most {MOST_VARIABLES} variables")),
        };
        let complaint = compiled.as_ref().err().cloned();
        self.variables.push(name, compiled);
        complaint.map_or(Ok(()), Err)
    }

    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub fn compile(&self, part: Part, text: &str) -> Result<Program, String> {
        let program = match part {
            // Conditions decide whether there is anything to compute, so they have no variables.
            Part::Condition => return compile(text, &self.scope, &[Type::Bool]),
            Part::Validation => compile(text, &self.composed(&self.scope), &[Type::Bool]),
            Part::Message => compile(text, &self.composed(&self.without_authorizer), &[Type::String]),
            Part::Annotation => compile(text, &self.composed(&self.scope), &[Type::String, Type::Null]),
            Part::Configuration => {
                let wanted = Type::named("Object");
                compile(text, &self.composed(&self.scope).writing_patches(), &[wanted])
            }
            Part::JsonPatch => {
                let wanted = Type::list(Type::named("JSONPatch"));
                compile(text, &self.composed(&self.scope).writing_patches(), &[wanted])
            }
        };
        program.and_then(|program| self.bounded(program))
    }

    /// Compiles an expression of any type.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub(super) fn any(&self, text: &str) -> Result<Program, String> {
        compile(text, &self.composed(&self.scope), &[]).and_then(|program| self.bounded(program))
    }

    /// What expressions may refer to.
    pub(super) fn environment(&self) -> Scope {
        self.composed(&self.scope)
    }

    /// The variables that were compiled.
    pub(super) fn into_variables(self) -> Variables {
        self.variables
    }

    fn composed(&self, scope: &Scope) -> Scope {
        if self.composes { scope.clone().with(VARIABLES, self.variables.kind()) } else { scope.clone() }
    }

    /// Evaluation recurses into variables, so what they nest to is bounded as a single expression is.
    fn bounded(&self, program: Program) -> Result<Program, String> {
        let nested = self.variables.nested(&program);
        if nested > MOST_NESTED && nested > program.depth() {
            return Err(format!(
                "compilation failed: variables nest too deeply: {nested} levels, the limit is {MOST_NESTED}"
            ));
        }
        Ok(program)
    }
}
