//! The parameters of a binding: other objects that expressions may look at.

use std::sync::Arc;

use portcullis_api::{GroupVersion, Gvk, Object};

use super::binding::{Binding, Chosen, ParamRef};
use super::policy::go_gvk;
use crate::attributes::Attributes;
use crate::target::{Served, Target};

/// A parameter; none is `null` to expressions.
pub(super) type Param = Option<Arc<Object>>;

/// The kind of parameters, looked up.
///
/// # Errors
/// Why the policy cannot be configured.
pub(super) fn served(kind: Option<&Gvk>, write: &Attributes<'_>) -> Result<Option<Served>, String> {
    let Some(kind) = kind else { return Ok(None) };
    let unknown = || format!("failed to find resource referenced by paramKind: '{}'", go_gvk(kind));
    write.kinds.served(kind).map(Some).ok_or_else(unknown)
}

/// The parameters a binding gives for a write: the policy is evaluated once for each. No parameters at all mean that
/// it is not evaluated.
///
/// # Errors
/// Why the binding cannot be configured.
pub(super) async fn collect(
    kind: Option<&Served>,
    binding: &Binding,
    write: &Attributes<'_>,
) -> Result<Vec<Param>, String> {
    let (Some(kind), Some(given)) = (kind, &binding.params) else { return Ok(vec![None]) };
    let namespace = namespace(kind, given, write)?;
    let found = match &given.chosen {
        Chosen::Misconfigured(why) => return Err((*why).to_owned()),
        Chosen::Name(name) => {
            write.reader.get(&kind.target.resource.group_resource(), namespace, name).into_iter().collect()
        }
        Chosen::Labels(selector) => {
            let selector = selector.as_ref().map_err(Clone::clone)?;
            write.reader.select(&kind.target.resource.group_resource(), namespace, selector)
        }
    };
    if found.is_empty() && given.required {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    let mut params = Vec::with_capacity(found.len());
    for object in found {
        params.push(Some(as_asked(object, &kind.target, write).await?));
    }
    Ok(params)
}

/// Where the parameters are: in the namespace that the binding names, else in that of the request.
fn namespace<'a>(kind: &Served, given: &'a ParamRef, write: &'a Attributes<'_>) -> Result<&'a str, String> {
    match (kind.namespaced, &*given.namespace, write.home()) {
        (false, "", _) => Ok(""),
        (false, ..) => {
            Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned())
        }
        (true, "", "") => {
            let why =
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
            Err(why.to_owned())
        }
        (true, "", home) => Ok(home),
        (true, named, _) => Ok(named),
    }
}

/// A stored object in the version that the policy names.
async fn as_asked(object: Arc<Object>, to: &Target, write: &Attributes<'_>) -> Result<Arc<Object>, String> {
    let gv = GroupVersion::parse(object.api_version()).unwrap_or_else(|| GroupVersion::new("", ""));
    let kind = Gvk::new(gv, object.kind());
    if kind == to.kind {
        return Ok(object);
    }
    let from = write.kinds.served(&kind).ok_or_else(|| format!("{} is not served", go_gvk(&kind)))?;
    let converted = write.kinds.convert(Object::clone(&object), &from.target, to).await;
    converted.map(Arc::new).map_err(|why| why.message().to_owned())
}
