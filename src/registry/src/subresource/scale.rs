//! `scale`: the replica count of a workload as an object of its own.

use http::StatusCode;
use portcullis_api::field::{Error, Path};
use portcullis_api::{ApiError, Object, Result, Value, Verb, time};
use portcullis_schema::managed::{OneVersion, ScaleOwners, Writable};
use portcullis_schema::patch::Patch;

use crate::call::Call;
use crate::kinds::others::scale;
use crate::negotiate::{self, Endpoint, Output, Shape};
use crate::options::WriteOptions;
use crate::verbs::patch;
use crate::verbs::update::{self, Change};
use crate::{Response, respond};

pub(super) async fn serve(call: &mut Call<'_>, verb: Verb) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Object)?;
    match verb {
        Verb::Get => read(call, output).await,
        Verb::Update => replace(call, output).await,
        Verb::Patch => change(call, output).await,
        _ => Err(ApiError::method_not_allowed()),
    }
}

async fn read(call: &mut Call<'_>, output: Output) -> Result<Response> {
    call.registry.reach(call.query.text("resourceVersion")).await?;
    let name = call.target.name.clone();
    let live = call.live(&name)?.ok_or_else(|| ApiError::not_found(&call.resource.gr, &name))?;
    answer(call, output, &live.object)
}

async fn replace(call: &mut Call<'_>, output: Output) -> Result<Response> {
    let body = call.read_body().await?;
    let options = WriteOptions::of_update(&call.query)?;
    let kind = scale_kind()?;
    let decoded =
        portcullis_schema::decode::decode_body(kind, &body, call.media_type()?, options.field_validation)?;
    call.warnings.extend(decoded.problems);
    let wanted = decoded.object;
    store(call, output, &options, &|_, _| Ok(wanted.clone())).await
}

async fn change(call: &mut Call<'_>, output: Output) -> Result<Response> {
    let format = patch::format(call.content_type())?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_patch(&call.query, format)?;
    let parsed = Patch::parse(format, &body, options.field_validation)?;
    let schema = scale_kind()?.into();
    store(call, output, &options, &|call: &mut Call<'_>, current: &Object| {
        patch::patched(call, &schema, &parsed, current)
    })
    .await
}

type Want<'w> = dyn Fn(&mut Call<'_>, &Object) -> Result<Object> + Send + Sync + 'w;

async fn store(
    call: &mut Call<'_>,
    output: Output,
    options: &WriteOptions,
    want: &Want<'_>,
) -> Result<Response> {
    let name = call.target.name.clone();
    let strategy = call.resource.strategy()?;
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, &name))?;
        let current = to_scale(call, live)?;
        let mut wanted = want(call, &current)?;
        check(&wanted, &name)?;
        let mut new = live.clone();
        scale::from_scale(&call.resource.gr.group, &call.resource.gr.resource, &wanted, &mut new);
        new.set_meta_str("resourceVersion", wanted.resource_version());
        own(call, options, (&current, &mut wanted), (live, &mut new))?;
        Ok(new)
    };
    let change =
        Change { name: &name, strategy, options, may_create: false, expect_uid: "", produce: &produce };
    let written = update::run(call, &change).await?;
    let object = written.tree()?;
    answer(call, output, &object)
}

/// Ownership is decided on the scale and carried back to the workload.
fn own(
    call: &Call<'_>,
    options: &WriteOptions,
    (current, wanted): (&Object, &mut Object),
    (live, new): (&Object, &mut Object),
) -> Result<()> {
    let entries = |object: &Object| -> Vec<Value> {
        let list = object.metadata().and_then(|meta| meta.get("managedFields")).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let parent = entries(live);
    let api_version = call.resource.kind.api_version();
    let owners =
        ScaleOwners { parent: &parent, api_version, replicas: &[(api_version, Some(&["spec", "replicas"]))] };
    let mut before = current.clone();
    put_entries(&mut before, owners.to_scale().map_err(ApiError::internal)?);
    wanted.metadata_mut().remove("managedFields");
    let tracker = scale_kind()?.tracker("scale", Writable::ALL, &OneVersion);
    tracker.update(&call.manager(options), Some(&before), wanted, &time::now_rfc3339());
    put_entries(new, owners.to_parent(&entries(wanted)).map_err(ApiError::internal)?);
    Ok(())
}

fn put_entries(object: &mut Object, entries: Option<Value>) {
    match entries {
        Some(entries) => object.metadata_mut().insert("managedFields".into(), entries),
        None => object.metadata_mut().remove("managedFields"),
    };
}

fn check(wanted: &Object, name: &str) -> Result<()> {
    if !wanted.name().is_empty() && wanted.name() != name {
        let message =
            format!("the name of the object ({}) does not match the name on the URL ({name})", wanted.name());
        return Err(ApiError::bad_request(message));
    }
    let replicas = wanted.at(&["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(0);
    if replicas >= 0 {
        return Ok(());
    }
    let path = Path::new("spec").child("replicas");
    let error = Error::invalid(&path, replicas, "must be greater than or equal to 0");
    Err(ApiError::invalid("autoscaling", "Scale", name, &[error]))
}

fn to_scale(call: &Call<'_>, object: &Object) -> Result<Object> {
    scale::to_scale(&call.resource.gr.group, &call.resource.gr.resource, object)
        .ok_or_else(|| ApiError::internal(format!("{} has no scale", call.resource.gr)))
}

fn answer(call: &Call<'_>, output: Output, object: &Object) -> Result<Response> {
    let scale = Value::from(to_scale(call, object)?);
    let shown = match output.shape {
        Shape::Full => scale,
        Shape::Table(version) => respond::scale_table(&call.query, version, &scale)?,
        Shape::Metadata(version) => respond::partial_scale(version, &scale),
    };
    respond::tree(call, output, StatusCode::OK, &shown)
}

fn scale_kind() -> Result<&'static portcullis_schema::Kind> {
    portcullis_schema::kind_named("autoscaling", "v1", "Scale")
        .ok_or_else(|| ApiError::internal("the Scale kind is not built in"))
}
