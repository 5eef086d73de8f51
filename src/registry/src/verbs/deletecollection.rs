//! DELETE of a collection: every selected object goes the way of a single delete.

use http::StatusCode;
use portcullis_api::{Reason, Result};

use super::{delete, list};
use crate::call::Call;
use crate::negotiate::{self, Endpoint};
use crate::options::ListOptions;
use crate::{Response, respond};

/// Serves a delete of a collection. Objects that vanish meanwhile are fine; the first other failure
/// ends it.
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Collection)?;
    let list_options = ListOptions::parse(&call.query, false)?;
    let options = delete::options(call).await?;
    call.warnings.extend(call.resource.deletion_warning(&options));
    let selected = list::select(call, &list_options).await?;
    for entry in &selected.entries {
        let mut one = call.for_namespace(entry.namespace());
        match delete::run(&mut one, entry.name(), &options).await {
            Ok(_) => {}
            Err(error) if error.reason() == Reason::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    respond::list(call, output, StatusCode::OK, selected)
}
