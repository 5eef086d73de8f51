//! DELETE of a collection: every selected object goes the way of a single delete.

use http::StatusCode;
use portcullis_api::{Reason, Result};

use super::{delete, list};
use crate::call::Call;
use crate::negotiate::{self, Endpoint};
use crate::options::{DeleteOptions, ListOptions};
use crate::{Response, respond};

/// Serves a delete of a collection. Objects that vanish meanwhile are fine; the first other failure
/// ends it.
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output_of(call, Endpoint::Collection)?;
    let list_options = ListOptions::parse(&call.query, false)?.in_pages();
    let options = delete::options(call).await?;
    call.warnings.extend(call.resource.deletion_warning(&options));
    let selected = list::select(call, &list_options).await?;
    let mut deleted = Vec::with_capacity(selected.entries.len());
    let outcome = delete_each(call, &selected, &options, &mut deleted).await;
    // Also where it ended half-way: what is gone is gone.
    call.slot.deleted(&deleted);
    outcome?;
    respond::list(call, output, StatusCode::OK, selected).await
}

async fn delete_each(
    call: &Call<'_>,
    selected: &list::Selected,
    options: &DeleteOptions,
    deleted: &mut Vec<String>,
) -> Result<()> {
    for entry in &selected.entries {
        let mut one = call.for_namespace(entry.namespace());
        match delete::run(&mut one, entry.name(), options).await {
            Ok(_) if &*call.target.namespace == entry.namespace() => deleted.push(entry.name().to_owned()),
            Ok(_) => deleted.push(format!("{}/{}", entry.namespace(), entry.name())),
            Err(error) if error.reason() == Reason::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
