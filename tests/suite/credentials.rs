//! Credentials that are taken back: user tokens and certificates, with the streams they opened.

use std::time::Duration;

use portcullis_outbound::{Client, Credential, Limits, Request, kubeconfig_endpoint};
use serde_json::{Value, json};

use crate::program::{Home, words};

const GROUP: &str = "/apis/identity.portcullis.io/v1";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A running server, and clients of it.
struct World {
    home: Home,
    server: crate::program::Server,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        let server = home.serve(&["apiserver", "--user-tokens"]);
        Self { home, server, runtime: tokio::runtime::Runtime::new().unwrap() }
    }

    fn url(&self) -> String {
        self.server.state["server"].as_str().unwrap().to_owned()
    }

    fn admin(&self) -> Client {
        let endpoint = kubeconfig_endpoint(&self.home.data_dir().join("admin.kubeconfig")).unwrap();
        Client::new(endpoint, Limits::default()).unwrap()
    }

    fn bearer(&self, token: &str) -> Client {
        let endpoint = kubeconfig_endpoint(&self.home.data_dir().join("admin.kubeconfig")).unwrap();
        let endpoint = endpoint.with_credential(Credential::bearer(token).unwrap());
        Client::new(endpoint, Limits { deadline: Duration::from_secs(60), ..Limits::default() }).unwrap()
    }

    fn ask(&self, client: &Client, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = match &body {
            Some(body) => Request::post_json(body).unwrap(),
            None => Request::get(),
        };
        let request = request.at(format!("{}{path}", self.url()).parse().unwrap());
        let reply = self.runtime.block_on(client.send(&request)).unwrap();
        (reply.status.as_u16(), reply.json().unwrap_or_default())
    }

    fn issue(&self, arguments: &[&str]) -> String {
        let base = ["token", "issue", "--user", "jane", "--group", "dev"];
        self.home.told_of_data(&[&base[..], arguments].concat()).trim().to_owned()
    }

    /// Lets jane read everything.
    fn grant(&self) {
        let binding = json!({
            "metadata": {"name": "jane"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
        });
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        assert_eq!(self.ask(&self.admin(), path, Some(binding)).0, 201);
    }

    /// Watches until the server ends the stream.
    fn watch(&self, client: &Client) -> tokio::task::JoinHandle<bool> {
        let path = format!("{}{CONFIG_MAPS}?watch=true&timeoutSeconds=600", self.url());
        let (client, request) = (client.clone(), Request::get().at(path.parse().unwrap()));
        self.runtime.spawn(async move { client.send(&request).await.is_ok() })
    }
}

#[test]
fn a_token_is_scoped_listed_and_revoked_with_its_watch() {
    let world = World::new();
    world.grant();
    let token = world.issue(&["--name", "t1", "--scope", "get,list,watch:configmaps:default"]);
    let jane = world.bearer(&token);
    assert_eq!(world.ask(&jane, CONFIG_MAPS, None).0, 200);
    for path in
        ["/api/v1/namespaces/kube-system/configmaps", "/api/v1/namespaces/default/secrets", "/metrics"]
    {
        assert_eq!(world.ask(&jane, path, None).0, 403, "{path}");
    }
    let named = json!({"metadata": {"name": "x"}});
    assert_eq!(world.ask(&jane, CONFIG_MAPS, Some(named)).0, 403);
    let watch = world.watch(&jane);
    let listed = world.home.told_of_data(&["token", "list"]);
    assert!(listed.contains("t1") && listed.contains("jane") && !listed.contains(&token), "{listed}");
    let (_, stored) = world.ask(&world.admin(), &format!("{GROUP}/usertokens/t1"), None);
    assert_eq!(stored["status"].get("token"), None);
    assert!(!stored.to_string().contains(&token) && stored["status"]["digest"].is_string(), "{stored}");
    world.home.told_of_data(&["token", "revoke", "t1"]);
    assert!(world.runtime.block_on(watch).unwrap(), "the watch ended cleanly and before its time");
    assert_eq!(world.ask(&jane, CONFIG_MAPS, None).0, 401);
}

#[test]
fn nobody_issues_a_token_for_more_than_they_are() {
    let world = World::new();
    let token = world.issue(&["--name", "t1"]);
    let jane = world.bearer(&token);
    let role = json!({
        "metadata": {"name": "issuer"},
        "rules": [{"apiGroups": ["identity.portcullis.io"], "resources": ["usertokens"], "verbs": ["create"]}],
    });
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    assert_eq!(world.ask(&world.admin(), &format!("{rbac}/clusterroles"), Some(role)).0, 201);
    let binding = json!({
        "metadata": {"name": "issuer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "issuer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
    });
    assert_eq!(world.ask(&world.admin(), &format!("{rbac}/clusterrolebindings"), Some(binding)).0, 201);
    let path = format!("{GROUP}/usertokens");
    for spec in [json!({"user": "root"}), json!({"user": "jane", "groups": ["ops"]}), json!({"user": "jane"})]
    {
        let (status, said) = world.ask(&jane, &path, Some(json!({"metadata": {"name": "t2"}, "spec": spec})));
        assert_eq!(status, 403, "{said}");
        assert!(said["message"].as_str().unwrap().contains("cannot impersonate"), "{said}");
    }
    for spec in [
        json!({"user": "jane", "groups": ["system:masters"]}),
        json!({"user": "system:node:n1"}),
        json!({"user": "jane", "expirationSeconds": 5}),
        json!({"user": "jane", "scopes": [{"verbs": ["get"]}]}),
        json!({"groups": ["dev"]}),
    ] {
        let (status, said) =
            world.ask(&world.admin(), &path, Some(json!({"metadata": {"name": "t2"}, "spec": spec})));
        assert_eq!(status, 422, "{said}");
    }
}

#[test]
fn a_revoked_certificate_is_refused_on_open_connections() {
    let world = World::new();
    world.grant();
    let file = world.home.path().join("jane.kubeconfig");
    world.home.told_of_data(&["certs", "issue", "--user", "jane", "--kubeconfig", file.to_str().unwrap()]);
    let jane = Client::new(kubeconfig_endpoint(&file).unwrap(), Limits::default()).unwrap();
    assert_eq!(world.ask(&jane, CONFIG_MAPS, None).0, 200);
    let watch = world.watch(&jane);
    let (_, myself) = world.ask(
        &jane,
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        Some(json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})),
    );
    let id = myself["status"]["userInfo"]["extra"]["authentication.kubernetes.io/credential-id"][0].clone();
    let fingerprint = id.as_str().unwrap().strip_prefix("X509SHA256=").unwrap().to_owned();
    world.home.told_of_data(&["certs", "revoke", &fingerprint, "--reason", "lost laptop"]);
    assert!(world.runtime.block_on(watch).unwrap());
    assert_eq!(world.ask(&jane, CONFIG_MAPS, None).0, 401);
}

#[test]
fn without_the_flag_the_group_is_not_there() {
    let home = Home::new();
    let _server = home.serve(&["apiserver"]);
    let dir = home.data_dir();
    let said = words(&home.run(&["token", "list", "--data-dir", dir.to_str().unwrap()]));
    assert!(said.contains("--user-tokens"), "{said}");
}

#[test]
fn the_token_file_is_read_again_and_a_bad_one_changes_nothing() {
    let world_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(world_file.path(), "one,jane,1,\"system:masters\"\n").unwrap();
    let home = Home::new();
    let server = home.serve(&["apiserver", "--token-auth-file", world_file.path().to_str().unwrap()]);
    let world = World { home, server, runtime: tokio::runtime::Runtime::new().unwrap() };
    let status = |token: &str| world.ask(&world.bearer(token), "/api/v1/namespaces", None).0;
    assert_eq!((status("one"), status("two")), (200, 401));
    std::fs::write(world_file.path(), "two,jane\n").unwrap();
    std::fs::write(world_file.path(), "two,joe,2,\"system:masters\"\nthree\n").unwrap();
    assert_eq!(status("one"), 200);
    std::fs::write(world_file.path(), "two,joe,2,\"system:masters\"\n").unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while status("two") != 200 {
        assert!(std::time::Instant::now() < until, "the file was not read again");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(status("one"), 401);
}
