//! One authorized request on its way through a verb.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, USER_AGENT};
use parking_lot::Mutex;
use portcullis_admission::{Admitted, Annotation, Attributes, Notes, Operation, Options};
use portcullis_api::attributes::ResourceTarget;
use portcullis_api::{ApiError, Body, Object, Reason, RequestInfo, Result, UserInfo, Value, Verb, time};
use portcullis_audit::{AuditSlot, ObjectRef};
use portcullis_authn::Life;
use portcullis_authz::{Asking, Permit};
use portcullis_schema::decode::MediaType;
use portcullis_schema::managed;
use portcullis_storage::{Entry, Revision};

use crate::Registry;
use crate::custom::Elsewhere;
use crate::options::{DeleteOptions, Query, WriteOptions};
use crate::resource::Resource;

/// The largest request body, as upstream.
const MAX_BODY: usize = 3 * 1024 * 1024;

/// Everything a verb may use.
pub(crate) struct Call<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) user: &'a UserInfo,
    pub(crate) permit: &'a Permit,
    /// Group to subresource, as parsed once from the path.
    pub(crate) target: ResourceTarget,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query,
    /// `Warning` texts for the client, in order.
    pub(crate) warnings: Vec<String>,
    /// The parse of the request that was authorized.
    pub(crate) info: Arc<RequestInfo>,
    /// What admission says beside its decision.
    notes: Notes,
    /// Where the request's audit event is told what became of it.
    pub(crate) slot: AuditSlot,
    /// Whether this follows from a request that was admitted as a whole.
    pub(crate) follows: bool,
    /// The life of the credential, for streams.
    pub(crate) life: Life,
    /// A new token that only this answer shows.
    pub(crate) minted: Option<String>,
    /// What was learned of objects in other versions.
    pub(crate) elsewhere: Elsewhere,
    /// Locked only so that the call can be shared across threads.
    body: Mutex<Option<Body>>,
    /// What was read of the body, for doing the work again.
    sent: Option<bytes::Bytes>,
}

/// An authorized request, taken apart.
pub(crate) struct Asked<'a> {
    pub(crate) user: &'a UserInfo,
    pub(crate) permit: &'a Permit,
    pub(crate) info: Arc<RequestInfo>,
    pub(crate) slot: AuditSlot,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query,
    pub(crate) body: Option<Body>,
    pub(crate) life: Life,
}

/// A stored object as a write sees it.
pub(crate) struct Live {
    /// The object with TypeMeta of the endpoint's kind and its resourceVersion.
    pub(crate) object: Object,
    /// The revision that wrote it.
    pub(crate) revision: Revision,
    /// The same as it is kept.
    pub(crate) entry: Arc<Entry>,
}

impl<'a> Call<'a> {
    /// A request for a resource.
    pub(crate) fn new(
        registry: &'a Registry,
        resource: &'a Arc<Resource>,
        target: ResourceTarget,
        asked: Asked<'a>,
    ) -> Self {
        let Asked { user, permit, info, slot, headers, query, body, life } = asked;
        let warnings = Vec::new();
        Self {
            registry,
            resource,
            user,
            permit,
            target,
            headers,
            query,
            warnings,
            info,
            slot,
            notes: Notes::default(),
            // What the server does by itself nobody else has a say in.
            follows: permit.info().is_none(),
            life,
            minted: None,
            elsewhere: Elsewhere::default(),
            body: Mutex::new(body),
            sent: None,
        }
    }

    /// The same request turned to another resource in the same namespace (a binding changes a pod). What
    /// the permit entails is checked again at the storage door.
    pub(crate) fn redirect(&self, group: &str, version: &str, resource: &str) -> Result<Self> {
        let resource =
            self.registry.resources().get(group, version, resource).ok_or_else(ApiError::no_such_path)?;
        let target = ResourceTarget {
            group: resource.gr.group.clone(),
            version: version.into(),
            resource: resource.gr.resource.clone(),
            subresource: "".into(),
            ..self.target.clone()
        };
        Ok(Self { follows: true, ..self.derived(resource, target) })
    }

    /// The same request for objects of one namespace.
    pub(crate) fn for_namespace(&self, namespace: &str) -> Self {
        let target = ResourceTarget { namespace: namespace.into(), ..self.target.clone() };
        self.derived(self.resource, target)
    }

    fn derived(&self, resource: &'a Arc<Resource>, target: ResourceTarget) -> Self {
        Self {
            registry: self.registry,
            resource,
            user: self.user,
            permit: self.permit,
            target,
            headers: self.headers,
            query: Query::default(),
            warnings: Vec::new(),
            info: self.info.clone(),
            slot: self.slot.clone(),
            notes: Notes::default(),
            follows: self.follows,
            life: self.life.clone(),
            minted: None,
            elsewhere: Elsewhere::default(),
            body: Mutex::default(),
            sent: None,
        }
    }

    /// Reads the whole body, bounded. A second call reads nothing.
    pub(crate) async fn read_body(&mut self) -> Result<bytes::Bytes> {
        let Some(body) = self.body.get_mut().take() else { return Ok(bytes::Bytes::new()) };
        let body = collect(body).await?;
        self.sent = Some(body.clone());
        // All else is told when it has been decoded, and what cannot be decoded is not, as upstream.
        if self.info.verb == Verb::Patch && self.slot.wants_request() && !body.is_empty() {
            self.record_patch(&body);
        }
        Ok(body)
    }

    /// What was read of the body.
    pub(crate) fn take_sent(&mut self) -> Option<bytes::Bytes> {
        self.sent.take()
    }

    /// Tells audit what the body was, in which object it may be, whatever comes of it. What the path does not say
    /// of the object, the body does.
    pub(crate) fn tell_decoded(&self, object: &Object) {
        self.slot.request_body(|| object.clone().into());
        self.slot.object(ObjectRef {
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
            resource_version: object.resource_version().to_owned(),
        });
    }

    /// Tells audit what was sent, as it was sent.
    fn record_patch(&self, body: &[u8]) {
        match self.content_type() {
            "application/yaml" | "application/apply-patch+yaml" => {
                match portcullis_schema::yaml::read(body) {
                    Ok(yaml) => self.slot.request_body(|| yaml.value),
                    Err(_) => self.slot.annotate("portcullis.io/omitted", "requestObject: no YAML"),
                }
            }
            _ => self.slot.request_json(body),
        }
    }

    /// The body's media type.
    ///
    /// # Errors
    /// 415 in upstream's words.
    pub(crate) fn media_type(&self) -> Result<MediaType> {
        match self.content_type() {
            "" | "application/json" => Ok(MediaType::Json),
            "application/yaml" => Ok(MediaType::Yaml),
            "application/vnd.kubernetes.protobuf" => Ok(MediaType::Protobuf),
            _ => Err(unsupported("application/json, application/yaml, application/vnd.kubernetes.protobuf")),
        }
    }

    /// The Content-Type without parameters.
    pub(crate) fn content_type(&self) -> &'a str {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// The stored object of a name in the request's namespace, as the endpoint's version shows it.
    pub(crate) async fn live(&self, name: &str) -> Result<Option<Live>> {
        let key = self.resource.key(&self.target.namespace, name);
        let Some(entry) = self.resource.entry(&key)? else { return Ok(None) };
        let entry = self.resource.shown(entry).await?;
        let object = self.resource.tree(&entry)?;
        Ok(Some(Live { object, revision: entry.revision(), entry }))
    }

    /// The stored object of a name, of a built-in resource, which never has to be waited for.
    pub(crate) fn live_built_in(&self, name: &str) -> Result<Option<Live>> {
        let key = self.resource.key(&self.target.namespace, name);
        let Some(entry) = self.resource.entry(&key)? else { return Ok(None) };
        let object = self.resource.tree(&entry)?;
        Ok(Some(Live { object, revision: entry.revision(), entry }))
    }

    /// Admission of a deletion; `marked` is the object when it is only marked.
    pub(crate) async fn admit_deletion(
        &self,
        name: &str,
        options: &DeleteOptions,
        marked: Option<Object>,
        old: &Object,
    ) -> Result<Admitted> {
        let write = Write::delete(name, options);
        let outcome =
            self.registry.admission().admit_deletion(&self.attributes(&write, Some(old)), marked).await;
        self.tell_latencies();
        outcome
    }

    /// The name that owns the fields this request sets.
    pub(crate) fn manager(&self, options: &WriteOptions) -> String {
        let agent = self.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        managed::manager_name(&options.field_manager, agent)
    }

    /// Records which fields this request's manager set.
    pub(crate) fn own_fields(
        &self,
        options: &WriteOptions,
        live: Option<&Object>,
        new: &mut Object,
    ) -> Result<()> {
        let subresource = &*self.target.subresource;
        let versions = self.resource.versions(subresource, &self.elsewhere);
        let tracker = self.resource.tracker(subresource, &versions);
        tracker.update(&self.manager(options), live, new, &time::now_rfc3339());
        self.resource.kind.forget_empties(new);
        Ok(())
    }

    /// Lets this update or patch create what is not there, if the user may create it.
    ///
    /// # Errors
    /// 403 in the words of a refused create.
    pub(crate) fn also_create(&self) -> Result<()> {
        self.permit.also_create(&self.registry.authorizer)
    }

    /// The chain, with what webhooks said on the way of this request.
    pub(crate) fn asking(&self) -> Asking<'_> {
        self.permit.asking(&self.registry.authorizer)
    }

    /// Passes on what admission said beside its decision: warnings to the client, annotations to audit.
    pub(crate) fn take_notes(&mut self) {
        self.warnings.extend(self.notes.take_warnings());
        for Annotation { key, value, quotes } in self.notes.take_annotations() {
            if !quotes {
                self.slot.annotate(key, value);
            } else if self.slot.wants_request()
                && let Ok(value) = serde_json::from_str(&value)
            {
                self.slot.annotate_quoting(key, value);
            }
        }
    }

    /// The mutating pass of admission.
    pub(crate) async fn mutate(
        &self,
        write: &Write<'_>,
        object: &mut Object,
        old: Option<&Object>,
    ) -> Result<()> {
        let outcome = self.registry.admission().mutate(&self.attributes(write, old), object).await;
        self.tell_latencies();
        outcome
    }

    /// The validating pass of admission.
    pub(crate) async fn admit(
        &self,
        write: &Write<'_>,
        object: Option<Object>,
        old: Option<&Object>,
    ) -> Result<Admitted> {
        let outcome = self.registry.admission().admit(&self.attributes(write, old), object).await;
        self.tell_latencies();
        outcome
    }

    /// The validating pass of an object that admission sees as something else: its scale.
    pub(crate) async fn admit_as(
        &self,
        write: &Write<'_>,
        object: Object,
        (seen, was): (&Object, &Object),
    ) -> Result<Admitted> {
        let outcome =
            self.registry.admission().admit_as(&self.attributes(write, Some(was)), object, seen).await;
        self.tell_latencies();
        outcome
    }

    /// Passes on to audit how long webhooks took, also where they refused.
    fn tell_latencies(&self) {
        self.notes.take_latencies().into_iter().for_each(|(what, time)| self.slot.took(what, time));
    }

    /// Both passes for a stream into an object, with the options it is opened with.
    pub(crate) async fn admit_stream(&self, mut options: Object) -> Result<Admitted> {
        let name = self.target.name.clone();
        let write = Write { operation: Operation::Connect, name: &name, options: Given::Nothing };
        self.mutate(&write, &mut options, None).await?;
        self.admit(&write, Some(options), None).await
    }

    fn attributes<'b>(&'b self, write: &'b Write<'_>, old: Option<&'b Object>) -> Attributes<'b> {
        let subresource = self.resource.row.subresource(&self.target.subresource);
        Attributes {
            user: self.user,
            operation: write.operation,
            kind: subresource.map_or(self.resource.gvk(), |subresource| &subresource.gvk),
            resource: &self.resource.gr,
            gvr: &self.resource.row.gvr,
            subresource: &self.target.subresource,
            namespace: &self.target.namespace,
            name: write.name,
            dry_run: write.is_dry(),
            options: write,
            follows: self.follows,
            since: self.slot.opening().received,
            old,
            reader: self,
            kinds: self.registry,
            notes: &self.notes,
        }
    }
}

/// What a verb does, for admission.
pub(crate) struct Write<'w> {
    operation: Operation,
    name: &'w str,
    options: Given<'w>,
}

/// The options of what is done.
enum Given<'w> {
    Write(&'w WriteOptions),
    Delete(&'w DeleteOptions),
    Nothing,
}

impl<'w> Write<'w> {
    /// A new object.
    pub(crate) fn create(name: &'w str, options: &'w WriteOptions) -> Self {
        Self { operation: Operation::Create, name, options: Given::Write(options) }
    }

    /// A change.
    pub(crate) fn update(name: &'w str, options: &'w WriteOptions) -> Self {
        Self { operation: Operation::Update, name, options: Given::Write(options) }
    }

    /// A deletion.
    fn delete(name: &'w str, options: &'w DeleteOptions) -> Self {
        Self { operation: Operation::Delete, name, options: Given::Delete(options) }
    }

    fn is_dry(&self) -> bool {
        match self.options {
            Given::Write(options) => options.dry_run,
            Given::Delete(options) => options.dry_run,
            Given::Nothing => false,
        }
    }
}

impl Options for Write<'_> {
    fn tree(&self) -> Option<Value> {
        let kind = if self.operation == Operation::Create { "CreateOptions" } else { "UpdateOptions" };
        match self.options {
            Given::Write(options) => Some(options.tree(kind)),
            Given::Delete(options) => Some(options.tree()),
            Given::Nothing => None,
        }
    }
}

/// Boxed, because what is borrowed around it has nothing to do with reading.
fn collect(body: Body) -> BoxFuture<'static, Result<bytes::Bytes>> {
    Box::pin(portcullis_api::body::collect(body, MAX_BODY))
}

/// 415 naming what would have been accepted.
pub(crate) fn unsupported(accepted: &str) -> ApiError {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {accepted}"
    );
    ApiError::new(Reason::UnsupportedMediaType, message)
}
