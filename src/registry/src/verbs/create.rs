//! POST of an object: decode, own the fields, admit, name, validate, commit.

use http::StatusCode;
use portcullis_api::{ApiError, Object, Reason, Result, Scope, Value, Verb};
use portcullis_schema::decode::FieldValidation;

use crate::call::{Call, Write};
use crate::door::{Effect, Written};
use crate::negotiate::{self, Endpoint};
use crate::options::WriteOptions;
use crate::{Response, kinds, meta, respond, user_token};

/// Serves a create on the collection.
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output_of(call, Endpoint::Object)?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_create(&call.query)?;
    let mut object = decode(call, &body, options.field_validation)?;
    meta::wipe_system_fields(&mut object);
    meta::ensure_namespace(&mut object, call.resource.scope(), &call.target.namespace)?;
    if let Some(warning) = meta::dedup_owner_references(&mut object) {
        call.warnings.push(warning);
    }
    call.own_fields(&options, None, &mut object)?;
    let mut written = store_new(call, object, &options).await?;
    if let Some(token) = call.minted.take() {
        written = written.showing(&["status", "token"], token)?;
    }
    call.take_notes();
    call.registry.warn_unenforced(call);
    respond::written(call, output, StatusCode::CREATED, &written)
}

/// Decodes a body into the endpoint's kind, with defaults.
pub(crate) fn decode(call: &mut Call<'_>, body: &[u8], validation: FieldValidation) -> Result<Object> {
    let decoded = call.resource.kind.decode_body(body, call.media_type()?, validation)?;
    call.warnings.extend(decoded.problems);
    call.tell_decoded(&decoded.object);
    Ok(decoded.object)
}

/// What another server gave out at the same moment is not chosen again, so a few attempts are many.
const ATTEMPTS: usize = 20;

/// Admits, names, validates and stores an object whose managed fields are up to date.
pub(crate) async fn store_new(
    call: &mut Call<'_>,
    object: Object,
    options: &WriteOptions,
) -> Result<Written> {
    if !call.resource.is("", "services") {
        let stored = attempt(call, object, options).await?;
        return stored.map_err(|taken| taken.error);
    }
    // A service may also fail to be stored because another server has just given out its address or port.
    let warned = call.warnings.len();
    for _ in 0..ATTEMPTS {
        call.warnings.truncate(warned);
        match attempt(call, object.clone(), options).await? {
            Ok(written) => return Ok(written),
            Err(taken) if already_there(call, &taken.name).is_some() => return Err(taken.error),
            Err(_) => {}
        }
    }
    Err(ApiError::unavailable("addresses or ports of a service kept being taken by other servers"))
}

/// Something that a new object needs for itself is there already: its name, as a rule.
struct Taken {
    name: String,
    error: ApiError,
}

async fn attempt(
    call: &mut Call<'_>,
    mut object: Object,
    options: &WriteOptions,
) -> Result<Result<Written, Taken>> {
    call.registry.budgets().admit_object(portcullis_storage::held_bytes())?;
    let asked = object.name().to_owned();
    call.mutate(&Write::create(&asked, options), &mut object, None).await?;
    if let Some(warning) = meta::dedup_owner_references(&mut object) {
        call.warnings.push(warning);
    }
    meta::fill_system_fields(&mut object);
    let version = object.metadata_mut().remove("resourceVersion");
    crate::escalation::check(call, &object, None)?;
    let claims = call.registry.allocate(call, &mut object, None)?;
    before_create(call, &mut object)?;
    let name = object.name().to_owned();
    let generated = asked.is_empty() && !object.meta_str("generateName").is_empty();
    let admitted = call.admit(&Write::create(&name, options), Some(object), None).await?;
    if options.dry_run {
        // A token that is not stored is good for nothing.
        call.minted = None;
        if let Some(taken) = already_there(call, &name) {
            return Err(taken);
        }
        let shown = Written::dry(admitted).into_created();
        // Upstream only looks at the version where it writes.
        return match version.as_ref().and_then(Value::as_str) {
            Some(version) => shown.showing(&["metadata", "resourceVersion"], version.to_owned()).map(Ok),
            None => Ok(Ok(shown)),
        };
    }
    if call.info.verb == Verb::Create && version.is_some_and(|version| version != "0") {
        return Err(versioned_create());
    }
    let stored = call.registry.commit(call, &name, admitted, Effect::Create { claims }).await?;
    Ok(stored.ok_or_else(|| Taken { error: name_taken(call, &name, generated), name }))
}

/// A new object has no version yet; upstream's storage says so with a 500 that has no reason.
fn versioned_create() -> ApiError {
    ApiError::new(Reason::Unknown, "resourceVersion should not be set on objects to be created")
}

fn already_there(call: &Call<'_>, name: &str) -> Option<ApiError> {
    let key = call.resource.key(&call.target.namespace, name);
    call.resource.entry(&key).ok()??;
    Some(name_taken(call, name, false))
}

fn name_taken(call: &Call<'_>, name: &str, generated: bool) -> ApiError {
    let gr = &call.resource.gr;
    let mut message = format!("{gr} \"{name}\" already exists");
    if generated {
        message.push_str(", the server was not able to generate a unique name for the object");
    }
    let key = call.resource.key(&call.target.namespace, name);
    if call.resource.entry(&key).ok().flatten().is_some_and(|entry| entry.is_deleting()) {
        message.insert_str(0, "object is being deleted: ");
    }
    ApiError::new(Reason::AlreadyExists, message).about(gr, name)
}

/// Preparation and validation of a new object, in upstream's order.
fn before_create(call: &mut Call<'_>, object: &mut Object) -> Result<()> {
    let resource = call.resource;
    meta::ensure_namespace(object, resource.scope(), &call.target.namespace)?;
    let strategy = resource.strategy()?;
    if resource.is("certificates.k8s.io", "certificatesigningrequests") {
        kinds::others::stamp_requester(object, call.user);
    }
    resource.as_stored(object, |object| {
        call.warnings.extend(strategy.early_warnings(object));
        strategy.prepare_create(object);
        let mut errors = Vec::new();
        crate::device_access::check(call, object, None, &mut errors);
        strategy.validate(object, &mut errors);
        if errors.is_empty() {
            crate::parameters::check(call, object, None, &mut errors);
        }
        if errors.is_empty() {
            kinds::meta::before_create(object, resource.scope() == Scope::Namespaced, &mut errors);
        }
        if !errors.is_empty() {
            return Err(resource.invalid(object.name(), &errors));
        }
        call.warnings.extend(strategy.warnings(object, None));
        Ok(())
    })?;
    if user_token::is_about(call) {
        call.minted = Some(user_token::mint(call, object)?);
    }
    Ok(())
}
