//! `DeleteOptions`, from a body or from the query.

use portcullis_api::field::{Error, Path};
use portcullis_api::{ApiError, Map, Result, Value};

use super::query::Query;
use super::write::{dry_run, options_tree, refuse};

/// What happens to dependents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Propagation {
    /// Dependents lose their owner.
    Orphan,
    /// The garbage collector deletes dependents after the owner.
    Background,
    /// Dependents go first.
    Foreground,
}

/// How an object is to be deleted.
#[derive(Debug, Default, Clone)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_period: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) orphan_dependents: Option<bool>,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) dry_run: bool,
}

/// Upstream's words for options of a kind that there is not.
pub(crate) fn no_such_options(kind: &str, version: &str) -> String {
    const SCHEME: &str = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";
    format!("no kind \"{kind}\" is registered for version \"{version}\" in scheme \"{SCHEME}\"")
}

impl DeleteOptions {
    /// The options in a body, which upstream prefers over the query whenever there is one.
    pub(crate) fn of_body(body: &Value) -> Result<Self> {
        let api_version = body.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let kind = body.get("kind").and_then(Value::as_str).unwrap_or("DeleteOptions");
        if kind != "DeleteOptions" {
            let shown = if api_version.is_empty() { "v1" } else { api_version };
            return Err(ApiError::bad_request(no_such_options(kind, shown)));
        }
        let preconditions = body.get("preconditions");
        let text = |of: Option<&Value>, key: &str| of?.get(key)?.as_str().map(str::to_owned);
        Self {
            grace_period: body.get("gracePeriodSeconds").and_then(Value::as_i64),
            uid: text(preconditions, "uid"),
            resource_version: text(preconditions, "resourceVersion"),
            orphan_dependents: body.get("orphanDependents").and_then(Value::as_bool),
            ..Self::default()
        }
        .checked(
            body.get("propagationPolicy").and_then(Value::as_str),
            body.get("dryRun").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str),
        )
    }

    /// The options in the query.
    pub(crate) fn of_query(query: &Query) -> Result<Self> {
        Self {
            grace_period: query.number("gracePeriodSeconds")?,
            orphan_dependents: query.flag("orphanDependents"),
            ..Self::default()
        }
        .checked(query.first("propagationPolicy"), query.all("dryRun"))
    }

    /// The options as an object, as admission shows them.
    pub(crate) fn tree(&self) -> Value {
        let mut tree = options_tree("DeleteOptions", self.dry_run);
        let mut put = |field: &str, value: Option<Value>| {
            value.and_then(|value| tree.insert(field.to_owned(), value));
        };
        put("gracePeriodSeconds", self.grace_period.map(Value::from));
        put("orphanDependents", self.orphan_dependents.map(Value::from));
        put("propagationPolicy", self.propagation.map(|policy| format!("{policy:?}").into()));
        let mut preconditions = Map::new();
        for (field, value) in [("uid", &self.uid), ("resourceVersion", &self.resource_version)] {
            if let Some(value) = value {
                preconditions.insert(field.to_owned(), value.as_str().into());
            }
        }
        put("preconditions", (!preconditions.is_empty()).then(|| preconditions.into()));
        tree.into()
    }

    fn checked<'a>(mut self, policy: Option<&str>, dry: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut errors = Vec::new();
        let path = Path::new("propagationPolicy");
        if let (Some(_), Some(policy)) = (self.orphan_dependents, policy) {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(Error::invalid(&path, policy, why));
        }
        self.propagation = match policy {
            None => None,
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                errors.push(Error::not_supported(&path, other, &known));
                None
            }
        };
        self.dry_run = dry_run(dry, &mut errors);
        refuse("meta.k8s.io", "DeleteOptions", &errors)?;
        Ok(self)
    }
}
