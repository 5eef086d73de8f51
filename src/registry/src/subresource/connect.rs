//! Streams into a pod, node or service: log, exec, attach, port-forward, proxy.
//!
//! What can be answered from the object alone is; what needs a kubelet is refused with a reason,
//! because no kubelet has registered an address this server may dial yet.

mod location;

use http::StatusCode;
use portcullis_api::field::{Error, Path};
use portcullis_api::{ApiError, Object, Result, Value, body};

use crate::call::Call;
use crate::{Response, respond};

/// `pods/NAME/log`
pub(super) fn log(call: &mut Call<'_>) -> Result<Response> {
    let pod = pod(call)?;
    check_log_options(call)?;
    choose_container(call, &pod)?;
    if pod.str_at(&["spec", "nodeName"]).is_empty() {
        // Nothing ran, so there is nothing to read.
        let mut response = respond::respond(call, "text/plain", StatusCode::NO_CONTENT, body::empty());
        response.headers_mut().remove(http::header::CONTENT_TYPE);
        return Ok(response);
    }
    Err(unreachable_kubelet(call, &pod))
}

/// `exec`, `attach`, `portforward`, `proxy`
pub(super) async fn stream(call: &mut Call<'_>) -> Result<Response> {
    // Nothing is stored: to have passed is all.
    drop(call.admit_stream(options(call)).await?);
    if &*call.target.subresource == "proxy" {
        location::proxied(call)?;
        return Err(ApiError::unavailable("proxying is not served yet"));
    }
    let pod = pod(call)?;
    if matches!(&*call.target.subresource, "exec" | "attach") {
        choose_container(call, &pod)?;
    }
    if pod.str_at(&["spec", "nodeName"]).is_empty() {
        let message = format!("pod {} does not have a host assigned", pod.name());
        return Err(ApiError::bad_request(message));
    }
    Err(unreachable_kubelet(call, &pod))
}

/// What the stream is opened with, as an object.
fn options(call: &Call<'_>) -> Object {
    let kind = match (&*call.resource.gr.resource, &*call.target.subresource) {
        ("nodes", _) => "NodeProxyOptions",
        ("services", _) => "ServiceProxyOptions",
        (_, "exec") => "PodExecOptions",
        (_, "attach") => "PodAttachOptions",
        (_, "portforward") => "PodPortForwardOptions",
        _ => "PodProxyOptions",
    };
    let mut options = Object::default();
    let mut put = |field: &str, value: Value| options.map_mut().insert(field.to_owned(), value);
    put("kind", kind.into());
    put("apiVersion", "v1".into());
    for flag in ["stdin", "stdout", "stderr", "tty"] {
        if call.query.flag(flag) == Some(true) {
            put(flag, true.into());
        }
    }
    for text in ["container", "path"] {
        if let Some(value) = call.query.first(text).filter(|value| !value.is_empty()) {
            put(text, value.into());
        }
    }
    let command: Vec<Value> = call.query.all("command").map(Value::from).collect();
    if !command.is_empty() {
        put("command", command.into());
    } else if kind == "PodExecOptions" {
        // Go writes this list even where there is none.
        put("command", Value::Null);
    }
    let ports: Vec<Value> =
        call.query.all("ports").filter_map(|port| port.parse::<i64>().ok()).map(Value::from).collect();
    if !ports.is_empty() {
        put("ports", ports.into());
    }
    options
}

fn pod(call: &Call<'_>) -> Result<Object> {
    let name = &*call.target.name;
    let live = call.live_built_in(name)?.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
    Ok(live.object)
}

fn unreachable_kubelet(call: &Call<'_>, pod: &Object) -> ApiError {
    let node = pod.str_at(&["spec", "nodeName"]);
    let unreachable = || ApiError::unavailable(format!("no kubelet of node {node:?} can be dialled"));
    location::node(call, node).map_or_else(|refused| refused, |_| unreachable())
}

fn check_log_options(call: &Call<'_>) -> Result<()> {
    let mut errors = Vec::new();
    let mut at_least = |field: &str, least: i64, number: Option<i64>| {
        let Some(number) = number.filter(|number| *number < least) else { return };
        let why = if least == 0 { "must be greater than or equal to 0" } else { "must be greater than 0" };
        errors.push(Error::invalid(&Path::new(field), number, why));
    };
    let since = call.query.first("sinceTime").filter(|time| !time.is_empty());
    if let Some(time) = since {
        portcullis_schema::decode::check_time(time).map_err(ApiError::bad_request)?;
    }
    let [lines, bytes, seconds] =
        ["tailLines", "limitBytes", "sinceSeconds"].map(|field| call.query.number(field));
    let seconds = seconds?;
    at_least("tailLines", 0, lines?);
    at_least("limitBytes", 1, bytes?);
    if since.is_none() {
        at_least("sinceSeconds", 1, seconds);
    } else if seconds.is_some() {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(Error::forbidden(&Path::new("[]"), why));
    }
    // One stream of the two is chosen only where a feature that is off by default allows it.
    if call.query.first("stream").is_some() {
        errors.push(Error::forbidden(&Path::new("stream"), "may not be specified"));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid("", "PodLogOptions", &call.target.name, &errors))
    }
}

/// The container a stream is for: the one named, or the only one.
fn choose_container(call: &Call<'_>, pod: &Object) -> Result<()> {
    let names: Vec<&str> = ["containers", "initContainers", "ephemeralContainers"]
        .into_iter()
        .filter_map(|list| pod.at(&["spec", list])?.as_array())
        .flatten()
        .filter_map(|container| container.get("name").and_then(Value::as_str))
        .collect();
    let asked = call.query.text("container");
    if asked.is_empty() {
        let mains = pod.at(&["spec", "containers"]).and_then(Value::as_array).map_or(0, Vec::len);
        if mains == 1 || pod.annotations().any(|(key, _)| key == "kubectl.kubernetes.io/default-container") {
            return Ok(());
        }
        let list = names.get(..mains).unwrap_or_default().join(" ");
        let message =
            format!("a container name must be specified for pod {}, choose one of: [{list}]", pod.name());
        return Err(ApiError::bad_request(message));
    }
    if names.contains(&asked) {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("container {asked} is not valid for pod {}", pod.name())))
}
