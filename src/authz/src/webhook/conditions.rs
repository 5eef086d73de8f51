//! Match conditions: expressions over `request`, the `spec` of the review as v1 has it.
//!
//! One that is false leaves the webhook out, whatever the others do. Without a false one, one that cannot be
//! evaluated makes the question fail.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::{Map, Value};
use portcullis_cel::{Bindings, Budget, Environment, MATCH_BUDGET, Merge, Program, Property, Shape, Type};
use serde_json::json;

use super::review::Spec;
use crate::metrics;

const REQUEST: &str = "request";
/// Upstream's limit.
const MOST: usize = 64;

static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let text = || Arc::new(Shape::string(None));
    let texts = || Arc::new(Shape::list(text(), None, Merge::Atomic));
    let requirement = || {
        let fields = vec![field("key", text()), field("operator", text()), field("values", texts())];
        Arc::new(Shape::declared("kubernetes.SelectorRequirement", fields))
    };
    let selector = |name: &str| {
        let requirements = Arc::new(Shape::list(requirement(), None, Merge::Atomic));
        let fields = vec![field("rawSelector", text()), field("requirements", requirements)];
        Arc::new(Shape::declared(name, fields))
    };
    let mut resource: Vec<Property> = WORDS.iter().map(|word| field(word, text())).collect();
    resource.push(field("fieldSelector", selector("kubernetes.FieldSelectorAttributes")));
    resource.push(field("labelSelector", selector("kubernetes.LabelSelectorAttributes")));
    let path = vec![field("path", text()), field("verb", text())];
    let all = vec![
        field("resourceAttributes", Arc::new(Shape::declared("kubernetes.ResourceAttributes", resource))),
        field("nonResourceAttributes", Arc::new(Shape::declared("kubernetes.NonResourceAttributes", path))),
        field("user", text()),
        field("groups", texts()),
        field("extra", Arc::new(Shape::map(texts(), None))),
        field("uid", text()),
    ];
    Shape::declared("kubernetes.SubjectAccessReviewSpec", all)
});

/// The attributes of a resource that are always there, empty or not.
const WORDS: [&str; 7] = ["namespace", "verb", "group", "version", "resource", "subresource", "name"];

fn field(name: &str, shape: Arc<Shape>) -> Property {
    Property { name: name.to_owned(), shape, counted: false }
}

/// The conditions of one webhook.
pub(crate) struct Conditions(Vec<(String, Program)>);

impl Conditions {
    /// Compiles texts that were checked.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(crate) fn compile(texts: &[String]) -> Result<Self, String> {
        texts.iter().map(|text| Ok((text.clone(), compile(text)?))).collect::<Result<_, String>>().map(Self)
    }

    /// What is wrong with texts, in upstream's words; `path` is the authorizer's.
    pub(crate) fn check(texts: &[String], path: &Path, errors: &mut ErrorList) {
        let path = path.child("matchConditions");
        if texts.len() > MOST {
            errors.push(Error::too_many(&path, texts.len(), MOST));
            return;
        }
        for (place, text) in texts.iter().enumerate() {
            let path = path.index(place).child("expression");
            if text.trim().is_empty() {
                errors.push(Error::required(&path, ""));
            } else if texts.iter().take(place).any(|other| other == text) {
                errors.push(Error::duplicate(&path, text.as_str()));
            } else if let Err(why) = compile(text) {
                errors.push(Error::invalid(&path, text.as_str(), why));
            }
        }
    }

    /// Whether the webhook is about a request.
    ///
    /// # Errors
    /// Why that cannot be told.
    pub(super) fn hold(&self, webhook: &str, spec: &Spec) -> Result<bool, String> {
        if self.0.is_empty() {
            return Ok(true);
        }
        let started = Instant::now();
        let verdict = self.judge(spec);
        metrics::conditions_judged(webhook, started.elapsed(), &verdict);
        verdict
    }

    fn judge(&self, spec: &Spec) -> Result<bool, String> {
        let request = whole(spec.value());
        let bindings = Bindings::new().bind_json(REQUEST, &request, &SHAPE);
        let (mut budget, mut errors) = (Budget::new(MATCH_BUDGET), Vec::new());
        for (text, program) in &self.0 {
            match program.evaluate(&bindings, &mut budget).map(|value| value.as_bool()) {
                Ok(Some(true)) => {}
                Ok(Some(false)) => return Ok(false),
                Ok(None) => errors.push(format!(
                    "cel evaluation error: expression '{text}' eval result type should be bool"
                )),
                Err(error) => {
                    errors.push(format!(
                        "cel evaluation error: expression '{text}' resulted in error: {error}"
                    ));
                }
            }
        }
        if errors.is_empty() { Ok(true) } else { Err(crate::decision::aggregate(errors.iter())) }
    }

    /// The texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(text, _)| &**text)
    }
}

fn compile(text: &str) -> Result<Program, String> {
    let environment = Environment::new().variable(REQUEST, SHAPE.cel_type().unwrap_or(Type::Dyn));
    let program = environment.compile(text).map_err(|error| format!("compilation failed: {error}"))?;
    if *program.output() != Type::Bool {
        return Err(format!("must evaluate to bool but got {}", program.output()));
    }
    if let Some(defect) = program.defect() {
        return Err(format!("program instantiation failed: {defect}"));
    }
    Ok(program)
}

/// The question with what is empty too: a condition may ask for it.
fn whole(spec: &Value) -> Value {
    let mut all = json!({"user": "", "groups": [], "uid": "", "extra": {}});
    let Some(map) = all.as_object_mut() else { return all };
    map.extend(spec.as_object().cloned().unwrap_or_default());
    if let Some(resource) = map.get_mut("resourceAttributes").and_then(Value::as_object_mut) {
        fill(resource, &WORDS);
    }
    if let Some(path) = map.get_mut("nonResourceAttributes").and_then(Value::as_object_mut) {
        fill(path, &["path", "verb"]);
    }
    all
}

fn fill(map: &mut Map<String, Value>, words: &[&str]) {
    for word in words {
        map.entry(*word).or_insert_with(|| Value::from(""));
    }
}
