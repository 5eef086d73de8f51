//! The question as it is sent and the answer as it is read.

use aws_lc_rs::digest;
use portcullis_api::selector::{FieldSelector, LabelSelector, Operator};
use portcullis_api::{Map, UserInfo, Value};
use serde_json::json;

use crate::attributes::{Attributes, Resource, Subject};

/// What a client chose of a question may be no larger than this for its answer to be kept, as upstream.
const LARGEST_KEPT: usize = 10_000;
/// The longest reason that is passed on, in characters.
const LONGEST_REASON: usize = 1_024;

/// The version of the reviews.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// `v1`
    V1,
    /// `v1beta1`
    V1Beta1,
}

impl Version {
    /// The version of a word.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "v1" => Some(Self::V1),
            "v1beta1" => Some(Self::V1Beta1),
            _ => None,
        }
    }

    /// Whether an answer allows, and whether it denies.
    ///
    /// # Errors
    /// When it is none.
    pub fn read_answer(self, body: &[u8]) -> Result<(bool, bool), String> {
        read(self, body).map(|answer| (answer.allowed, answer.denied))
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "authorization.k8s.io/v1",
            Self::V1Beta1 => "authorization.k8s.io/v1beta1",
        }
    }
}

/// Stands for a question: a digest of its text, so that no question is kept itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key(pub(super) [u8; 32]);

/// The `spec` of a review.
pub(crate) struct Spec {
    /// As v1 has it, without what is empty.
    value: Value,
    small: bool,
}

impl Spec {
    pub(super) fn new(user: &UserInfo, asked: &Attributes<'_>) -> Self {
        let mut spec = Map::new();
        match &asked.subject {
            Subject::Path(path) => {
                spec.insert("nonResourceAttributes".into(), texts(&[("path", path), ("verb", asked.verb)]));
            }
            Subject::Resource(resource) => {
                spec.insert("resourceAttributes".into(), attributes(asked.verb, resource));
            }
        }
        for (field, text) in [("user", &*user.name), ("uid", &*user.uid)] {
            if !text.is_empty() {
                spec.insert(field.into(), text.into());
            }
        }
        if !user.groups.is_empty() {
            spec.insert("groups".into(), user.groups.iter().map(|group| Value::from(&**group)).collect());
        }
        if !user.extra.is_empty() {
            spec.insert("extra".into(), json!(&*user.extra));
        }
        Self { value: spec.into(), small: size(asked) < LARGEST_KEPT }
    }

    /// The question as v1 writes it.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    pub(super) fn key(&self) -> Key {
        let digest = digest::digest(&digest::SHA256, self.value.to_string().as_bytes());
        let mut key = [0; 32];
        for (place, byte) in key.iter_mut().zip(digest.as_ref()) {
            *place = *byte;
        }
        Key(key)
    }

    /// Whether its answer may be kept.
    pub(super) fn is_small(&self) -> bool {
        self.small
    }

    /// The whole review.
    pub(super) fn review(&self, version: Version) -> Value {
        let mut spec = self.value.clone();
        if version == Version::V1Beta1
            && let Some(map) = spec.as_object_mut()
            && let Some(groups) = map.remove("groups")
        {
            map.insert("group".into(), groups);
        }
        json!({
            "kind": "SubjectAccessReview", "apiVersion": version.api_version(), "metadata": {},
            "spec": spec, "status": {"allowed": false},
        })
    }
}

fn attributes(verb: &str, asked: &Resource<'_>) -> Value {
    let mut all = texts(&[
        ("namespace", asked.namespace),
        ("verb", verb),
        ("group", asked.group),
        ("version", asked.version),
        ("resource", asked.resource),
        ("subresource", asked.subresource),
        ("name", asked.name),
    ]);
    let selectors = [("fieldSelector", fields(asked)), ("labelSelector", labels(asked))];
    for (name, requirements) in selectors {
        if let Some(map) = all.as_object_mut().filter(|_| !requirements.is_empty()) {
            map.insert(name.into(), json!({ "requirements": requirements }));
        }
    }
    all
}

fn fields(asked: &Resource<'_>) -> Vec<Value> {
    let selector = FieldSelector::parse(asked.field_selector).unwrap_or_default();
    let told = selector.terms().iter().map(|term| {
        let operator = if term.is_equal() { "In" } else { "NotIn" };
        json!({"key": term.field(), "operator": operator, "values": [term.value()]})
    });
    told.collect()
}

/// What compares numbers is left out: a selector only narrows, so without it the question is wider.
fn labels(asked: &Resource<'_>) -> Vec<Value> {
    let selector = LabelSelector::parse(asked.label_selector).unwrap_or_default();
    let told = selector.requirements().iter().filter_map(|requirement| {
        let operator = match requirement.operator() {
            Operator::In | Operator::Equals | Operator::DoubleEquals => "In",
            Operator::NotIn | Operator::NotEquals => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
            Operator::GreaterThan | Operator::LessThan => return None,
        };
        let mut told = json!({"key": requirement.key(), "operator": operator});
        if requirement.values().len() > 0
            && let Some(map) = told.as_object_mut()
        {
            map.insert("values".into(), requirement.values().map(Value::from).collect());
        }
        Some(told)
    });
    told.collect()
}

/// Fields without those that are empty.
fn texts(all: &[(&str, &str)]) -> Value {
    let some = all.iter().filter(|(_, text)| !text.is_empty());
    some.map(|(field, text)| ((*field).to_owned(), Value::from(*text))).collect::<Map<_, _>>().into()
}

fn size(asked: &Attributes<'_>) -> usize {
    let parts = match &asked.subject {
        Subject::Path(path) => path.len(),
        Subject::Resource(resource) => [
            resource.namespace,
            resource.group,
            resource.version,
            resource.resource,
            resource.subresource,
            resource.name,
        ]
        .iter()
        .fold(0, |sum, part| part.len().saturating_add(sum)),
    };
    parts.saturating_add(asked.verb.len())
}

/// An answer that can be used.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    pub(super) denied: bool,
    pub(super) reason: String,
}

/// Reads an answer. Kind and version may be left out, and must be those of the question otherwise.
///
/// # Errors
/// What is wrong with it; nothing of it is quoted.
pub(super) fn read(version: Version, body: &[u8]) -> Result<Answer, String> {
    let review: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        format!("the answer is no SubjectAccessReview, at line {} column {}", error.line(), error.column())
    })?;
    let is = |field: &str, wanted: &str| match review.get(field) {
        None => true,
        Some(given) => given.as_str().is_some_and(|given| given.is_empty() || given == wanted),
    };
    if !is("kind", "SubjectAccessReview") || !is("apiVersion", version.api_version()) {
        return Err(format!("the answer is no SubjectAccessReview of {}", version.api_version()));
    }
    let none = Map::new();
    let status = match review.get("status") {
        None | Some(Value::Null) => &none,
        Some(status) => status.as_object().ok_or("the status of the answer is no object")?,
    };
    let flag = |field: &str| match status.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(flag) => {
            flag.as_bool().ok_or_else(|| format!("{field} in the status of the answer is no boolean"))
        }
    };
    let reason = match status.get("reason") {
        None | Some(Value::Null) => "",
        Some(reason) => reason.as_str().ok_or("the reason in the status of the answer is no text")?,
    };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let reason = reason.chars().map(plain).take(LONGEST_REASON).collect();
    Ok(Answer { allowed: flag("allowed")?, denied: flag("denied")?, reason })
}
