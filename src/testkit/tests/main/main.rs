//! The control plane of a test, reached by every road there is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail it"
)]

mod collections;
mod components;
mod conversion;
mod hooks;
mod scales;
mod watches;
mod world;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use portcullis_authn::ServiceAccount;
use portcullis_testkit::ControlPlane;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_is_there_at_once() {
    let begun = std::time::Instant::now();
    let plane = ControlPlane::start().await.unwrap();
    println!("started in {} ms", begun.elapsed().as_millis());
    let spaces = Api::<Namespace>::all(plane.admin().unwrap()).list(&ListParams::default()).await.unwrap();
    assert!(spaces.items.iter().any(|space| space.metadata.name.as_deref() == Some("kube-system")));
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_transports_carry_the_same_identity() {
    let plane = ControlPlane::start().await.unwrap();
    let asked = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
    let mut seen = Vec::new();
    for client in [plane.client("ann", &["dev"]).unwrap(), plane.tls_client("ann", &["dev"]).unwrap()] {
        let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header("content-type", "application/json")
            .body(asked.as_bytes().to_vec())
            .unwrap();
        let answer: serde_json::Value = client.request(request).await.unwrap();
        let user = &answer["status"]["userInfo"];
        seen.push((user["username"].clone(), user["groups"].clone()));
    }
    assert_eq!(seen[0].0, "ann");
    assert_eq!(seen[0], seen[1]);
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_bytes_arrive_as_they_were_written() {
    let plane = ControlPlane::start().await.unwrap();
    let mut nobody = plane.raw(None).await.unwrap();
    assert_eq!(nobody.get("/livez").await.unwrap().status, 200);
    assert_eq!(nobody.get("/api/v1/namespaces").await.unwrap().status, 401);
    let ann = plane.certificate("ann", &["system:masters"]).unwrap();
    let mut ann = plane.raw(Some(&ann)).await.unwrap();
    let answer = ann.get("/api/v1/namespaces/kube-system").await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let odd = ann.get("/api/v1//namespaces/%2e%2e/x").await.unwrap();
    assert!((400..500).contains(&odd.status), "{odd:?}");
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_an_account_that_is_not_there_is_refused() {
    let plane = ControlPlane::start().await.unwrap();
    let account = ServiceAccount { namespace: "default", name: "nobody", uid: "0" };
    let token = plane.token(account).unwrap().token;
    let mut raw = plane.raw(None).await.unwrap();
    let request = format!("GET /api HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    assert_eq!(raw.request(request).await.unwrap().status, 401);
    plane.shutdown().await.unwrap();
}
