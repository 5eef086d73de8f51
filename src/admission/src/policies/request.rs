//! What both kinds of policies need of a request: its objects as a target shows them, the request itself, and the
//! namespace, each made once and only when a policy asks.

use portcullis_api::{ApiError, GroupResource, Map, Object, Result, Value};

use crate::attributes::Attributes;
use crate::expressions::{Input, request_question, request_tree};
use crate::target::Target;

/// The resources that no policy is about: those that configure policies, and questions that are not stored.
pub(super) fn is_exempt(write: &Attributes<'_>) -> bool {
    match &*write.resource.group {
        "admissionregistration.k8s.io" => matches!(
            &*write.resource.resource,
            "validatingadmissionpolicies"
                | "validatingadmissionpolicybindings"
                | "mutatingadmissionpolicies"
                | "mutatingadmissionpolicybindings"
        ),
        "authentication.k8s.io" => matches!(&*write.resource.resource, "selfsubjectreviews" | "tokenreviews"),
        "authorization.k8s.io" => matches!(
            &*write.resource.resource,
            "localsubjectaccessreviews"
                | "selfsubjectaccessreviews"
                | "selfsubjectrulesreviews"
                | "subjectaccessreviews"
        ),
        _ => false,
    }
}

/// The namespace of a request as expressions see it; none for what has none.
///
/// # Errors
/// When it is not there.
pub(super) fn namespace_tree(write: &Attributes<'_>) -> Result<Option<Value>> {
    if write.namespace.is_empty() || write.is_any_of("", "namespaces") {
        return Ok(None);
    }
    let namespaces = GroupResource::new("", "namespaces");
    let found = write.reader.get(&namespaces, "", write.namespace);
    found
        .map(|namespace| Some(shown(&namespace)))
        .ok_or_else(|| ApiError::not_found(&namespaces, write.namespace))
}

/// A namespace without what upstream does not show of it.
fn shown(namespace: &Object) -> Value {
    const FIELDS: [&str; 12] = [
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "finalizers",
    ];
    let metadata = namespace.metadata();
    let fields = FIELDS.iter().filter_map(|field| Some((*field, metadata?.get(*field)?.clone())));
    let metadata: Map<String, Value> = fields.map(|(field, value)| (field.to_owned(), value)).collect();
    let mut tree = Map::new();
    tree.insert("metadata".to_owned(), metadata.into());
    for part in ["spec", "status"] {
        tree.insert(part.to_owned(), namespace.get(part).cloned().unwrap_or_else(|| Map::new().into()));
    }
    tree.into()
}

/// The request as expressions see it, for what is matched by way of `resource` and shown as `shown`.
pub(super) fn tree(write: &Attributes<'_>, shown: &Target) -> Value {
    request_tree(write, shown).into()
}

/// What conditions are told of the request: the resource that was asked for, whatever matched.
pub(super) fn condition_tree(write: &Attributes<'_>, shown: &Target) -> Value {
    let shown = Target { resource: write.gvr.clone(), kind: shown.kind.clone() };
    request_tree(write, &shown).into()
}

/// The values of the variables of an expression.
pub(super) struct Facts<'v> {
    pub(super) object: Option<&'v Object>,
    pub(super) old: Option<&'v Object>,
    pub(super) params: Option<&'v Object>,
    pub(super) namespace: Option<&'v Value>,
}

impl<'v> Facts<'v> {
    /// With the request, and with the authorizer where expressions have it.
    pub(super) fn input(&self, request: &'v Value, authorizes: Option<&Attributes<'_>>) -> Input<'v> {
        Input {
            object: self.object,
            old: self.old,
            request,
            namespace: self.namespace,
            params: self.params,
            authorizer: authorizes
                .map(|write| (write.reader.authorizer(write.user), request_question(write))),
        }
    }
}
