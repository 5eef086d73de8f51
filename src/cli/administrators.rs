//! Lets the group of administrators administer, as kubeadm does, through the front door.
//!
//! That is done once: whoever deletes the binding takes the group's rights away for good.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use portcullis_pki::Overrides;
use serde_json::json;
use tower::ServiceExt as _;

use super::Failure;
use super::assemble::{Running, api_failure};
use super::user::ADMINISTRATORS;

const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";

/// By which the store knows that it was done.
const DONE: &str = "administrators-bound";

/// Creates the binding of the group to `cluster-admin`, if it never was; one that exists is left as it is.
pub(crate) async fn bind(running: &Running) -> Result<(), Failure> {
    let what = "the administrators cannot be bound to their role";
    let registry = running.registry();
    if registry.was_done(DONE).await.map_err(|error| api_failure(what, &error))? {
        return Ok(());
    }
    let identity = running
        .pki
        .in_process("admin", &Overrides::default())
        .map_err(|error| Failure::caused(what, &error))?;
    let request = request().map_err(|error| Failure::caused(what, &error))?;
    let Ok(response) = running.server.in_process(identity).oneshot(request).await;
    match response.status() {
        StatusCode::CREATED | StatusCode::CONFLICT => {
            registry.note_done(DONE).await.map_err(|error| api_failure(what, &error))
        }
        other => Err(Failure::because(what, format!("the server answered {other}"))),
    }
}

fn request() -> Result<Request<portcullis_api::Body>, http::Error> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": ADMINISTRATORS },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": ADMINISTRATORS }],
    });
    let body = Full::new(Bytes::from(binding.to_string())).map_err(|never| match never {});
    Request::builder()
        .method(Method::POST)
        .uri(BINDINGS)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .body(body.boxed_unsync())
}
