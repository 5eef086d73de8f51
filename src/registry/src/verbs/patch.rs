//! PATCH: JSON patch, merge patch, strategic merge patch and server-side apply.

use http::StatusCode;
use portcullis_api::{ApiError, Object, Result, time};
use portcullis_schema::patch::{Configuration, Patch, PatchType};
use portcullis_schema::{Schema, managed};

use super::update::{self, Change};
use crate::call::{Call, unsupported};
use crate::door::Written;
use crate::negotiate::{self, Endpoint};
use crate::options::WriteOptions;
use crate::{Response, meta, respond};

/// Custom objects have no strategic merge patches.
const CUSTOM_FORMATS: &str =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// Serves a patch of an object or of one of its subresources that has the object's kind.
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let format = format(call)?;
    let output = negotiate::output_of(call, Endpoint::Object)?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_patch(&call.query, format)?;
    let name = call.target.name.clone();
    let written = match format {
        PatchType::Apply => apply(call, &name, &body, &options).await?,
        _ => patch(call, &name, format, &body, &options).await?,
    };
    call.take_notes();
    call.registry.warn_unenforced(call);
    let code = if written.created() { StatusCode::CREATED } else { StatusCode::OK };
    respond::written(call, output, code, &written)
}

/// The patch format a Content-Type names.
pub(crate) fn format(call: &Call<'_>) -> Result<PatchType> {
    let format = PatchType::from_content_type(call.content_type());
    // The scale of a custom object is a built-in kind, but upstream reads its patches as those of the object.
    let custom = call.resource.custom().is_some();
    let refused = || if custom { unsupported(CUSTOM_FORMATS) } else { ApiError::no_such_format() };
    format.filter(|format| !custom || *format != PatchType::Strategic).ok_or_else(refused)
}

async fn patch(
    call: &mut Call<'_>,
    name: &str,
    format: PatchType,
    body: &[u8],
    options: &WriteOptions,
) -> Result<Written> {
    let parsed = Patch::parse(format, body, options.field_validation)?;
    let strategy = call.resource.endpoint_strategy(&call.target.subresource)?;
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
        let mut new = patched(call, &call.resource.kind, &parsed, live)?;
        check_identity(call, &mut new, name)?;
        call.own_fields(options, Some(live), &mut new)?;
        Ok(new)
    };
    let change = Change { name, strategy, options, may_create: false, expect_uid: "", produce: &produce };
    update::run(call, &change).await
}

/// The live object with a patch applied, decoded again and defaulted.
pub(crate) fn patched(call: &mut Call<'_>, schema: &Schema, patch: &Patch, live: &Object) -> Result<Object> {
    let patched = patch.run(schema, live)?;
    call.warnings.extend(patched.warnings);
    let mut object = patched.object;
    schema.fill_defaults(&mut object)?;
    Ok(object)
}

/// A patch cannot rename or move an object.
pub(crate) fn check_identity(call: &Call<'_>, new: &mut Object, name: &str) -> Result<()> {
    meta::ensure_namespace(new, call.resource.scope(), &call.target.namespace)?;
    if new.name().is_empty() {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )));
    }
    if new.name() != name {
        let message =
            format!("the name of the object ({}) does not match the name on the URL ({name})", new.name());
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

/// Applies a configuration: the fields it names are the manager's.
pub(crate) async fn apply(
    call: &mut Call<'_>,
    name: &str,
    body: &[u8],
    options: &WriteOptions,
) -> Result<Written> {
    let strategy = call.resource.endpoint_strategy(&call.target.subresource)?;
    let config = Configuration::parse(body)?;
    let may_create = call.target.subresource.is_empty();
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let versions = call.resource.versions(&call.target.subresource, &call.elsewhere);
        let tracker = call.resource.tracker(&call.target.subresource, &versions);
        let (manager, force, now) = (&*options.field_manager, options.force, time::now_rfc3339());
        let merge = || {
            let request = managed::Request { manager, force, config: &config.object, now: &now };
            tracker.apply(request, live)
        };
        let mut new = merge()?;
        call.warnings.extend(config.warnings(options.field_validation)?);
        let problems =
            call.resource.normalize_applied(&mut new, &config.object, options.field_validation, merge)?;
        call.warnings.extend(problems);
        call.resource.kind.fill_defaults(&mut new)?;
        call.resource.kind.forget_empties(&mut new);
        if live.is_none() {
            new.set_meta_str("name", name);
            meta::wipe_system_fields(&mut new);
            meta::ensure_namespace(&mut new, call.resource.scope(), &call.target.namespace)?;
        }
        check_identity(call, &mut new, name)?;
        Ok(new)
    };
    let change = Change { name, strategy, options, may_create, expect_uid: "", produce: &produce };
    update::run(call, &change).await
}
