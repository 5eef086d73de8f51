//! What a decision is about: borrowed from a request, a review or a question of our own.

use portcullis_api::RequestInfo;
use portcullis_api::attributes::Target;

/// What somebody wants to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes<'a> {
    /// The verb; policies know words that no request has (`bind`, `escalate`, `impersonate`).
    pub verb: &'a str,
    /// What it is done to.
    pub subject: Subject<'a>,
}

/// What something is done to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject<'a> {
    /// A path that is not a resource.
    Path(&'a str),
    /// A resource.
    Resource(Resource<'a>),
}

/// A resource as policies see it. Empty text means absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Resource<'a> {
    /// API group; empty for core.
    pub group: &'a str,
    /// API version; `*` for any.
    pub version: &'a str,
    /// Namespace; empty at cluster scope or for all namespaces.
    pub namespace: &'a str,
    /// Plural resource name.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
    /// Object name.
    pub name: &'a str,
    /// The label selector's text; one that cannot be parsed counts as none.
    pub label_selector: &'a str,
    /// The field selector's text; one that cannot be parsed counts as none.
    pub field_selector: &'a str,
}

impl<'a> Attributes<'a> {
    /// A verb on a resource.
    pub fn resource(verb: &'a str, resource: Resource<'a>) -> Self {
        Self { verb, subject: Subject::Resource(resource) }
    }

    /// A verb on a path.
    pub fn path(verb: &'a str, path: &'a str) -> Self {
        Self { verb, subject: Subject::Path(path) }
    }

    /// The namespace that decides which rules apply; empty for paths and at cluster scope.
    pub fn namespace(&self) -> &'a str {
        match self.subject {
            Subject::Path(_) => "",
            Subject::Resource(resource) => resource.namespace,
        }
    }

    /// The same with another verb.
    #[must_use]
    pub fn with_verb<'b>(self, verb: &'b str) -> Attributes<'b>
    where
        'a: 'b,
    {
        Attributes { verb, subject: self.subject }
    }
}

impl<'a> From<&'a RequestInfo> for Attributes<'a> {
    fn from(info: &'a RequestInfo) -> Self {
        let subject = match &info.target {
            Target::NonResource => Subject::Path(&info.path),
            Target::Resource(target) => Subject::Resource(Resource {
                group: &target.group,
                version: &target.version,
                namespace: &target.namespace,
                resource: &target.resource,
                subresource: &target.subresource,
                name: &target.name,
                label_selector: &target.label_selector,
                field_selector: &target.field_selector,
            }),
        };
        Self { verb: info.verb.as_str(), subject }
    }
}
