//! The patches of mutating policies: a configuration to apply, or a JSON patch.

use portcullis_api::{ApiError, Object, Value};
use portcullis_cel::{Budget, OBJECT_BUDGET};
use portcullis_schema::{FieldValidation, Schema, managed, patch};

use super::compiler::{Compiler, Part};
use super::policy::Expression;
use super::variables::Composed;

/// The largest patch, as the largest request.
const LARGEST: usize = 3 * 1024 * 1024;

/// One mutation.
#[derive(Debug)]
pub(super) enum Mutation {
    Configuration(Expression),
    JsonPatch(Expression),
}

/// Why a mutation was not made.
pub(super) enum Unmade {
    /// The policy failed.
    Failed(String),
    /// The request cannot be served whatever the policy says of failures.
    Refused(ApiError),
}

impl From<String> for Unmade {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl Mutation {
    /// Compiles a mutation; none if it says nothing.
    pub(super) fn compile(mutation: &Value, compiler: &Compiler) -> Option<Self> {
        let expression = |field: &str, part: Part| {
            let text = mutation.get(field)?.get("expression")?.as_str()?;
            Some(Expression::compile(compiler, part, text))
        };
        match mutation.get("patchType")?.as_str()? {
            "ApplyConfiguration" => {
                expression("applyConfiguration", Part::Configuration).map(Self::Configuration)
            }
            "JSONPatch" => expression("jsonPatch", Part::JsonPatch).map(Self::JsonPatch),
            _ => None,
        }
    }

    /// The object after the mutation, not in normal form yet.
    ///
    /// # Errors
    /// When the expression fails, or its patch does not fit the object.
    pub(super) fn run(
        &self,
        composed: &Composed<'_>,
        schema: &Schema,
        object: &Object,
    ) -> Result<Object, Unmade> {
        match self {
            Self::Configuration(expression) => {
                let value = evaluate(expression, composed)?;
                configured(value.to_configuration(LARGEST)?, schema, object)
            }
            Self::JsonPatch(expression) => {
                let value = evaluate(expression, composed)?;
                patched(value.to_json_patch(LARGEST)?, schema, object)
            }
        }
    }
}

fn evaluate<'v>(expression: &Expression, composed: &Composed<'v>) -> Result<portcullis_cel::Val<'v>, Unmade> {
    if let Err(why) = &expression.program {
        return Err(Unmade::Failed(why.clone()));
    }
    let mut budget = Budget::new(OBJECT_BUDGET);
    let outcome = expression.evaluate(composed, &mut budget).map_err(|why| why.to_string())?;
    Ok(outcome?)
}

fn configured(
    mut configuration: portcullis_api::Map<String, Value>,
    schema: &Schema,
    object: &Object,
) -> Result<Object, Unmade> {
    configuration.insert("apiVersion".to_owned(), object.api_version().into());
    configuration.insert("kind".to_owned(), object.kind().into());
    let live = Value::Object(object.map().clone());
    let merged = managed::merge_unowned(schema.shape(), &live, &Value::Object(configuration))
        .map_err(|why| format!("error applying patch: {why}"))?;
    match merged {
        Value::Object(map) => Ok(Object::new(map)),
        _ => Err(Unmade::Failed("error applying patch: nothing is left of the object".to_owned())),
    }
}

fn patched(steps: Value, schema: &Schema, object: &Object) -> Result<Object, Unmade> {
    let outcome = patch::run_operations(steps, object).map_err(|why| format!("JSON Patch: {why}"))?;
    // A failed test means that there is nothing to do.
    let Some(mut patched) = outcome else { return Ok(object.clone()) };
    let strict = if schema.built_in().is_some() { FieldValidation::Strict } else { FieldValidation::Ignore };
    let refused = |why: &str| Unmade::Refused(ApiError::internal_said(why));
    let problems = schema.normalize(&mut patched, strict).map_err(|why| refused(why.message()))?;
    if strict == FieldValidation::Strict && !problems.is_empty() {
        return Err(refused(&format!("strict decoding error: {}", problems.join(", "))));
    }
    Ok(patched)
}
