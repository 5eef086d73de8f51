//! PUT: the whole object replaced.

use http::StatusCode;
use portcullis_api::{ApiError, Object, Result};

use super::create;
use super::update::{self, Change};
use crate::call::Call;
use crate::negotiate::{self, Endpoint};
use crate::options::WriteOptions;
use crate::{Response, meta, respond};

/// Serves an update of an object or of one of its subresources that has the object's kind.
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output_of(call, Endpoint::Object)?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_update(&call.query)?;
    let mut object = create::decode(call, &body, options.field_validation)?;
    let name = call.target.name.clone();
    check_name(&object, &name)?;
    meta::ensure_namespace(&mut object, call.resource.scope(), &call.target.namespace)?;
    let uid = object.uid().to_owned();
    let strategy = call.resource.endpoint_strategy(&call.target.subresource)?;
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let mut new = object.clone();
        if live.is_none() {
            meta::wipe_system_fields(&mut new);
        }
        call.own_fields(&options, live, &mut new)?;
        Ok(new)
    };
    let may_create = call.target.subresource.is_empty() && strategy.allow_create_on_update();
    let change =
        Change { name: &name, strategy, options: &options, may_create, expect_uid: &uid, produce: &produce };
    let written = update::run(call, &change).await?;
    call.take_notes();
    call.registry.warn_unenforced(call);
    let code = if written.created() { StatusCode::CREATED } else { StatusCode::OK };
    respond::written(call, output, code, &written)
}

fn check_name(object: &Object, name: &str) -> Result<()> {
    let message = match object.name() {
        "" => {
            format!("the name of the object ({name} based on URL) was undeterminable: name must be provided")
        }
        same if same == name => return Ok(()),
        other => format!("the name of the object ({other}) does not match the name on the URL ({name})"),
    };
    Err(ApiError::bad_request(message))
}
