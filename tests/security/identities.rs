//! Who somebody is: certificates, tokens, headers, impersonation.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::wire::{Answer, Client};
use crate::world::{make_namespace, member, pod, until, world};

fn who(client: &Client, headers: &[(&str, &str)]) -> Value {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
    let mut all = vec![("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    client.send("POST", path, &all, review.as_bytes()).is(&[201], "review").tree()["status"]["userInfo"]
        .clone()
}

#[test]
fn a032_a_leaf_signs_nobody() {
    let world = world();
    let kubeconfig = world.server.issue("low", &[]);
    let chain = member(&kubeconfig, "client-certificate-data");
    let key = String::from_utf8(member(&kubeconfig, "client-key-data")).unwrap();
    let low_key = KeyPair::from_pem(&key).unwrap();
    let leaf_pem = String::from_utf8(chain.clone()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&leaf_pem, low_key).unwrap();
    let evil_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "admin");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let evil = params.signed_by(&evil_key, &issuer).unwrap();
    let presented = [evil.pem().as_bytes(), &chain].concat();
    refused(&presented, &evil_key.serialize_pem());
    let mut alone = CertificateParams::default();
    alone.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    alone.distinguished_name.push(DnType::CommonName, "admin");
    let own_key = KeyPair::generate().unwrap();
    refused(alone.self_signed(&own_key).unwrap().pem().as_bytes(), &own_key.serialize_pem());
}

/// A certificate that must not let anybody in.
fn refused(chain: &[u8], key: &str) {
    let server = &world().server;
    let client = Client::certified(server.address, &server.authority, chain, key.as_bytes());
    client.get("/api/v1/secrets").is(&[0, 401], "a certificate nobody signed");
}

#[test]
fn d083_everybody_is_who_their_credential_says() {
    let world = world();
    let low = who(&world.low, &[]);
    assert_eq!(low["username"], "low");
    assert_eq!(low["groups"], json!(["system:authenticated"]));
    let sa = who(&world.sa, &[]);
    assert_eq!(sa["username"], "system:serviceaccount:a:default");
    assert_eq!(
        sa["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"])
    );
    let node = who(&world.node1, &[]);
    assert_eq!(node["username"], "system:node:node1");
    let seen = world.server.event(|event| {
        event["user"]["username"] == "system:serviceaccount:a:default"
            && event["requestURI"].as_str().unwrap_or_default().ends_with("selfsubjectreviews")
    });
    assert_eq!((&seen["user"]["groups"], &seen["user"]["uid"]), (&sa["groups"], &sa["uid"]));
}

#[test]
fn b014_i011_an_event_says_with_which_credential() {
    let world = world();
    for (client, name, prefix) in
        [(&world.low, "low", "X509SHA256="), (&world.sa, "system:serviceaccount:a:default", "JTI=")]
    {
        let answer = client.get("/api/v1/namespaces/a/secrets").is(&[403], name);
        let event = world.server.event_of(answer.header("audit-id").unwrap());
        assert_eq!(event["user"]["username"], name);
        let id = &event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0];
        assert!(id.as_str().is_some_and(|id| id.starts_with(prefix)), "{event}");
    }
}

#[test]
fn d008_d031_remote_headers_are_anybodys_words() {
    let world = world();
    let headers = [
        ("X-Remote-User", "admin"),
        ("X-Remote-Group", "system:masters"),
        ("X-Remote-Uid", "1"),
        ("X-Remote-Extra-scopes", "all"),
        ("X_Remote_User", "admin"),
        ("x-remote-USER", "admin"),
    ];
    assert_eq!(who(&world.low, &headers)["username"], "low");
    assert_eq!(who(&world.sa, &headers)["username"], "system:serviceaccount:a:default");
    world.anon.send("GET", "/api/v1/secrets", &headers, b"").is(&[401], "anon");
}

#[test]
fn d011_d012_taking_on_a_user_needs_every_part() {
    let world = world();
    let user = world.user_with(
        "impersonator",
        json!([{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]},
               {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["g1"], "verbs": ["impersonate"]}]),
    );
    let path = "/api/v1/namespaces/a/secrets";
    for headers in [
        vec![("Impersonate-Group", "system:masters")],
        vec![("Impersonate-User", "x"), ("Impersonate-Group", "system:masters")],
        vec![("Impersonate-User", "x"), ("Impersonate-Group", "g1"), ("Impersonate-Group", "g2")],
        vec![("Impersonate-User", "x"), ("Impersonate-Uid", "7")],
        vec![("Impersonate-User", "x"), ("Impersonate-Extra-a", "b")],
        vec![("Impersonate-Extra-a", "b")],
        vec![("Impersonate-Uid", "7")],
        vec![("Impersonate-User", "system:serviceaccount:kube-system:default")],
    ] {
        let answer = user.send("GET", path, &headers, b"");
        assert!(matches!(answer.code, 400 | 403), "{headers:?}: {}", answer.head);
        assert!(!answer.text().contains("SecretList"), "{headers:?}");
    }
    let taken = who(&user, &[("Impersonate-User", "x"), ("Impersonate-Group", "g1")]);
    assert_eq!((&taken["username"], &taken["groups"]), (&json!("x"), &json!(["g1", "system:authenticated"])));
    let answer = user
        .send("GET", path, &[("Impersonate-User", "x"), ("Impersonate-Group", "g2")], b"")
        .is(&[403], "g2");
    let event = world.server.event_of(answer.header("audit-id").unwrap());
    assert_eq!(event["user"]["username"], "impersonator");
    assert_eq!(event.get("impersonatedUser"), None, "nobody acted as x: {event}");
    assert_eq!(event["annotations"]["portcullis.io/refused-impersonation"], "x", "{event}");
}

#[test]
fn d042_a_service_account_is_named_exactly() {
    let world = world();
    let user = world.user_with(
        "sa-impersonator",
        json!([{"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["default"], "verbs": ["impersonate"]}]),
    );
    let name = |name| user.send("GET", "/api/v1", &[("Impersonate-User", name)], b"").code;
    assert_eq!(name("system:serviceaccount:a:default"), 200);
    for odd in [
        "system:serviceaccount:a",
        "system:serviceaccount:a:default:x",
        "system:serviceaccount::default",
        "system:serviceaccount:a:",
        "system:serviceaccount:a:other",
        "System:serviceaccount:a:default",
    ] {
        assert_eq!(name(odd), 403, "{odd}");
    }
}

#[test]
fn d073_many_groups_cost_nothing() {
    let world = world();
    let headers: Vec<(&str, &str)> = std::iter::once(("Impersonate-User", "x"))
        .chain((0..2_000).map(|_| ("Impersonate-Group", "g")))
        .collect();
    world.low.send("GET", "/api/v1/secrets", &headers, b"").is(&[400, 403, 431], "2000 groups");
}

#[test]
fn d024_a_token_is_bound_to_what_is_its_accounts_own() {
    let world = world();
    make_namespace(&world.admin, "bound");
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}});
    world.admin.post("/api/v1/namespaces/bound/serviceaccounts", &account).is(&[201], "account");
    let mut of_other = pod("of-other");
    of_other["spec"]["serviceAccountName"] = json!("other");
    let made = world.admin.post("/api/v1/namespaces/bound/pods", &of_other).is(&[201], "pod").tree();
    let ask = |name: &str, uid: Value| {
        let reference = json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid});
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"boundObjectRef": reference}});
        world.admin.post("/api/v1/namespaces/bound/serviceaccounts/default/token", &request)
    };
    ask("of-other", made["metadata"]["uid"].clone()).is(&[400], "another account's pod");
    ask("of-other", json!("00000000-0000-0000-0000-000000000000")).is(&[400, 409], "another uid");
    ask("x", Value::Null).is(&[404], "a pod of another namespace");
    ask("none", Value::Null).is(&[404], "no pod");
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"boundObjectRef": {"kind": "Role", "apiVersion": "v1", "name": "x"}}});
    let path = "/api/v1/namespaces/bound/serviceaccounts/default/token";
    world.admin.post(path, &request).is(&[400, 422], "no kind to be bound to");
}

#[test]
fn d021_a_token_dies_with_its_account() {
    let world = world();
    make_namespace(&world.admin, "dying");
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let path = "/api/v1/namespaces/dying/serviceaccounts/default";
    let token = world.admin.post(&format!("{path}/token"), &request).is(&[201], "token").tree();
    let client = world.anon.bearer(token["status"]["token"].as_str().unwrap());
    client.get("/api/v1").is(&[200], "alive");
    world.admin.delete(path).is(&[200], "delete");
    until("the account is gone", || client.get("/api/v1").code == 401);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    world.admin.post("/api/v1/namespaces/dying/serviceaccounts", &account).is(&[201], "again");
    // Nothing to wait for: the name lives again by now where names were what counts.
    std::thread::sleep(std::time::Duration::from_millis(100));
    client.get("/api/v1").is(&[401], "the new account is another");
}

#[test]
fn a068_d001_d055_d056_tokens_that_are_none() {
    let world = world();
    for token in [
        "x".to_owned(),
        "a.b".into(),
        "a.b.c.d".into(),
        "....".into(),
        ".".repeat(60_000),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06YWRtaW4ifQ.".into(),
        "eyJhbGciOiJkaXIiLCJ6aXAiOiJERUYifQ..a.b.c".into(),
        "\u{feff}a.b.c".into(),
        "{}".into(),
    ] {
        world
            .anon
            .bearer(&token)
            .get("/livez")
            .is(&[400, 401, 431], token.chars().take(40).collect::<String>());
    }
}

#[test]
fn d028_d030_two_answers_to_who_are_you_are_none() {
    let world = world();
    for value in [["Bearer a", "Bearer b"], ["Bearer a", "Basic b"]] {
        let headers = [("Authorization", value[0]), ("Authorization", value[1])];
        world.anon.send("GET", "/livez", &headers, b"").is(&[400], "two headers");
    }
    world.anon.bearer("bad").get("/livez").is(&[401], "a bad one is never nobody");
    world
        .anon
        .send("GET", "/livez", &[("Authorization", "Bearer a, Bearer b")], b"")
        .is(&[400, 401], "joined");
}

#[test]
fn d061_i017_a_token_elsewhere_is_no_credential_and_is_not_written_down() {
    let world = world();
    for name in ["access_token", "token", "bearer_token"] {
        world.anon.get(&format!("/api/v1/secrets?{name}=canary-in-query")).is(&[401], name);
    }
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    assert!(!world.server.audit().contains("canary-in-query"), "in the audit log");
    assert!(!world.server.log().contains("canary-in-query"), "in the log");
}

#[test]
fn j003_a_connection_has_as_many_users_as_requests() {
    let world = world();
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let token = |namespace: &str| {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default/token");
        let made = world.admin.post(&path, &request).is(&[201], "token").tree();
        made["status"]["token"].as_str().unwrap().to_owned()
    };
    let users = [("a", token("a")), ("b", token("b"))];
    let mut stream = world.anon.open().unwrap();
    let body = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
    for round in 0..100 {
        let (namespace, token) = &users[round % 2];
        let ask = format!(
            "POST /apis/authentication.k8s.io/v1/selfsubjectreviews HTTP/1.1\r\nHost: x\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.send(ask.as_bytes());
        let text = String::from_utf8(stream.until(b"\"system:authenticated\"]")).unwrap();
        assert!(text.contains(&format!("system:serviceaccount:{namespace}:default")), "{round}: {text}");
        stream.send(b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\n\r\n");
        let text = String::from_utf8(stream.until(b"\"code\":401")).unwrap();
        assert!(text.contains("401 Unauthorized"), "{round}: {text}");
    }
}

#[test]
fn d036_d010_the_front_proxys_authority_makes_no_users() {
    let world = world();
    let pki = world.server.data().join("pki");
    let read = |name: &str| std::fs::read(pki.join(name)).unwrap();
    let (chain, key) = (read("front-proxy-client.crt"), read("front-proxy-client.key"));
    let client = Client::certified(world.server.address, &world.server.authority, &chain, &key);
    let answer = client.get("/api/v1/secrets");
    assert!(matches!(answer.code, 0 | 401), "{}", answer.head);
    let headers = [("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters")];
    let answer: Answer = client.send("GET", "/api/v1/secrets", &headers, b"");
    assert!(matches!(answer.code, 0 | 401), "no proxy is set up: {}", answer.head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j003_streams_of_one_connection_have_each_their_own_user() {
    use http_body_util::{BodyExt as _, Full};
    let world = world();
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let token = |namespace: &str| {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default/token");
        let made = world.admin.post(&path, &request).is(&[201], "token").tree();
        made["status"]["token"].as_str().unwrap().to_owned()
    };
    let users = [("a", token("a")), ("b", token("b"))];
    let socket = tokio::net::TcpStream::connect(world.server.address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let tls = tokio_rustls::TlsConnector::from(world.anon.h2_config()).connect(name, socket).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(tls),
    )
    .await
    .unwrap();
    let driver = tokio::spawn(connection);
    let mut asked = tokio::task::JoinSet::new();
    for round in 0..200 {
        let (namespace, token) = users[round % 2].clone();
        let mut sender = sender.clone();
        asked.spawn(async move {
            let review = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
            let request = http::Request::post("https://x/apis/authentication.k8s.io/v1/selfsubjectreviews")
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", "application/json")
                .body(Full::new(bytes::Bytes::from_static(review.as_bytes())))
                .unwrap();
            sender.ready().await.unwrap();
            let body =
                sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(
                text.contains(&format!("\"system:serviceaccount:{namespace}:default\"")),
                "{round}: {text}"
            );
        });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
    driver.abort();
}
