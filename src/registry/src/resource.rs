//! One served resource: its data row, its schema, its rules and its cache. Built-in ones are bound once
//! at start, custom ones whenever their definition changes.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_api::field;
use portcullis_api::{ApiError, GroupResource, Gvk, Object, Result, Scope, Value};
use portcullis_schema::decode::{DecodeError, FieldValidation};
use portcullis_schema::managed::{self, Tracker};
use portcullis_schema::{Row, Schema, Word};
use portcullis_storage::{self as storage, Caches, Entry, Key, ResourceCache, Snapshot, Trait, keys};

use crate::convert::{Conversion, InVersions, Siblings};
use crate::custom::{Definition, Elsewhere, Serving, Version, row_of};
use crate::fields::Selectable;
use crate::options::DeleteOptions;
use crate::strategy::Strategy;
use crate::{convert, kinds};

/// A resource in one version.
pub(crate) struct Resource {
    pub(crate) row: Cow<'static, Row>,
    pub(crate) kind: Schema,
    pub(crate) gr: GroupResource,
    /// `{"kind":"ConfigMap","apiVersion":"v1",` as it stands before every full object.
    pub(crate) head: Bytes,
    stored: Option<Stored>,
    /// What its definition says, if it is no built-in resource.
    custom: Option<Serving>,
    siblings: Siblings,
}

/// Where a persisted resource lives.
struct Stored {
    prefix: Word,
    kind: Schema,
    cache: Arc<ResourceCache>,
    selectable: Selectable,
    conversion: Option<Conversion>,
}

impl Resource {
    /// Binds a built-in row. Rows that share a storage prefix share a cache.
    pub(crate) fn built_in(row: &'static Row, caches: &Caches) -> Option<Self> {
        let kind = portcullis_schema::kind(&row.gvk)?;
        let stored = row.store.as_ref().map(|store| {
            let stored_kind = Gvk::new(store.gv.clone(), row.gvk.kind.clone());
            let stored_kind = portcullis_schema::kind(&stored_kind).unwrap_or(kind);
            let stored_row = portcullis_schema::row(&store.gv.group, &store.gv.version, &row.gvr.resource);
            let selectable = Selectable::of(&stored_row.unwrap_or(row).selectable);
            let place = storage::Resource::new(format!("{}/", store.prefix), selectable.clone());
            let cache = caches.resource(place);
            let conversion = convert::between(kind, stored_kind);
            Stored { prefix: store.prefix.clone(), kind: stored_kind.into(), cache, selectable, conversion }
        });
        let head = format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", kind.kind(), kind.api_version());
        let (gr, row) = (row.gvr.group_resource(), Cow::Borrowed(row));
        let siblings = Siblings(Some(kind));
        Some(Self { row, kind: kind.into(), gr, head: head.into(), stored, custom: None, siblings })
    }

    /// Binds a version of a definition. All versions share a cache.
    pub(crate) fn of_definition(definition: &Arc<Definition>, version: &Version, caches: &Caches) -> Self {
        let storage = definition.storage();
        let row = row_of(definition, version);
        let prefix: Word = definition.prefix().into();
        let selectable = Selectable::custom(&definition.selectable());
        let cache = caches.resource(storage::Resource::new(format!("{prefix}/"), selectable.clone()));
        let kind = Schema::Custom(version.kind.clone());
        // Go writes maps sorted.
        let head = format!("{{\"apiVersion\":\"{}\",\"kind\":\"{}\",", kind.api_version(), kind.kind());
        let stored = Stored {
            prefix,
            kind: Schema::Custom(storage.kind.clone()),
            cache,
            selectable,
            conversion: None,
        };
        Self {
            gr: row.gvr.group_resource(),
            row: Cow::Owned(row),
            kind,
            head: head.into(),
            stored: Some(stored),
            custom: Some(Serving::new(definition, version)),
            siblings: Siblings(None),
        }
    }

    /// What the definition says; `None` for a built-in resource.
    pub(crate) fn custom(&self) -> Option<&Serving> {
        self.custom.as_ref()
    }

    /// How its objects look in other versions.
    pub(crate) fn versions<'r>(&'r self, subresource: &str, elsewhere: &'r Elsewhere) -> InVersions<'r> {
        match &self.custom {
            Some(serving) => InVersions::Custom(serving.versions(subresource, elsewhere)),
            None => InVersions::BuiltIn(&self.siblings),
        }
    }

    /// Who owns which fields, for writes through the main endpoint or a subresource.
    pub(crate) fn tracker<'r>(&'r self, subresource: &'r str, versions: &'r InVersions<'r>) -> Tracker<'r> {
        let writable = match &self.custom {
            Some(serving) => serving.writable(subresource),
            None => managed::writable(&self.gr.resource, subresource),
        };
        self.kind.tracker(subresource, writable, versions)
    }

    /// Brings a tree that a patch or apply made into normal form.
    ///
    /// # Errors
    /// What upstream says of a tree that no object of the kind can hold.
    pub(crate) fn normalize(&self, object: &mut Object) -> Result<()> {
        let normal = self.kind.normalize(object, FieldValidation::Ignore);
        let say = |error: DecodeError| error.into_api_error(self.kind.kind(), self.kind.api_version(), b"");
        normal.map(drop).map_err(say)
    }

    /// The kind of the objects clients see.
    pub(crate) fn gvk(&self) -> &Gvk {
        &self.row.gvk
    }

    /// Whether objects live in namespaces.
    pub(crate) fn scope(&self) -> Scope {
        self.row.scope
    }

    /// Whether this is the given resource.
    pub(crate) fn is(&self, group: &str, resource: &str) -> bool {
        &*self.gr.group == group && &*self.gr.resource == resource
    }

    /// The cache.
    ///
    /// # Errors
    /// A virtual resource has none; dispatch never asks for it.
    pub(crate) fn cache(&self) -> Result<&Arc<ResourceCache>> {
        self.stored.as_ref().map(|stored| &stored.cache).ok_or_else(ApiError::no_such_path)
    }

    /// The stored entry at a key.
    ///
    /// # Errors
    /// 503 while the cache is being loaded again.
    pub(crate) fn entry(&self, key: &str) -> Result<Option<Arc<Entry>>> {
        self.cache()?.peek(key).ok_or_else(|| self.loading())
    }

    /// All stored entries as of now.
    ///
    /// # Errors
    /// 503 while the cache is being loaded again.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        self.cache()?.peek_all().ok_or_else(|| self.loading())
    }

    fn loading(&self) -> ApiError {
        ApiError::unavailable(format!("the cache of {} is loading", self.gr))
    }

    /// Brings what an apply of `config` made into normal form; what it drops is warned of, or refused when
    /// strict. `again` makes the tree once more.
    ///
    /// # Errors
    /// What upstream says of an applied tree that no object of the kind can hold.
    pub(crate) fn normalize_applied(
        &self,
        object: &mut Object,
        config: &Object,
        validation: FieldValidation,
        again: impl FnOnce() -> Result<Object>,
    ) -> Result<Vec<String>> {
        let problems = self.kind.normalize_applied(object, validation, again)?.map_err(|why| {
            let portcullis_api::Gvk { gv, kind } = self.gvk();
            let (namespace, name) = (config.namespace(), config.name());
            let message = format!(
                "failed to convert new object ({namespace}/{name}; {}/{}, Kind={kind}) to proper version: {why}",
                gv.group, gv.version
            );
            ApiError::new(portcullis_api::Reason::Unknown, message)
        })?;
        if validation == FieldValidation::Strict && !problems.is_empty() {
            let strict = self.kind.strict_error(&problems);
            return Err(strict.into_api_error(self.kind.kind(), self.kind.api_version(), b""));
        }
        Ok(problems)
    }

    /// The value of a selectable field of an entry.
    pub(crate) fn field<'e>(&self, entry: &'e Entry, field: &str) -> Option<&'e str> {
        self.stored.as_ref()?.selectable.value(entry, field)
    }

    /// What objects with a value in a field are found by, if they are.
    pub(crate) fn trait_of<'v>(&self, field: &str, value: &'v str) -> Option<Trait<'v>> {
        self.stored.as_ref()?.selectable.trait_of(field, value)
    }

    /// Whether a name names one object there.
    pub(crate) fn is_place(&self, namespace: &str) -> bool {
        self.scope() == Scope::Cluster || !namespace.is_empty()
    }

    /// The storage key of an object.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> Key {
        let prefix = self.prefix(namespace);
        format!("{prefix}{name}").into()
    }

    /// What the keys of all objects of a namespace start with; of all objects when it is empty.
    pub(crate) fn prefix(&self, namespace: &str) -> String {
        let root = self.stored.as_ref().map_or(keys::ROOT, |stored| &*stored.prefix);
        if self.scope() == Scope::Cluster || namespace.is_empty() {
            format!("{root}/")
        } else {
            format!("{root}/{namespace}/")
        }
    }

    /// The rules of the main endpoint.
    pub(crate) fn strategy(&self) -> Result<&dyn Strategy> {
        self.endpoint_strategy("")
    }

    /// The rules of the main endpoint or of a subresource.
    pub(crate) fn endpoint_strategy(&self, subresource: &str) -> Result<&dyn Strategy> {
        let own = self.custom.as_ref().map(|serving| serving.strategy(subresource));
        own.unwrap_or_else(|| kinds::strategy(&self.gr.group, &self.gr.resource, subresource))
            .ok_or_else(|| ApiError::internal(format!("{} has no strategy for {subresource:?}", self.gr)))
    }

    /// The 422 of an object of this kind.
    pub(crate) fn invalid(&self, name: &str, errors: &[field::Error]) -> ApiError {
        let kind = self.stored_kind();
        ApiError::invalid(&kind.gvk().gv.group, kind.kind(), name, errors)
    }

    /// The object of an entry as this version shows it: TypeMeta, resourceVersion, converted.
    pub(crate) fn tree(&self, entry: &Entry) -> Result<Object> {
        let mut object = self.bare_tree(entry)?;
        object.map_mut().insert("apiVersion".into(), self.kind.api_version().into());
        object.map_mut().insert("kind".into(), self.kind.kind().into());
        Ok(object)
    }

    /// The object of an entry without TypeMeta.
    pub(crate) fn bare_tree(&self, entry: &Entry) -> Result<Object> {
        let parsed: std::result::Result<Value, _> = serde_json::from_slice(entry.body());
        let Ok(Value::Object(map)) = parsed else {
            return Err(ApiError::internal(format!("the stored object {} is not readable", entry.key())));
        };
        let object = Object::new(map);
        match self.stored.as_ref().and_then(|stored| stored.conversion.as_ref()) {
            Some(conversion) => Ok((conversion.to_served)(object)),
            None => Ok(object),
        }
    }

    /// An object of another version of the same resource as this version shows it.
    ///
    /// # Errors
    /// When it cannot be converted.
    pub(crate) async fn converted(&self, object: Object, source: &Self) -> Result<Object> {
        let mut object = match self.custom() {
            Some(serving) => serving.converted(object, self.kind.api_version()).await?,
            None => {
                let stored = match source.conversion() {
                    Some(conversion) => (conversion.to_stored)(object),
                    None => object,
                };
                match self.conversion() {
                    Some(conversion) => (conversion.to_served)(stored),
                    None => stored,
                }
            }
        };
        object.map_mut().insert("apiVersion".into(), self.kind.api_version().into());
        object.map_mut().insert("kind".into(), self.kind.kind().into());
        Ok(object)
    }

    /// The body of an entry as this version shows it, without TypeMeta.
    pub(crate) fn body(&self, entry: &Entry) -> Result<Bytes> {
        if !self.converts() {
            return Ok(entry.body().clone());
        }
        let object = self.bare_tree(entry)?;
        serde_json::to_vec(object.map())
            .map(Bytes::from)
            .map_err(|error| ApiError::internal(error.to_string()))
    }

    /// Whether stored and served version differ.
    pub(crate) fn converts(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.conversion.is_some())
    }

    /// Does something to an object in the version it is stored in, which is the one rules are written for.
    pub(crate) fn as_stored<T>(&self, object: &mut Object, work: impl FnOnce(&mut Object) -> T) -> T {
        let Some(conversion) = self.conversion() else { return work(object) };
        let mut stored = (conversion.to_stored)(std::mem::take(object));
        let done = work(&mut stored);
        *object = (conversion.to_served)(stored);
        done
    }

    /// An object of this version as it is stored.
    pub(crate) fn stored_form<'o>(&self, object: &'o Object) -> Cow<'o, Object> {
        match self.conversion() {
            Some(conversion) => Cow::Owned((conversion.to_stored)(object.clone())),
            None => Cow::Borrowed(object),
        }
    }

    /// The kind objects are stored as; refusals speak of it.
    pub(crate) fn stored_kind(&self) -> &Schema {
        self.stored.as_ref().map_or(&self.kind, |stored| &stored.kind)
    }

    /// What is left of an object (without TypeMeta) when only its metadata is asked for.
    pub(crate) fn metadata_of(&self, object: &Value) -> Value {
        let mut metadata =
            object.get("metadata").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        if self.is("apps", "daemonsets") {
            hide_template_generation(&mut metadata);
        }
        metadata
    }

    /// Whether that is what is stored as metadata.
    pub(crate) fn shows_metadata_as_stored(&self) -> bool {
        !self.converts() && !self.is("apps", "daemonsets")
    }

    fn conversion(&self) -> Option<&Conversion> {
        self.stored.as_ref()?.conversion.as_ref()
    }

    /// The bytes to store for an object of this version.
    pub(crate) fn encode(&self, object: Object) -> Result<Bytes> {
        let stored = self.stored.as_ref().ok_or_else(ApiError::no_such_path)?;
        let object = match &stored.conversion {
            Some(conversion) => (conversion.to_stored)(object),
            None => object,
        };
        encode(object, &stored.kind)
    }

    /// Whether a deletion answers with the object rather than a `Status`.
    pub(crate) fn returns_deleted(&self) -> bool {
        matches!(
            (&*self.gr.group, &*self.gr.resource),
            ("", "pods" | "services" | "namespaces" | "serviceaccounts" | "resourcequotas" | "podtemplates")
                | ("", "persistentvolumes" | "persistentvolumeclaims")
                | ("resource.k8s.io", _)
                | ("storage.k8s.io", "csidrivers" | "csinodes" | "storageclasses")
                | ("storage.k8s.io", "volumeattachments" | "volumeattributesclasses")
        )
    }

    /// What a client is told when a deletion does not do what its author may expect.
    pub(crate) fn deletion_warning(&self, options: &DeleteOptions) -> Option<String> {
        let silent = options.propagation.is_none() && options.orphan_dependents.is_none();
        (self.is("batch", "jobs") && silent).then(|| {
            "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
             them or set propagationPolicy=Orphan to suppress this warning"
                .to_owned()
        })
    }
}

/// The annotation is how Go keeps a field of an older version; it is part of the object, not its metadata.
fn hide_template_generation(metadata: &mut Value) {
    let Some(metadata) = metadata.as_object_mut() else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.remove("deprecated.daemonset.template.generation");
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

/// Whether objects of a resource are kept without effect so far.
pub fn is_unenforced(group: &str, resource: &str) -> bool {
    matches!((group, resource), ("apiregistration.k8s.io", _) | ("networking.k8s.io", "networkpolicies"))
}

/// How deeply the members of a stored object may be nested: what readers of JSON take, less the object itself.
const MAX_STORED_DEPTH: usize = 126;

/// Whether a value is nested no deeper than it can be read again.
fn is_readable(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left > 0 && items.iter().all(|item| is_readable(item, left - 1)),
        Value::Object(members) => left > 0 && members.values().all(|member| is_readable(member, left - 1)),
        _ => true,
    }
}

/// Stored form: TypeMeta first, neither resourceVersion nor the selfLink nobody fills any more.
pub(crate) fn encode(mut object: Object, kind: &Schema) -> Result<Bytes> {
    object.metadata_mut().remove("resourceVersion");
    object.metadata_mut().remove("selfLink");
    let map = object.map_mut();
    map.remove("apiVersion");
    map.remove("kind");
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"apiVersion\":\"");
    out.extend_from_slice(kind.api_version().as_bytes());
    out.extend_from_slice(b"\",\"kind\":\"");
    out.extend_from_slice(kind.kind().as_bytes());
    out.extend_from_slice(b"\",");
    let start = out.len() - 1;
    if !map.values().all(|value| is_readable(value, MAX_STORED_DEPTH)) {
        return Err(ApiError::bad_request("the object exceeds the maximum depth"));
    }
    serde_json::to_writer(&mut out, object.map()).map_err(|error| ApiError::internal(error.to_string()))?;
    // The map brought its own brace; the comma before it takes the brace's place.
    out.remove(start + 1);
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, level| {
            if level % 2 == 0 { Value::Array(vec![inner]) } else { serde_json::json!({ "a": inner }) }
        })
    }

    #[test]
    fn what_is_stored_can_be_read_again() {
        for levels in [1, MAX_STORED_DEPTH, MAX_STORED_DEPTH + 1, 200] {
            let text = format!("{{\"a\":{}}}", nested(levels));
            let read = serde_json::from_str::<Value>(&text).is_ok();
            assert_eq!(is_readable(&nested(levels), MAX_STORED_DEPTH), read, "{levels}");
        }
    }
}
