//! `componentstatuses`: deprecated by upstream and answered as it does, by a look at the health of what runs beside
//! this server.

use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use portcullis_api::{ApiError, GroupResource, Result, Value, Verb};
use portcullis_outbound::{Client, Endpoint, Limits, Request, ServerTrust};
use serde_json::json;

use crate::call::Call;
use crate::negotiate;
use crate::options::ListOptions;
use crate::respond::{self, ListMeta};
use crate::{Registry, Response};

/// Who is looked at, in the order of their names, and the port of this machine on which health is told: upstream's.
const COMPONENTS: [(&str, Option<u16>); 3] =
    [("controller-manager", Some(10257)), ("etcd-0", None), ("scheduler", Some(10259))];

/// How long a look may take, and how much of an answer is shown.
const LIMITS: Limits = Limits { deadline: Duration::from_secs(20), largest: 10 << 10 };

type Component = (&'static str, Option<u16>);

pub(crate) async fn serve(call: &mut Call<'_>, verb: Verb) -> Result<Response> {
    match verb {
        Verb::List => list(call).await,
        Verb::Get => get(call).await,
        _ => Err(ApiError::method_not_allowed()),
    }
}

async fn list(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, negotiate::Endpoint::Collection)?;
    let options = ListOptions::parse(&call.query, false)?;
    let chosen = COMPONENTS.into_iter().filter(|(name, _)| is_selected(&options, name));
    let statuses = join_all(chosen.map(|component| status(call.registry, component))).await;
    respond::tree_list(call, output, statuses, &ListMeta::default())
}

/// Whether selectors let a component through: it has a name and nothing else.
fn is_selected(options: &ListOptions, name: &str) -> bool {
    let field = |field: &str| match field {
        "metadata.name" => Some(name),
        "metadata.namespace" => Some(""),
        _ => None,
    };
    options.labels.as_ref().is_none_or(|labels| labels.matches(|_| None))
        && options.fields.as_ref().is_none_or(|fields| fields.matches(field))
}

async fn get(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, negotiate::Endpoint::Object)?;
    let Some(component) = COMPONENTS.into_iter().find(|(name, _)| *name == &*call.target.name) else {
        return Err(ApiError::not_found(&GroupResource::new("", "componentstatus"), &call.target.name));
    };
    let status = status(call.registry, component).await;
    let body = serde_json::to_vec(&status).map_err(|error| ApiError::internal(error.to_string()))?;
    respond::object(call, output, StatusCode::OK, &body.into())
}

async fn status(registry: &Registry, (name, port): Component) -> Value {
    let health = match port {
        // The store has just been asked whether this request may be.
        None => Ok("ok".to_owned()),
        Some(_) if registry.runs_inside(name) => Ok("ok".to_owned()),
        Some(port) => look(port).await,
    };
    let (status, message) = match health {
        Ok(message) => ("True", message),
        Err(message) => ("False", message),
    };
    json!({
        "metadata": { "name": name },
        "conditions": [{ "type": "Healthy", "status": status, "message": message }],
    })
}

/// What is said on a port of this machine; an error is why nobody there is well.
async fn look(port: u16) -> std::result::Result<String, String> {
    let at = format!("https://127.0.0.1:{port}/healthz");
    let endpoint = Endpoint::new(&at).map_err(|error| error.to_string())?;
    // Nothing is sent but the question, and nothing is believed but whether it is answered.
    let endpoint = endpoint.with_trust(ServerTrust::InsecureAnybody);
    let client = Client::new(endpoint, LIMITS).map_err(|error| error.to_string())?;
    let reply = client.send(&Request::get()).await.map_err(|error| error.to_string())?;
    if reply.status.is_success() {
        Ok(String::from_utf8_lossy(&reply.body).into_owned())
    } else {
        Err(format!("HTTP probe failed with statuscode: {}", reply.status.as_u16()))
    }
}
