//! A binding: where a policy applies, with which parameters, and what follows from a failed validation.

use std::sync::Arc;

use portcullis_api::selector::LabelSelector;
use portcullis_api::{Object, Value};

use crate::matching::Criteria;

/// What follows from a validation that fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Deny,
    Warn,
    Audit,
}

/// A binding as it was read when it was stored.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) name: Arc<str>,
    /// The policy it binds.
    pub(super) policy: Arc<str>,
    /// None is about everything that the policy is about.
    pub(super) criteria: Option<Criteria>,
    pub(super) params: Option<ParamRef>,
    pub(super) actions: Vec<Action>,
    /// The actions as they are written.
    pub(super) shown_actions: Value,
}

/// Which objects are the parameters.
#[derive(Debug)]
pub(super) struct ParamRef {
    pub(super) namespace: String,
    pub(super) chosen: Chosen,
    /// Whether a binding that finds none refuses.
    pub(super) required: bool,
}

/// How the parameters are chosen.
#[derive(Debug)]
pub(super) enum Chosen {
    Name(String),
    Labels(Result<LabelSelector, String>),
    /// Both ways, or neither: what no validated binding says.
    Misconfigured(&'static str),
}

impl Binding {
    /// Reads a stored binding.
    pub(super) fn read(object: &Object) -> Self {
        static NOTHING: Value = Value::Null;
        let spec = object.get("spec").unwrap_or(&NOTHING);
        let matches = spec.get("matchResources").filter(|matches| !matches.is_null());
        let actions = spec.get("validationActions").and_then(Value::as_array);
        Self {
            name: object.name().into(),
            policy: text(spec, "policyName").into(),
            criteria: matches.map(Criteria::of_policy),
            params: spec.get("paramRef").filter(|params| !params.is_null()).map(ParamRef::read),
            actions: actions.into_iter().flatten().filter_map(Value::as_str).map(action).collect(),
            shown_actions: spec.get("validationActions").cloned().unwrap_or(Value::Null),
        }
    }
}

/// A word that means nothing refuses: it was meant to do something.
fn action(word: &str) -> Action {
    match word {
        "Warn" => Action::Warn,
        "Audit" => Action::Audit,
        _ => Action::Deny,
    }
}

impl ParamRef {
    fn read(params: &Value) -> Self {
        let selector = params.get("selector").filter(|selector| !selector.is_null());
        let chosen = match (text(params, "name"), selector) {
            ("", None) => Chosen::Misconfigured("one of name or selector must be provided"),
            ("", selector) => Chosen::Labels(LabelSelector::from_object(selector)),
            (name, None) => Chosen::Name(name.to_owned()),
            (_, Some(_)) => {
                Chosen::Misconfigured("paramRef.name and paramRef.selector are mutually exclusive")
            }
        };
        Self {
            namespace: text(params, "namespace").to_owned(),
            chosen,
            required: text(params, "parameterNotFoundAction") == "Deny",
        }
    }
}

pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
