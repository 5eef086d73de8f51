//! Expressions over claims and users: compiled when the configuration is read, evaluated within a budget.

use std::fmt;
use std::sync::{Arc, LazyLock};

use portcullis_api::{Map, UserInfo, Value};
use portcullis_cel::{
    Bindings, Budget, Environment, Merge, OBJECT_BUDGET, Program, Property, Shape, Type, Val,
};
use serde_json::json;

const CLAIMS: &str = "claims";
const USER: &str = "user";

static CLAIMS_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::map(Shape::any(), None));

static USER_SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let texts = || Arc::new(Shape::list(Arc::new(Shape::string(None)), None, Merge::Atomic));
    let field = |name: &str, shape: Arc<Shape>| Property { name: name.to_owned(), shape, counted: false };
    Shape::object(
        "kubernetes.UserInfo",
        vec![
            field("username", Arc::new(Shape::string(None))),
            field("uid", Arc::new(Shape::string(None))),
            field("groups", texts()),
            field("extra", Arc::new(Shape::map(texts(), None))),
        ],
    )
});

/// What an expression is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// `claims`, the token's.
    Claims,
    /// `user`, whom the claims make.
    User,
}

/// An expression that was compiled.
#[derive(Clone)]
pub(crate) struct Expression {
    text: String,
    program: Arc<Program>,
}

/// An expression that must hold, and what is said where it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) expression: Expression,
    pub(crate) message: String,
}

impl Expression {
    /// Compiles an expression; a rule must be a boolean. The error has upstream's words.
    pub(super) fn compile(text: &str, about: About, is_rule: bool) -> Result<Self, String> {
        let (name, shape) = match about {
            About::Claims => (CLAIMS, &*CLAIMS_SHAPE),
            About::User => (USER, &*USER_SHAPE),
        };
        let environment = Environment::new().variable(name, shape.cel_type().unwrap_or(Type::Dyn));
        let program = environment.compile(text).map_err(|error| format!("compilation failed: {error}"))?;
        if is_rule && *program.output() != Type::Bool {
            return Err("must evaluate to bool".to_owned());
        }
        if let Some(defect) = program.defect() {
            return Err(format!("program instantiation failed: {defect}"));
        }
        Ok(Self { text: text.to_owned(), program: Arc::new(program) })
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its value as one text.
    pub(super) fn of_claims_as_text(&self, claims: &Claims<'_>) -> Result<Option<String>, String> {
        Ok(self.evaluate(CLAIMS, claims.0, &CLAIMS_SHAPE)?.as_str().map(str::to_owned))
    }

    /// Its value as texts: one, several or, for null, none. Empty ones do not count.
    pub(super) fn of_claims_as_texts(&self, claims: &Claims<'_>) -> Result<Vec<String>, String> {
        let wrong = || "expression must return a string or a list of strings".to_owned();
        let texts = match self.evaluate(CLAIMS, claims.0, &CLAIMS_SHAPE)? {
            Val::Null => Vec::new(),
            Val::List(list) => {
                let values = list.values();
                values
                    .iter()
                    .map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong))
                    .collect::<Result<_, _>>()?
            }
            one => vec![one.as_str().ok_or_else(wrong)?.to_owned()],
        };
        Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
    }

    fn evaluate<'v>(&self, name: &'v str, data: &'v Value, shape: &'v Shape) -> Result<Val<'v>, String> {
        let bindings = Bindings::new().bind_json(name, data, shape);
        let mut budget = Budget::new(OBJECT_BUDGET);
        let value = self.program.evaluate(&bindings, &mut budget);
        value.map_err(|error| format!("expression '{}' resulted in error: {error}", self.text))
    }
}

impl Rule {
    /// Whether it holds for claims.
    pub(super) fn check_claims(&self, claims: &Claims<'_>) -> Result<(), String> {
        self.check(CLAIMS, claims.0, &CLAIMS_SHAPE)
    }

    /// Whether it holds for a user.
    pub(super) fn check_user(&self, user: &Value) -> Result<(), String> {
        self.check(USER, user, &USER_SHAPE)
    }

    fn check(&self, name: &str, data: &Value, shape: &Shape) -> Result<(), String> {
        match self.expression.evaluate(name, data, shape)?.as_bool() {
            None => Err("validation expression must return a boolean".to_owned()),
            Some(true) => Ok(()),
            Some(false) => {
                let (text, message) = (&self.expression.text, &self.message);
                Err(format!("validation expression '{text}' failed: {message}"))
            }
        }
    }
}

/// The claims of a token as one value.
pub(super) struct Claims<'c>(&'c Value);

impl<'c> Claims<'c> {
    pub(super) fn of(all: &'c Value) -> Self {
        Self(all)
    }
}

/// A user as one value.
pub(super) fn user_value(user: &UserInfo) -> Value {
    let extra: Map<String, Value> =
        user.extra.iter().map(|(key, values)| (key.clone(), json!(values))).collect();
    let groups: Vec<&str> = user.groups.iter().map(|group| &**group).collect();
    json!({ "username": &*user.name, "uid": &*user.uid, "groups": groups, "extra": extra })
}

impl PartialEq for Expression {
    /// The text is all there is to an expression.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}
