//! `serviceaccounts/NAME/token`: a signed token for a service account, bound to a pod, secret or node
//! if asked.

use http::StatusCode;
use portcullis_api::field::{Error, Path};
use portcullis_api::{ApiError, GroupResource, Object, Result, Value, time};
use portcullis_authn::{BoundObject, ServiceAccount};
use portcullis_schema::managed::{OneVersion, Writable};
use serde_json::json;

use crate::call::{Call, Write};
use crate::ledger::NewToken;
use crate::negotiate::{self, Endpoint};
use crate::options::WriteOptions;
use crate::{Response, respond};

const LEAST_SECONDS: i64 = 600;
const MOST_SECONDS: i64 = 1 << 32;
const USUAL_SECONDS: i64 = 3600;
/// By which audit events tell which token a request was given.
const ISSUED_CREDENTIAL: &str = "authentication.kubernetes.io/issued-credential-id";

pub(super) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Plain)?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_create(&call.query)?;
    let mut request = decode(call, &body, &options)?;
    let account = account(call, &request)?;
    let name = call.target.name.clone();
    let write = Write::create(&name, &options);
    call.mutate(&write, &mut request, None).await?;
    let admitted = call.admit(&write, Some(request), None).await?;
    let mut request = admitted.into_object().unwrap_or_default();
    complete(call, &mut request, &account);
    validate(&request)?;
    let bound = match request.at(&["spec", "boundObjectRef"]) {
        Some(Value::Object(_)) => Some(bound_object(call, &request)?),
        _ => None,
    };
    let seconds = request.at(&["spec", "expirationSeconds"]).and_then(Value::as_i64).unwrap_or(USUAL_SECONDS);
    let audiences = audiences(&request);
    let who = ServiceAccount { namespace: account.namespace(), name: account.name(), uid: account.uid() };
    let minted = call.registry.tokens.issue(who, &audiences, seconds, bound.as_ref())?;
    call.slot.annotate(ISSUED_CREDENTIAL, minted.credential_id.clone());
    let issued_by = &*call.user.name;
    let token =
        NewToken { minted: &minted, account: who, audiences: &audiences, bound: bound.as_ref(), issued_by };
    call.registry.write_down(call, &token, &account).await?;
    request.map_mut().insert(
        "status".into(),
        json!({ "token": minted.token, "expirationTimestamp": time::seconds(minted.expires_at) }),
    );
    respond::tree(call, output, StatusCode::CREATED, &Value::from(request))
}

fn decode(call: &mut Call<'_>, body: &[u8], options: &WriteOptions) -> Result<Object> {
    let kind = portcullis_schema::kind_named("authentication.k8s.io", "v1", "TokenRequest")
        .ok_or_else(|| ApiError::internal("the TokenRequest kind is not built in"))?;
    let media = call.media_type()?;
    let decoded = portcullis_schema::decode::decode_body(kind, body, media, options.field_validation)?;
    call.warnings.extend(decoded.problems);
    call.tell_decoded(&decoded.object);
    let mut request = decoded.object;
    if request.at(&["spec", "expirationSeconds"]).is_none_or(Value::is_null) {
        request.set_at(&["spec", "expirationSeconds"], USUAL_SECONDS.into());
    }
    request.map_mut().remove("status");
    let tracker = kind.tracker("token", Writable::ALL, &OneVersion);
    tracker.update(&call.manager(options), None, &mut request, &time::now_rfc3339());
    Ok(request)
}

fn account(call: &Call<'_>, request: &Object) -> Result<Object> {
    let name = &*call.target.name;
    let refuse = |field: &str, given: &str, what: &str| {
        let path = Path::new("metadata").child(field);
        let error =
            Error::invalid(&path, given, format!("must match the service account {what} if specified"));
        Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", name, &[error]))
    };
    if !request.name().is_empty() && request.name() != name {
        return refuse("name", request.name(), "name");
    }
    if !request.namespace().is_empty() && request.namespace() != &*call.target.namespace {
        return refuse("namespace", request.namespace(), "namespace");
    }
    let account =
        call.live_built_in(name)?.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?.object;
    if !request.uid().is_empty() && request.uid() != account.uid() {
        let gr = GroupResource::new("authentication.k8s.io", "TokenRequest");
        let why = format!(
            "the UID in the token request ({}) does not match the UID of the service account ({})",
            request.uid(),
            account.uid()
        );
        return Err(ApiError::conflict(&gr, name, &why));
    }
    Ok(account)
}

/// Fills what the request leaves to the server.
fn complete(call: &Call<'_>, request: &mut Object, account: &Object) {
    for field in ["name", "namespace", "uid"] {
        request.set_meta_str(field, account.meta_str(field));
    }
    request.set_meta_str("creationTimestamp", &time::now_rfc3339());
    if audiences(request).is_empty() {
        request.set_at(&["spec", "audiences"], json!(call.registry.tokens.default_audiences()));
    }
}

fn validate(request: &Object) -> Result<()> {
    let seconds = request.at(&["spec", "expirationSeconds"]).and_then(Value::as_i64).unwrap_or(0);
    let path = Path::new("spec").child("expirationSeconds");
    let why = if seconds < LEAST_SECONDS {
        "may not specify a duration less than 10 minutes"
    } else if seconds > MOST_SECONDS {
        "may not specify a duration larger than 2^32 seconds"
    } else {
        return Ok(());
    };
    let error = Error::invalid(&path, seconds, why);
    Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", &[error]))
}

fn audiences(request: &Object) -> Vec<String> {
    let list = request.at(&["spec", "audiences"]).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|audience| audience.as_str().map(str::to_owned)).collect()
}

/// The object the token is to live and die with, as it is stored.
fn bound_object(call: &Call<'_>, request: &Object) -> Result<BoundObject> {
    let text = |field: &str| request.str_at(&["spec", "boundObjectRef", field]).to_owned();
    let (name, wanted) = (text("name"), text("uid"));
    let (resource, namespace) = match (text("apiVersion").as_str(), text("kind").as_str()) {
        ("" | "v1", "Pod") => ("pods", &*call.target.namespace),
        ("" | "v1", "Secret") => ("secrets", &*call.target.namespace),
        ("" | "v1", "Node") => ("nodes", ""),
        (version, kind) => {
            let gvk = if version.is_empty() {
                format!("/, Kind={kind}")
            } else {
                let (group, version) = version.split_once('/').unwrap_or(("", version));
                format!("{group}/{version}, Kind={kind}")
            };
            return Err(ApiError::bad_request(format!("cannot bind token to object of type {gvk}")));
        }
    };
    let object = stored(call, resource, namespace, &name)?;
    if !wanted.is_empty() && wanted != object.uid() {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have \
             been deleted and then recreated"
        );
        return Err(ApiError::conflict(&GroupResource::new("", text("kind")), &name, &why));
    }
    let uid = object.uid().to_owned();
    Ok(match resource {
        "secrets" => BoundObject::Secret { name, uid },
        "nodes" => BoundObject::Node { name, uid },
        _ => BoundObject::Pod { node: node_of(call, &object)?, name, uid },
    })
}

fn stored(call: &Call<'_>, resource: &str, namespace: &str, name: &str) -> Result<Object> {
    let served = call.registry.resources().get("", "v1", resource).ok_or_else(ApiError::no_such_path)?;
    let found = call.registry.object(served, namespace, name);
    found.map(|object| (*object).clone()).ok_or_else(|| ApiError::not_found(&served.gr, name))
}

/// The pod's node; the pod must run as the account the token is for.
fn node_of(call: &Call<'_>, pod: &Object) -> Result<Option<(String, String)>> {
    let account = &*call.target.name;
    if pod.str_at(&["spec", "serviceAccountName"]) != account {
        let message = format!(
            "cannot bind token for serviceaccount \"{account}\" to pod running with different serviceaccount name."
        );
        return Err(ApiError::bad_request(message));
    }
    let node = pod.str_at(&["spec", "nodeName"]);
    if node.is_empty() {
        return Ok(None);
    }
    let uid = stored(call, "nodes", "", node).map(|node| node.uid().to_owned()).unwrap_or_default();
    Ok(Some((node.to_owned(), uid)))
}
