//! The ledger of issued credentials on a running server, and credentials that are taken back one by one.

use std::process::Command;
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::wire::Client;
use crate::world::{Server, bind, make_namespace, pod, rbac, secret, until};

const GROUP: &str = "/apis/identity.portcullis.io/v1";
const CONFIG_MAPS: &str = "/api/v1/namespaces/a/configmaps";

/// A server that serves our own group, with a namespace `a` whose default account may look.
fn server() -> Server {
    let server = Server::start(&["--user-tokens"]);
    make_namespace(&server.admin, "a");
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "look"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "a", "name": "default"}],
    });
    server.admin.post(&rbac("namespaces/a/rolebindings"), &binding).is(&[201], "binding");
    server
}

#[track_caller]
fn program(server: &Server, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let output = command.args(arguments).arg("--data-dir").arg(server.data()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out.into_owned()
}

/// A token of the account `default`, and its id.
#[track_caller]
fn token(server: &Server, spec: &Value) -> (String, String) {
    let path = "/api/v1/namespaces/a/serviceaccounts/default/token";
    let said = server.admin.post(path, &json!({"spec": spec})).is(&[201], "token").tree();
    let token = said["status"]["token"].as_str().unwrap().to_owned();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    (token, claims["jti"].as_str().unwrap().to_owned())
}

#[track_caller]
fn records(server: &Server, selector: &str) -> Vec<Value> {
    let path = format!("{GROUP}/issuedcredentials?fieldSelector={}", selector.replace('=', "%3D"));
    let said = server.admin.get(&path).is(&[200], "records").tree();
    said["items"].as_array().unwrap().clone()
}

/// Watches config maps; the thread ends when the server ends the stream, and says how.
fn watch(client: &Client, token: &str) -> JoinHandle<String> {
    let mut stream = client.open().unwrap();
    let head = format!(
        "GET {CONFIG_MAPS}?watch=true&timeoutSeconds=600 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.send(head.as_bytes());
    let begun = stream.until(b"\r\n\r\n");
    assert!(begun.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&begun));
    std::thread::spawn(move || String::from_utf8_lossy(&stream.until(b"0\r\n\r\n")).into_owned())
}

/// Waits for a watch to end cleanly; one that says nothing for long has not.
#[track_caller]
fn ended(watch: JoinHandle<String>) {
    let last = watch.join().unwrap();
    assert!(last.ends_with("0\r\n\r\n"), "the stream was not ended by the server: {last:?}");
}

#[test]
fn every_token_is_a_listed_object_and_one_is_revoked_alone() {
    let server = server();
    let (one, id) = token(&server, &json!({}));
    let (other, _) = token(&server, &json!({}));
    let path = format!("{GROUP}/issuedcredentials/jti-{id}");
    let record = server.admin.get(&path).is(&[200], "its record").tree();
    assert_eq!(record["spec"]["user"], "system:serviceaccount:a:default");
    assert_eq!(record["spec"]["credentialID"], format!("JTI={id}"));
    assert_eq!(record["spec"]["issuedBy"], "kubernetes-super-admin");
    assert!(!record.to_string().contains(one.rsplit('.').next().unwrap()), "no part of the token is kept");
    assert_eq!(records(&server, "spec.serviceAccount.name=default").len(), 2);
    let (bot, beside) = (server.anonymous().bearer(&one), server.anonymous().bearer(&other));
    bot.get(CONFIG_MAPS).is(&[200], "the token");
    // A connection that stays open, and two watches.
    let mut open = server.anonymous().open().unwrap();
    let ask = format!("GET {CONFIG_MAPS}/none HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {one}\r\n\r\n");
    open.send(ask.as_bytes());
    assert!(open.until(b"}\n").starts_with(b"HTTP/1.1 404"));
    let (cut, stays) = (watch(&server.anonymous(), &one), watch(&server.anonymous(), &other));
    let said = program(&server, &["credentials", "revoke", &format!("JTI={id}"), "--reason", "leaked"]);
    assert!(said.contains("is revoked"), "{said}");
    open.send(ask.as_bytes());
    assert!(open.until(b"}\n").starts_with(b"HTTP/1.1 401"), "the open connection");
    ended(cut);
    bot.get(CONFIG_MAPS).is(&[401], "a revoked token");
    beside.get(CONFIG_MAPS).is(&[200], "another token of the account");
    assert!(!stays.is_finished(), "its stream goes on");
    let listed = program(&server, &["credentials", "list", "--user", "system:serviceaccount:a:default"]);
    assert!(listed.contains(&id) && listed.contains("ServiceAccountToken"), "{listed}");
    program(&server, &["credentials", "revoke", "--service-account", "a/default"]);
    ended(stays);
    beside.get(CONFIG_MAPS).is(&[401], "all tokens of the account");
    // Those of the second of the revocation are older than it.
    until("new tokens are refused for ever", || {
        let (new, _) = token(&server, &json!({}));
        server.anonymous().bearer(&new).get(CONFIG_MAPS).code == 200
    });
    server.event(|event| {
        event["annotations"]["authentication.kubernetes.io/issued-credential-id"] == format!("JTI={id}")
    });
}

#[test]
fn what_a_token_is_bound_to_ends_its_watch_and_its_record() {
    let server = server();
    let secrets = "/api/v1/namespaces/a/secrets";
    server.admin.post(secrets, &secret("s", "eA==")).is(&[201], "secret");
    let (bound, id) =
        token(&server, &json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s"}}));
    let selector = format!("spec.credentialID=JTI\\={id}");
    let of_it = || records(&server, &selector.replace('\\', "%5C"));
    let record = of_it();
    assert_eq!(
        (&record[0]["spec"]["boundTo"]["kind"], &record[0]["spec"]["boundTo"]["name"]),
        (&json!("Secret"), &json!("s"))
    );
    let bot = server.anonymous().bearer(&bound);
    bot.get(CONFIG_MAPS).is(&[200], "the token");
    let cut = watch(&server.anonymous(), &bound);
    server.admin.delete(&format!("{secrets}/s")).is(&[200], "delete");
    ended(cut);
    bot.get(CONFIG_MAPS).is(&[401], "a void token");
    until("the record of a void token stays", || of_it().is_empty());
}

#[test]
fn tokens_of_a_pod_are_one_record_however_many_there_are() {
    let server = server();
    server.admin.post("/api/v1/namespaces/a/pods", &pod("p")).is(&[201], "pod");
    // What a kubelet asks for: such a token warns after an hour and is good for a year.
    let spec = json!({"expirationSeconds": 3607, "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}});
    let ids: Vec<String> = (0..20).map(|_| token(&server, &spec).1).collect();
    let all = records(&server, "spec.boundTo.kind=Pod,spec.boundTo.name=p");
    assert_eq!(all.len(), 1);
    let spec = &all[0]["spec"];
    assert_eq!(spec["credentialID"], format!("JTI={}", ids[19]));
    assert_eq!((spec["earlier"].as_array().unwrap().len(), &spec["earlierUnnamed"]), (15, &json!(4)));
    assert_eq!(spec["earlier"][0]["credentialID"], format!("JTI={}", ids[18]));
}

#[test]
fn requests_of_one_pod_at_the_same_time_are_all_written_down() {
    let server = server();
    server.admin.post("/api/v1/namespaces/a/pods", &pod("p")).is(&[201], "pod");
    let spec = json!({"expirationSeconds": 3607, "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}});
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| token(&server, &spec));
        }
    });
    let all = records(&server, "spec.boundTo.kind=Pod");
    assert_eq!((all.len(), all[0]["spec"]["earlier"].as_array().unwrap().len()), (1, 11));
}

#[test]
fn certificates_and_user_tokens_are_in_the_ledger_too_and_nobody_writes_there() {
    let server = server();
    let own = records(&server, "spec.type=Certificate");
    for profile in ["apiserver", "admin", "ca"] {
        assert!(own.iter().any(|record| record["spec"]["origin"]["name"] == profile), "{profile}: {own:?}");
    }
    program(&server, &["token", "issue", "--user", "jane", "--name", "t1"]);
    let tokens = records(&server, "spec.type=UserToken");
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        (&tokens[0]["spec"]["origin"]["name"], &tokens[0]["spec"]["user"]),
        (&json!("t1"), &json!("jane"))
    );
    program(&server, &["token", "revoke", "t1"]);
    assert_eq!(records(&server, "spec.type=UserToken").len(), 0);
    bind(&server.admin, "a", "jane", "view");
    let jane = server.user("jane", &[]);
    let of_jane = || records(&server, "spec.user=jane,spec.type=Certificate");
    until("jane's certificate is not listed", || of_jane().len() == 1);
    let name = of_jane()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    jane.get(CONFIG_MAPS).is(&[200], "the certificate");
    program(&server, &["credentials", "revoke", &name]);
    jane.get(CONFIG_MAPS).is(&[401], "a revoked certificate");
    // Not even masters write there.
    let path = format!("{GROUP}/issuedcredentials");
    server.admin.post(&path, &own[0]).is(&[405], "create");
    server.admin.put(&format!("{path}/{name}"), &own[0]).is(&[405], "update");
    server.admin.patch("merge", &format!("{path}/{name}"), &json!({})).is(&[405], "patch");
    server.admin.delete(&format!("{path}/{name}")).is(&[405], "delete");
    server.admin.delete(&path).is(&[405], "delete of many");
    server.user("nobody", &[]).get(&path).is(&[403], "a stranger");
}

#[test]
fn a_signed_request_is_written_down_with_its_certificate() {
    let server = server();
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "bob");
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    let request = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "bob"},
        "spec": {"request": encode(&pem), "signerName": "example.org/own", "usages": ["client auth"]},
    });
    server.admin.post(requests, &request).is(&[201], "request");
    let at = format!("{requests}/bob");
    let mut approved = server.admin.get(&at).tree();
    approved["status"]["conditions"] =
        json!([{"type": "Approved", "status": "True", "reason": "Test", "message": "yes"}]);
    let approved = server.admin.put(&format!("{at}/approval"), &approved).is(&[200], "approval").tree();
    assert!(records(&server, "spec.user=bob").is_empty());
    let mut signed = approved;
    signed["status"]["certificate"] = encode(&params.self_signed(&key).unwrap().pem()).into();
    server.admin.put(&format!("{at}/status"), &signed).is(&[200], "signing");
    let all = records(&server, "spec.user=bob");
    assert_eq!(all.len(), 1, "{all:?}");
    let spec = &all[0]["spec"];
    assert_eq!((&spec["signerName"], &spec["usages"]), (&json!("example.org/own"), &json!(["client auth"])));
    assert_eq!(
        (&spec["origin"]["name"], &spec["issuedBy"]),
        (&json!("bob"), &json!("kubernetes-super-admin"))
    );
    assert!(spec["serialNumber"].is_string() && spec["fingerprint"].as_str().unwrap().len() == 64);
}
