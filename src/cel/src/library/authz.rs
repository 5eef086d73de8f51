//! Questions to the authorizer from inside an expression.
//!
//! `authorizer.group("apps").resource("deployments").namespace("x").check("create").allowed()`: each step makes a new value;
//! only `check` asks. An answer that is no clear yes is a no.

use std::fmt;
use std::sync::Arc;

use super::Native;
use crate::error::Fault;
use crate::meter::Meter;
use crate::value::{Opaque, Val};

/// Answers questions for the user whose request is looked at.
pub trait Authorizer: Send + Sync {
    /// Decides; a question that cannot be decided is not allowed and says why.
    fn check(&self, question: &Question) -> Decision;
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The service account in whose name is asked, with its namespace; else the user.
    pub service_account: Option<(String, String)>,
    /// The verb.
    pub verb: String,
    /// The path, of a question that is not about a resource.
    pub path: Option<String>,
    /// The group of the resource.
    pub group: String,
    /// The resource.
    pub resource: String,
    /// The subresource, or empty.
    pub subresource: String,
    /// The namespace, or empty.
    pub namespace: String,
    /// The name, or empty.
    pub name: String,
    /// The field selector as it was given.
    pub field_selector: Option<String>,
    /// The label selector as it was given.
    pub label_selector: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is a clear yes.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// What went wrong.
    pub error: Option<String>,
}

/// A question in the making, or its answer.
#[derive(Clone)]
pub struct Check {
    stage: Stage,
    authorizer: Arc<dyn Authorizer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Authorizer(Question),
    Path(Question),
    Group(Question),
    Resource(Question),
    Decision(Decision),
}

impl Check {
    /// Where questions start.
    #[must_use]
    pub fn new(authorizer: Arc<dyn Authorizer>) -> Self {
        Self { stage: Stage::Authorizer(Question::default()), authorizer }
    }

    /// A question about the resource of the request.
    #[must_use]
    pub fn about(authorizer: Arc<dyn Authorizer>, question: Question) -> Self {
        Self { stage: Stage::Resource(question), authorizer }
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self.stage {
            Stage::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Stage::Path(_) => "kubernetes.authorization.PathCheck",
            Stage::Group(_) => "kubernetes.authorization.GroupCheck",
            Stage::Resource(_) => "kubernetes.authorization.ResourceCheck",
            Stage::Decision(_) => "kubernetes.authorization.Decision",
        }
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.stage == other.stage && Arc::ptr_eq(&self.authorizer, &other.authorizer)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Check").field("stage", &self.stage).finish_non_exhaustive()
    }
}

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "path" => |args, _| {
            from_authorizer(args, |question, path| Stage::Path(Question { path: Some(path), ..question }))
        },
        "group" => {
            |args, _| from_authorizer(args, |question, group| Stage::Group(Question { group, ..question }))
        }
        "serviceAccount" => service_account,
        "resource" => |args, _| match args {
            [Val::Opaque(Opaque::Check(check)), Val::String(resource)] => match &check.stage {
                Stage::Group(question) => {
                    let resource = resource.to_string();
                    Ok(next(check, Stage::Resource(Question { resource, ..question.clone() })))
                }
                _ => Err(Fault::Arguments),
            },
            _ => Err(Fault::Arguments),
        },
        "subresource" => |args, _| refine(args, |question, text| question.subresource = text),
        "namespace" => |args, _| refine(args, |question, text| question.namespace = text),
        "name" => |args, _| refine(args, |question, text| question.name = text),
        "fieldSelector" => |args, _| refine(args, |question, text| question.field_selector = Some(text)),
        "labelSelector" => |args, _| refine(args, |question, text| question.label_selector = Some(text)),
        "check" => check,
        "allowed" => |args, _| answer(args, |decision| Val::Bool(decision.allowed)),
        "reason" => |args, _| answer(args, |decision| Val::text(decision.reason.as_str())),
        "errored" => |args, _| answer(args, |decision| Val::Bool(decision.error.is_some())),
        "error" => {
            |args, _| answer(args, |decision| Val::text(decision.error.as_deref().unwrap_or_default()))
        }
        _ => return None,
    })
}

fn next<'v>(check: &Check, stage: Stage) -> Val<'v> {
    Val::Opaque(Opaque::Check(Arc::new(Check { stage, authorizer: check.authorizer.clone() })))
}

fn from_authorizer<'v>(args: &[Val<'v>], step: fn(Question, String) -> Stage) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Check(check)), Val::String(text)] => match &check.stage {
            Stage::Authorizer(question) => Ok(next(check, step(question.clone(), text.to_string()))),
            _ => Err(Fault::Arguments),
        },
        _ => Err(Fault::Arguments),
    }
}

fn service_account<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::Opaque(Opaque::Check(check)), Val::String(namespace), Val::String(name)] = args else {
        return Err(Fault::Arguments);
    };
    let Stage::Authorizer(question) = &check.stage else { return Err(Fault::Arguments) };
    if portcullis_api::names::dns1123_subdomain(name.as_str())
        .iter()
        .chain(&portcullis_api::names::dns1123_label(namespace.as_str()))
        .next()
        .is_some()
    {
        let message = format!("Invalid service account {namespace}:{name}");
        return Err(Fault::new(message));
    }
    let account = Some((namespace.to_string(), name.to_string()));
    Ok(next(check, Stage::Authorizer(Question { service_account: account, ..question.clone() })))
}

fn refine<'v>(args: &[Val<'v>], set: fn(&mut Question, String)) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Check(check)), Val::String(text)] => match &check.stage {
            Stage::Resource(question) => {
                let mut question = question.clone();
                set(&mut question, text.to_string());
                Ok(next(check, Stage::Resource(question)))
            }
            _ => Err(Fault::Arguments),
        },
        _ => Err(Fault::Arguments),
    }
}

fn check<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::Opaque(Opaque::Check(check)), Val::String(verb)] = args else { return Err(Fault::Arguments) };
    let (Stage::Path(question) | Stage::Resource(question)) = &check.stage else {
        return Err(Fault::Arguments);
    };
    let question = Question { verb: verb.to_string(), ..question.clone() };
    let decision = check.authorizer.check(&question);
    Ok(next(check, Stage::Decision(decision)))
}

fn answer<'v>(args: &[Val<'v>], take: fn(&Decision) -> Val<'static>) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Check(check))] => match &check.stage {
            Stage::Decision(decision) => Ok(take(decision)),
            _ => Err(Fault::Arguments),
        },
        _ => Err(Fault::Arguments),
    }
}
