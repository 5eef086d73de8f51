//! What the expressions of webhooks and policies may refer to, and what they find there.
//!
//! The variables have upstream's types; their values are the trees of the request, read as they are.

use std::sync::{Arc, LazyLock};

use portcullis_api::{Map, Object, Value};
use portcullis_cel::{
    Authorizer, Bindings, Check, Environment, ObjectType, Opaque, Program, Question, Shape, Type, Val,
};
use serde_json::json;

use crate::attributes::Attributes;
use crate::target::Target;

/// The new object.
pub const OBJECT: &str = "object";
/// The stored object.
pub const OLD_OBJECT: &str = "oldObject";
/// The request.
pub const REQUEST: &str = "request";
/// What a binding adds.
pub const PARAMS: &str = "params";
/// The namespace of the object.
pub const NAMESPACE_OBJECT: &str = "namespaceObject";
/// Who decides what the user may do.
pub const AUTHORIZER: &str = "authorizer";
/// The question whether the user may do this to this.
pub const REQUEST_RESOURCE: &str = "authorizer.requestResource";

/// The variables that expressions may name.
#[derive(Clone, Debug)]
pub struct Scope(Environment);

static BASE: LazyLock<Environment> = LazyLock::new(|| {
    Environment::new()
        .variable(OBJECT, Type::Dyn)
        .variable(OLD_OBJECT, Type::Dyn)
        .variable(NAMESPACE_OBJECT, namespace_type())
        .variable(REQUEST, request_type())
});

impl Scope {
    /// The objects, the request and the namespace.
    pub fn new() -> Self {
        Self(BASE.clone())
    }

    /// What webhooks and policies without parameters have: the authorizer as well.
    #[must_use]
    pub fn with_authorizer(self) -> Self {
        let question = Type::named("kubernetes.authorization.ResourceCheck");
        let authorizer = Type::named("kubernetes.authorization.Authorizer");
        self.with(AUTHORIZER, authorizer).with(REQUEST_RESOURCE, question)
    }

    /// The parameters of a policy as well.
    #[must_use]
    pub fn with_params(self) -> Self {
        self.with(PARAMS, Type::Dyn)
    }

    /// Another variable, or a better known type of one that is there.
    #[must_use]
    pub fn with(self, name: &str, kind: Type) -> Self {
        Self(self.0.variable(name, kind))
    }

    /// The same where expressions write patches.
    #[must_use]
    pub fn writing_patches(self) -> Self {
        Self(self.0.writing_patches())
    }

    /// The environment to compile in.
    pub fn environment(&self) -> &Environment {
        &self.0
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new()
    }
}

/// Compiles an expression that has one of some types, or any if none is wanted.
///
/// # Errors
/// What is wrong with it, in upstream's words.
pub fn compile(text: &str, scope: &Scope, wanted: &[Type]) -> Result<Program, String> {
    let program = scope.0.compile(text).map_err(|error| format!("compilation failed: {error}"))?;
    let output = program.output();
    if !wanted.is_empty() && !wanted.contains(output) {
        let words: Vec<String> = wanted.iter().map(Type::to_string).collect();
        return Err(match words.as_slice() {
            [one] => format!("must evaluate to {one} but got {output}"),
            several => format!("must evaluate to one of [{}] but got {output}", several.join(" ")),
        });
    }
    match program.defect() {
        Some(defect) => Err(format!("program instantiation failed: {defect}")),
        None => Ok(program),
    }
}

/// The values of the variables.
pub struct Input<'v> {
    /// The new object as the target shows it.
    pub object: Option<&'v Object>,
    /// The stored object as the target shows it.
    pub old: Option<&'v Object>,
    /// The request; see [`request_tree`].
    pub request: &'v Value,
    /// The namespace, for what asks for it.
    pub namespace: Option<&'v Value>,
    /// The parameters; none are `null`.
    pub params: Option<&'v Object>,
    /// Who answers questions about the user.
    pub authorizer: Option<(Arc<dyn Authorizer>, Question)>,
}

impl<'v> Input<'v> {
    /// The variables with their values.
    pub fn bindings(&self) -> Bindings<'v> {
        let any: &'static Shape = &ANY;
        let object = |object: Option<&'v Object>| {
            object.map_or(Val::Null, |object| Val::from_object(object.map(), any))
        };
        let mut bindings = Bindings::new()
            .bind(OBJECT, object(self.object))
            .bind(OLD_OBJECT, object(self.old))
            .bind(PARAMS, object(self.params))
            .bind_json(REQUEST, self.request, any);
        bindings = match self.namespace {
            Some(namespace) => bindings.bind_json(NAMESPACE_OBJECT, namespace, any),
            None => bindings.bind(NAMESPACE_OBJECT, Val::Null),
        };
        if let Some((authorizer, question)) = &self.authorizer {
            let value = |check: Check| Val::Opaque(Opaque::Check(Arc::new(check)));
            let about = Check::about(authorizer.clone(), question.clone());
            bindings = bindings.bind(AUTHORIZER, value(Check::new(authorizer.clone())));
            bindings = bindings.bind(REQUEST_RESOURCE, value(about));
        }
        bindings
    }
}

static ANY: LazyLock<Arc<Shape>> = LazyLock::new(Shape::any);

/// The `AdmissionRequest` of a write without its uid and objects: what expressions call `request`, and
/// what webhooks are sent. `shown` is what the objects are shown as.
pub fn request_tree(write: &Attributes<'_>, shown: &Target) -> Map<String, Value> {
    let gvk = |kind: &portcullis_api::Gvk| json!({"group": *kind.gv.group, "version": *kind.gv.version, "kind": *kind.kind});
    let gvr = |gvr: &portcullis_api::Gvr| json!({"group": *gvr.gv.group, "version": *gvr.gv.version, "resource": *gvr.resource});
    let mut request = Map::new();
    let mut put = |field: &str, value: Value| request.insert(field.to_owned(), value);
    put("kind", gvk(&shown.kind));
    put("resource", gvr(&shown.resource));
    put("requestKind", gvk(write.kind));
    put("requestResource", gvr(write.gvr));
    for (field, text) in [
        ("subResource", write.subresource),
        ("requestSubResource", write.subresource),
        ("name", write.name),
        ("namespace", write.home()),
    ] {
        if !text.is_empty() {
            put(field, text.into());
        }
    }
    put("operation", write.operation.as_str().into());
    put("userInfo", user_tree(write.user));
    put("dryRun", write.dry_run.into());
    put("options", write.options.tree().unwrap_or(Value::Null));
    request
}

/// Who asks, without what is empty.
fn user_tree(user: &portcullis_api::UserInfo) -> Value {
    let mut tree = Map::new();
    for (field, text) in [("username", &user.name), ("uid", &user.uid)] {
        if !text.is_empty() {
            tree.insert(field.to_owned(), (**text).into());
        }
    }
    if !user.groups.is_empty() {
        let groups: Vec<Value> = user.groups.iter().map(|group| (**group).into()).collect();
        tree.insert("groups".to_owned(), groups.into());
    }
    if !user.extra.is_empty() {
        let extra: Map<String, Value> =
            user.extra.iter().map(|(key, values)| (key.clone(), json!(values))).collect();
        tree.insert("extra".to_owned(), extra.into());
    }
    tree.into()
}

/// The question that `authorizer.requestResource` begins with.
pub fn request_question(write: &Attributes<'_>) -> Question {
    Question {
        group: write.gvr.gv.group.to_string(),
        resource: write.gvr.resource.to_string(),
        subresource: write.subresource.to_owned(),
        namespace: write.home().to_owned(),
        name: write.name.to_owned(),
        ..Question::default()
    }
}

/// An object type whose fields are named as they are: unlike those of schemas, they are not escaped.
fn object(name: &str, fields: &[(&str, Type)]) -> Type {
    Type::Object(Arc::new(ObjectType::new(name, fields.iter().map(|(name, kind)| (*name, kind.clone())))))
}

fn texts() -> Type {
    Type::list(Type::String)
}

fn request_type() -> Type {
    let three = |name: &str, last: &str| {
        object(name, &[("group", Type::String), ("version", Type::String), (last, Type::String)])
    };
    let gvk = three("kubernetes.GroupVersionKind", "kind");
    let gvr = three("kubernetes.GroupVersionResource", "resource");
    let user = object(
        "kubernetes.UserInfo",
        &[
            ("username", Type::String),
            ("uid", Type::String),
            ("groups", texts()),
            ("extra", Type::map(Type::String, texts())),
        ],
    );
    object(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", gvk.clone()),
            ("resource", gvr.clone()),
            ("subResource", Type::String),
            ("requestKind", gvk),
            ("requestResource", gvr),
            ("requestSubResource", Type::String),
            ("name", Type::String),
            ("namespace", Type::String),
            ("operation", Type::String),
            ("userInfo", user),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
}

fn namespace_type() -> Type {
    let map = || Type::map(Type::String, Type::String);
    let condition = object(
        "kubernetes.NamespaceCondition",
        &[
            ("status", Type::String),
            ("type", Type::String),
            ("lastTransitionTime", Type::Timestamp),
            ("message", Type::String),
            ("reason", Type::String),
        ],
    );
    let metadata = object(
        "kubernetes.NamespaceMetadata",
        &[
            ("name", Type::String),
            ("generateName", Type::String),
            ("namespace", Type::String),
            ("labels", map()),
            ("annotations", map()),
            ("UID", Type::String),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", Type::String),
            ("finalizers", texts()),
        ],
    );
    let spec = object("kubernetes.NamespaceSpec", &[("finalizers", texts())]);
    let conditions = ("conditions", Type::list(condition));
    let status = object("kubernetes.NamespaceStatus", &[conditions, ("phase", Type::String)]);
    object("kubernetes.Namespace", &[("metadata", metadata), ("spec", spec), ("status", status)])
}
