use std::convert::Infallible;

use super::*;

#[tokio::test]
async fn requests_reach_the_service_with_their_body_and_the_user_agent() {
    let service = tower::service_fn(|request: Request<Body>| async move {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let agent = parts.headers[USER_AGENT].to_str().unwrap();
        let answer = serde_json::json!({
            "seen": format!("{} {} {agent} {}", parts.method, parts.uri, String::from_utf8_lossy(&body)),
        });
        Ok::<_, Infallible>(Response::new(portcullis_api::body::full(answer.to_string())))
    });
    let client = in_process(service, "part/1").unwrap();
    let request = Request::post("/api/v1/namespaces").body(b"{}".to_vec()).unwrap();
    let answer: serde_json::Value = client.request(request).await.unwrap();
    assert_eq!(answer["seen"], "POST /api/v1/namespaces part/1 {}");
}

#[tokio::test]
async fn a_user_agent_cannot_smuggle_a_header() {
    let service =
        tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::default())) });
    assert!(matches!(in_process(service, "a\r\nx: y"), Err(ConnectError::UserAgent(_))));
}

#[tokio::test]
async fn a_missing_kubeconfig_is_an_error() {
    let missing = kubeconfig(Path::new("/nonexistent/kubeconfig"), None).await;
    assert!(matches!(missing, Err(ConnectError::Kubeconfig(_))));
}
