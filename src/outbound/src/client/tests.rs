use std::net::SocketAddr;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Server, answer};
use crate::{Credential, HookAddress, HookIdentities, ServiceRoutes};

fn client(server: &Server, change: impl FnOnce(Endpoint) -> Endpoint) -> Client {
    let endpoint =
        Endpoint::new(&server.url("/hook")).unwrap().with_authorities(&server.authorities).unwrap();
    Client::new(change(endpoint), Limits { largest: 100, ..Limits::default() }).unwrap()
}

async fn cause(client: &Client, request: &Request) -> String {
    match client.send(request).await.and_then(Reply::success) {
        Ok(reply) => panic!("{reply:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn json_goes_and_comes() {
    let server = Server::answering(vec![answer("200 OK", "{\"a\":1}")]).await;
    let client = client(&server, |e| e.with_credential(Credential::bearer("secret").unwrap()));
    let request = Request::post_json(&json!({"b": 2})).unwrap().query("timeout=1s");
    for _ in 0..2 {
        let reply = client.send(&request).await.unwrap().success().unwrap();
        assert_eq!(reply.json::<Value>().unwrap(), json!({"a": 1}));
    }
    let heard = server.heard.lock();
    assert!(heard[0].starts_with("POST /hook?timeout=1s HTTP/1.1\r\n"), "{}", heard[0]);
    assert!(heard[0].to_lowercase().contains("authorization: bearer secret\r\n"));
    assert!(heard[0].ends_with("\r\n\r\n{\"b\":2}"));
    assert!(!heard[0].to_lowercase().contains("accept-encoding"));
    assert_eq!(*server.connections.lock(), 1, "the connection is used again");
}

#[tokio::test]
async fn a040_a074_redirects_are_not_followed() {
    let other = Server::answering(vec![answer("200 OK", "{}")]).await;
    let to = format!("302 Found\r\nlocation: {}", other.url("/stolen"));
    let server = Server::answering(vec![answer(&to, "")]).await;
    let client = client(&server, |e| e.with_credential(Credential::bearer("canary").unwrap()));
    let error = cause(&client, &Request::get()).await;
    assert!(error.contains("redirect") && !error.contains("canary") && !error.contains("stolen"), "{error}");
    assert_eq!(*other.connections.lock(), 0);
}

#[tokio::test]
async fn answers_are_bounded_and_plain() {
    let long = "x".repeat(101);
    let packed = "200 OK\r\ncontent-encoding: gzip";
    let server = Server::answering(vec![answer("200 OK", &long), answer(packed, "x")]).await;
    let client = client(&server, |e| e);
    assert!(cause(&client, &Request::get()).await.ends_with("the response is larger than 100 bytes"));
    assert!(cause(&client, &Request::get()).await.contains("content encoding"));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let server = Server::answering(vec!["silence".into()]).await;
    let request = Request::post("{}").within(Duration::from_millis(50));
    let words = cause(&client(&server, |e| e), &request).await;
    assert_eq!(words, format!("Post \"{}\": context deadline exceeded", server.url("/hook")));
}

#[tokio::test]
async fn whom_nobody_vouches_for_is_not_believed() {
    let server = Server::answering(vec![answer("200 OK", "{}")]).await;
    let other = Server::answering(vec![answer("200 OK", "{}")]).await;
    let stranger = client(&server, |e| e.with_authorities(&other.authorities).unwrap());
    let words = cause(&stranger, &Request::get()).await;
    assert!(
        words.ends_with("tls: failed to verify certificate: x509: certificate signed by unknown authority"),
        "{words}"
    );
    let misnamed = client(&server, |e| e.with_server_name("other.example"));
    let words = cause(&misnamed, &Request::get()).await;
    assert!(words.contains("x509: certificate is valid for"), "{words}");
    let anybody = client(&server, |e| e.with_trust(crate::ServerTrust::InsecureAnybody));
    assert!(anybody.send(&Request::get()).await.is_ok());
    assert!(server.heard.lock().len() == 1);
}

#[tokio::test]
async fn what_does_not_listen_is_named_in_gos_words() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let client =
        Client::new(Endpoint::new(&format!("https://{address}/")).unwrap(), Limits::default()).unwrap();
    let words = cause(&client, &Request::get()).await;
    assert_eq!(words, format!("Get \"https://{address}/\": dial tcp {address}: connect: connection refused"));
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let busy = answer("500 Internal Server Error", "");
    let server = Server::answering(vec![busy.clone(), busy, answer("200 OK", "{}")]).await;
    let backoff = Backoff { first: Duration::from_millis(1), calls: 5 };
    let client = client(&server, |e| e);
    assert!(client.send_again(&Request::get(), backoff).await.is_ok());
    assert_eq!(server.heard.lock().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let server = Server::answering(vec![answer("403 Forbidden", "no")]).await;
    let client = client(&server, |e| e);
    assert!(client.send_again(&Request::get(), Backoff::UPSTREAM).await.is_err());
    assert_eq!(server.heard.lock().len(), 1);
}

#[tokio::test]
async fn a_credential_goes_to_its_endpoint_only() {
    let server = Server::answering(vec![answer("200 OK", "{}")]).await;
    let elsewhere = Request::get().at("https://other.example/".parse().unwrap());
    let client = client(&server, |e| e.with_credential(Credential::bearer("canary").unwrap()));
    assert!(cause(&client, &elsewhere).await.contains("not the endpoint's"));
}

struct Fixed(SocketAddr);

#[async_trait]
impl ServiceRoutes for Fixed {
    async fn addresses(&self, namespace: &str, name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        assert_eq!((namespace, name, port), ("ns", "hook", 443));
        Ok(vec![self.0])
    }
}

#[tokio::test]
async fn a_service_is_not_this_machine() {
    let server = Server::answering(vec![answer("200 OK", "{}")]).await;
    let routes: Arc<dyn ServiceRoutes> = Arc::new(Fixed(server.address));
    let address =
        HookAddress::Service { namespace: "ns".into(), name: "hook".into(), path: "/v".into(), port: None };
    let endpoint = address.endpoint(&server.authorities, &HookIdentities::default(), &routes).unwrap();
    let client = |endpoint| Client::new(endpoint, Limits::default()).unwrap();
    let words = cause(&client(endpoint.clone()), &Request::get()).await;
    assert!(words.contains("no place for a call"), "{words}");
    // The operator's own endpoints may be; the name in the certificate is the service's.
    let permitted = endpoint.with_guard(crate::AddressGuard::Operator);
    assert!(client(permitted).send(&Request::get()).await.is_ok());
}

#[tokio::test]
async fn a_token_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "from-file\n").unwrap();
    let server = Server::answering(vec![answer("200 OK", "{}")]).await;
    let client = client(&server, |e| e.with_credential(Credential::bearer_file(&path)));
    client.send(&Request::get()).await.unwrap();
    assert!(server.heard.lock()[0].to_lowercase().contains("authorization: bearer from-file\r\n"));
}
