//! `scale`: the replica count of a workload as an object of its own.

use http::StatusCode;
use portcullis_api::field::{Error, Path, go_quote};
use portcullis_api::{ApiError, Object, Result, Value, Verb, time};
use portcullis_schema::managed::{self, OneVersion, ScaleOwners, Writable};
use portcullis_schema::patch::{Configuration, Patch, PatchType};

use crate::call::Call;
use crate::custom::Serving;
use crate::custom::scale::ScalePaths;
use crate::kinds::others::scale;
use crate::meta;
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
    let live = call.live(&name).await?.ok_or_else(|| ApiError::not_found(&call.resource.gr, &name))?;
    if let Some(paths) = custom_paths(call) {
        let found = paths.of(&live.object).map_err(|why| ApiError::internal_said(&why))?;
        if !found.replicas {
            let why = format!("the spec replicas field {} does not exist", go_quote(paths.spec()));
            return Err(ApiError::internal_said(&why));
        }
    }
    answer(call, output, &live.object)
}

async fn replace(call: &mut Call<'_>, output: Output) -> Result<Response> {
    let body = call.read_body().await?;
    let options = WriteOptions::of_update(&call.query)?;
    let kind = scale_kind()?;
    let decoded =
        portcullis_schema::decode::decode_body(kind, &body, call.media_type()?, options.field_validation)?;
    call.warnings.extend(decoded.problems);
    call.tell_decoded(&decoded.object);
    let mut wanted = decoded.object;
    meta::ensure_namespace(&mut wanted, call.resource.scope(), &call.target.namespace)?;
    if wanted.name().is_empty() {
        let name = &call.target.name;
        let message =
            format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
        return Err(ApiError::bad_request(message));
    }
    store(call, output, &options, &|_, _| Ok(wanted.clone()), wanted.uid(), None).await
}

async fn change(call: &mut Call<'_>, output: Output) -> Result<Response> {
    let format = patch::format(call)?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_patch(&call.query, format)?;
    if format == PatchType::Apply {
        let config = Configuration::parse(&body)?;
        let nothing = |_: &mut Call<'_>, current: &Object| Ok(current.clone());
        return store(call, output, &options, &nothing, "", Some(&config)).await;
    }
    let parsed = Patch::parse(format, &body, options.field_validation)?;
    let schema = scale_kind()?.into();
    let want = |call: &mut Call<'_>, current: &Object| patch::patched(call, &schema, &parsed, current);
    store(call, output, &options, &want, "", None).await
}

/// The smallest number that a count can be, which stands for no number.
const NEVER_SET: i64 = -2_147_483_648;

type Want<'w> = dyn Fn(&mut Call<'_>, &Object) -> Result<Object> + Send + Sync + 'w;

async fn store(
    call: &mut Call<'_>,
    output: Output,
    options: &WriteOptions,
    want: &Want<'_>,
    expect_uid: &str,
    config: Option<&Configuration>,
) -> Result<Response> {
    let name = call.target.name.clone();
    let strategy = call.resource.strategy()?;
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, &name))?;
        let current = current(call, live)?;
        let mut wanted = match config {
            Some(config) => applied(call, options, config, &current, live)?,
            None => want(call, &current)?,
        };
        check_name(&wanted, &name)?;
        let mut new = live.clone();
        match custom_paths(call) {
            Some(paths) => put_custom(paths, &wanted, &mut new)?,
            None => {
                check_replicas(&wanted, &name)?;
                scale::from_scale(&call.resource.gr.group, &call.resource.gr.resource, &wanted, &mut new);
            }
        }
        match config {
            Some(_) => put_entries(
                &mut new,
                owners_of(call, &entries(live), |owners| owners.to_parent(&entries(&wanted)))?,
            ),
            None => own(call, options, (&current, &mut wanted), (live, &mut new))?,
        }
        if !wanted.resource_version().is_empty() {
            new.set_meta_str("resourceVersion", wanted.resource_version());
        }
        Ok(new)
    };
    let change = Change { name: &name, strategy, options, may_create: false, expect_uid, produce: &produce };
    let written = update::run(call, &change).await?;
    let object = written.tree()?;
    answer(call, output, &object)
}

/// What a scale's patch begins with. Replicas that were never set are a number nobody would ask for.
fn current(call: &Call<'_>, live: &Object) -> Result<Object> {
    let mut current = to_scale(call, live)?;
    if let Some(paths) = custom_paths(call)
        && !paths.of(live).is_ok_and(|found| found.replicas)
    {
        current.set_at(&["spec", "replicas"], NEVER_SET.into());
    }
    Ok(current)
}

fn put_custom(paths: &ScalePaths, wanted: &Object, new: &mut Object) -> Result<()> {
    let replicas = wanted.at(&["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(0);
    if replicas == NEVER_SET {
        let path = go_quote(paths.spec());
        return Err(ApiError::bad_request(format!("the spec replicas field {path} cannot be empty")));
    }
    paths.put(replicas, new);
    Ok(())
}

fn custom_paths<'a>(call: &Call<'a>) -> Option<&'a ScalePaths> {
    call.resource.custom()?.scale()
}

fn entries(object: &Object) -> Vec<Value> {
    let list = object.metadata().and_then(|meta| meta.get("managedFields")).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

/// Ownership is decided on the scale and carried back to the workload.
fn own(
    call: &Call<'_>,
    options: &WriteOptions,
    (current, wanted): (&Object, &mut Object),
    (live, new): (&Object, &mut Object),
) -> Result<()> {
    let parent = entries(live);
    let mut before = current.clone();
    put_entries(&mut before, owners_of(call, &parent, |owners| owners.to_scale())?);
    wanted.metadata_mut().remove("managedFields");
    let tracker = scale_kind()?.tracker("scale", Writable::ALL, &OneVersion);
    tracker.update(&call.manager(options), Some(&before), wanted, &time::now_rfc3339());
    put_entries(new, owners_of(call, &parent, |owners| owners.to_parent(&entries(wanted)))?);
    Ok(())
}

/// The scale with a configuration applied, and who then owns what of it.
fn applied(
    call: &Call<'_>,
    options: &WriteOptions,
    config: &Configuration,
    current: &Object,
    live: &Object,
) -> Result<Object> {
    let mut before = current.clone();
    put_entries(&mut before, owners_of(call, &entries(live), |owners| owners.to_scale())?);
    let (manager, force, now) = (&*options.field_manager, options.force, time::now_rfc3339());
    let request = managed::Request { manager, force, config: &config.object, now: &now };
    scale_kind()?.tracker("scale", Writable::ALL, &OneVersion).apply(request, Some(&before))
}

fn owners_of(
    call: &Call<'_>,
    parent: &[Value],
    turn: impl FnOnce(&ScaleOwners<'_>) -> std::result::Result<Option<Value>, String>,
) -> Result<Option<Value>> {
    let api_version = call.resource.kind.api_version();
    let of_custom = call.resource.custom().map(Serving::replica_paths).unwrap_or_default();
    let mut replicas: Vec<(&str, Option<&[&str]>)> =
        of_custom.iter().map(|(version, path)| (*version, path.as_deref())).collect();
    if replicas.is_empty() {
        replicas.push((api_version, Some(&["spec", "replicas"])));
    }
    turn(&ScaleOwners { parent, api_version, replicas: &replicas }).map_err(ApiError::internal)
}

fn put_entries(object: &mut Object, entries: Option<Value>) {
    match entries {
        Some(entries) => object.metadata_mut().insert("managedFields".into(), entries),
        None => object.metadata_mut().remove("managedFields"),
    };
}

fn check_name(wanted: &Object, name: &str) -> Result<()> {
    if !wanted.name().is_empty() && wanted.name() != name {
        let message =
            format!("the name of the object ({}) does not match the name on the URL ({name})", wanted.name());
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

fn check_replicas(wanted: &Object, name: &str) -> Result<()> {
    let replicas = wanted.at(&["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(0);
    if replicas >= 0 {
        return Ok(());
    }
    let path = Path::new("spec").child("replicas");
    let error = Error::invalid(&path, replicas, "must be greater than or equal to 0");
    Err(ApiError::invalid("autoscaling", "Scale", name, &[error]))
}

/// Gives an object the replicas that its scale has after admission changed it.
pub(crate) fn put(call: &Call<'_>, wanted: &Object, live: &Object, new: &mut Object) -> Result<()> {
    check_replicas(wanted, live.name())?;
    match custom_paths(call) {
        Some(paths) => put_custom(paths, wanted, new),
        None => {
            scale::from_scale(&call.resource.gr.group, &call.resource.gr.resource, wanted, new);
            Ok(())
        }
    }
}

/// The scale of an object.
pub(crate) fn to_scale(call: &Call<'_>, object: &Object) -> Result<Object> {
    if let Some(paths) = custom_paths(call) {
        return paths.of(object).map(|found| found.scale).map_err(|why| ApiError::internal_said(&why));
    }
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
