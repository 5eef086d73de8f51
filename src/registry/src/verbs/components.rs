//! `componentstatuses`: deprecated by upstream and answered from what this process knows.

use http::StatusCode;
use portcullis_api::{ApiError, Result, Value, Verb};
use serde_json::json;

use crate::Response;
use crate::call::Call;
use crate::negotiate::{self, Endpoint};
use crate::respond::{self, ListMeta};

/// The store is the one component this server can vouch for.
const STORE: &str = "etcd-0";

pub(crate) fn serve(call: &mut Call<'_>, verb: Verb) -> Result<Response> {
    let endpoint = if verb == Verb::List { Endpoint::Collection } else { Endpoint::Object };
    let output = negotiate::output(call.headers, &call.query, endpoint)?;
    match verb {
        Verb::List => respond::tree_list(call, output, vec![store_status()], &ListMeta::default()),
        Verb::Get if &*call.target.name == STORE => {
            let body =
                serde_json::to_vec(&store_status()).map_err(|error| ApiError::internal(error.to_string()))?;
            respond::object(call, output, StatusCode::OK, &body.into())
        }
        Verb::Get => Err(ApiError::not_found(&call.resource.gr, &call.target.name)),
        _ => Err(ApiError::method_not_allowed()),
    }
}

fn store_status() -> Value {
    json!({
        "metadata": { "name": STORE },
        "conditions": [{ "type": "Healthy", "status": "True", "message": "ok" }],
    })
}
