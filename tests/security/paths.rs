//! Paths, methods and routes that try to mean one thing to authorization and another to the router.

use serde_json::json;

use crate::wire::Answer;
use crate::world::{rbac, world};

/// Asks for exactly this request line, as a user.
fn line(client: &crate::wire::Client, line: &str) -> Answer {
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    Answer::parse(&client.raw(request.as_bytes()))
}

#[test]
fn a004_the_scope_of_a_kind_is_never_another() {
    let world = world();
    let paths = [
        rbac("namespaces/a/clusterroles"),
        rbac("namespaces/a/clusterroles/admin"),
        rbac("namespaces/a/clusterrolebindings/cluster-admin"),
        "/api/v1/namespaces/a/nodes/n".to_owned(),
        "/api/v1/namespaces/a/persistentvolumes".to_owned(),
        "/api/v1/namespaces/a/namespaces".to_owned(),
        "/api/v1/namespaces/a/namespaces/b".to_owned(),
        "/api/v1/secrets/s".to_owned(),
        "/api/v1/pods/x".to_owned(),
    ];
    for path in paths {
        for method in ["GET", "PUT", "DELETE"] {
            world.admin.json(method, &path, &json!({})).is(&[404, 405], format!("{method} {path}"));
            world.nsadm.json(method, &path, &json!({})).is(&[403, 404, 405], format!("{method} {path}"));
        }
    }
    world.admin.get(&rbac("clusterroles/admin")).is(&[200], "still there");
}

#[test]
fn e001_an_encoded_slash_is_no_slash() {
    let world = world();
    for path in [
        "/api/v1/namespaces/a/pods/x%2Fexec",
        "/api/v1/namespaces/a/pods%2Fx",
        "/api/v1/namespaces/a%2Fsecrets/s",
        "/api/v1/namespaces/a%2fsecrets",
        "/api%2fv1/secrets",
        "/api/v1%2Fsecrets",
        "/apis/apps%2fv1/deployments",
    ] {
        for (who, client) in [("admin", &world.admin), ("nsadm", &world.nsadm), ("low", &world.low)] {
            line(client, &format!("GET {path}")).is(&[400, 403, 404], format!("{path} as {who}"));
        }
        line(&world.admin, &format!("GET {path}")).is(&[400, 404], path);
        line(&world.admin, &format!("POST {path}")).is(&[400, 404, 405], path);
    }
}

#[test]
fn e002_dot_segments_lead_nowhere() {
    let world = world();
    for path in [
        "/api/v1/namespaces/a/../b/secrets",
        "/api/../apis/..",
        "/livez/../api/v1/secrets",
        "/livez/%2e%2e/api/v1/secrets",
        "/api/v1/namespaces/%2e%2e/secrets",
        "/api/v1/namespaces/.%2e/secrets",
        "/api/v1/namespaces/..%00/secrets",
        "/api/v1/namespaces/./secrets",
        "/api/v1/namespaces/a/secrets/..",
        "/api/v1/namespaces/..%5csecrets",
        "/api/v1/namespaces/..\\secrets",
    ] {
        let answer = line(&world.admin, &format!("GET {path}")).is(&[400], path);
        assert_eq!(answer.header("location"), None, "{path}");
        line(&world.anon, &format!("GET {path}")).is(&[400, 401], path);
    }
    let answer = line(&world.admin, "GET /api/v1/namespaces/..;/secrets").is(&[400, 404, 200], "..;");
    assert!(!answer.text().contains("dG9wLXNlY3JldC1jYW5hcnk"), "..; is a name that nothing has");
}

#[test]
fn e003_paths_are_decoded_once() {
    let world = world();
    for path in [
        "/api/v1/namespaces/a/secrets/%252e%252e",
        "/api/v1/namespaces/a/secrets/x%252Fs",
        "/api/v1/namespaces/a/secrets/%c0%ae",
        "/api/v1/namespaces/a/secrets/%u002e",
        "/api/v1/namespaces/a/secrets/%2",
        "/api/v1/namespaces/a/secrets/%",
    ] {
        line(&world.admin, &format!("GET {path}")).is(&[400, 404], path);
    }
}

#[test]
fn e004_a_health_path_opens_nothing_behind_it() {
    let world = world();
    for path in [
        "/livez/../api/v1/secrets",
        "/livez%2f..",
        "/livez;/api",
        "/livez/api/v1/secrets",
        "/livez/",
        "//livez/api",
        "/%6civez/api",
        "/LIVEZ",
    ] {
        line(&world.anon, &format!("GET {path}")).is(&[400, 401, 404], path);
    }
}

#[test]
fn c001_c004_e005_nothing_is_open_that_is_not_said_to_be() {
    let world = world();
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/v1",
        "/apis",
        "/apis/apps",
        "/apis/apps/v1",
        "/api/v1/secrets",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/api/v1",
        "/logs",
        "/debug",
        "/debug/pprof/",
        "/debug/flags/v",
        "/configz",
        "/flagz",
        "/statusz",
        "/.well-known/openid-configuration",
        "/openid/v1/jwks",
        "/swagger.json",
        "/unknown",
        "/version",
        "/apis/nope.io/v1/things",
        "/healthz/ping",
        "/ui",
        "/admin",
    ] {
        world.anon.get(path).is(&[401], format!("anon {path}"));
    }
    line(&world.anon, "OPTIONS *").is(&[400, 401], "OPTIONS *");
    line(&world.anon, "CONNECT x:443").is(&[400, 401], "CONNECT");
    line(&world.anon, "OPTIONS /api/v1/secrets").is(&[401, 405], "OPTIONS");
    for path in ["/api/v1/secrets", "/unknown", "/debug/pprof/", "/metrics", "/logs", "/configz"] {
        world.low.get(path).is(&[403], format!("low {path}"));
    }
}

#[test]
fn c016_no_profile_is_served_to_anybody() {
    let world = world();
    for path in ["/debug/pprof/", "/debug/pprof/heap", "/debug/pprof", "/debug/flags/v", "/debug", "/configz"]
    {
        world.admin.get(path).is(&[404], path);
    }
}

#[test]
fn e016_a_trailing_slash_changes_nothing() {
    let world = world();
    let lister = world
        .user_with("lists-only", json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]));
    for path in ["/api/v1/secrets/", "/api/v1/namespaces/a/secrets/"] {
        let answer = lister.get(path).is(&[200, 404], path);
        assert!(answer.code == 404 || answer.tree()["kind"] == "SecretList", "{path}");
    }
    lister.get("/api/v1/namespaces/a/secrets/s/").is(&[403], "get is not list");
    lister.get("/api/v1/namespaces/a/pods/x/").is(&[403], "pods");
    world.low.get("/api/v1/").is(&[200, 404], "discovery");
}

#[test]
fn e017_case_matters() {
    let world = world();
    for path in [
        "/API/v1/secrets",
        "/api/V1/Secrets",
        "/api/V1/secrets",
        "/api/v1/Namespaces/a/secrets",
        "/api/v1/Secrets",
        "/api/v1/namespaces/a/Secrets",
        "/apis/Apps/v1/deployments",
    ] {
        line(&world.admin, &format!("GET {path}")).is(&[404], path);
        line(&world.low, &format!("GET {path}")).is(&[403], path);
    }
}

#[test]
fn e018_the_target_is_its_path_whatever_is_before_it() {
    let world = world();
    line(&world.low, "GET https://other/api/v1/secrets").is(&[400, 403], "absolute");
    line(&world.low, "GET https://u:p@other/livez").is(&[200, 400], "userinfo");
    line(&world.low, "GET /api/v1/secrets#/livez").is(&[400, 403, 404], "fragment");
    line(&world.low, "GET /livez#/api/v1/secrets").is(&[200, 400, 404, 403], "fragment");
    line(&world.anon, "GET https://other/livez/../api/v1/secrets").is(&[400, 401], "absolute with dots");
}

#[test]
fn e019_path_parameters_are_part_of_a_name() {
    let world = world();
    line(&world.admin, "GET /api/v1/secrets;v=1").is(&[400, 404], "resource");
    line(&world.admin, "GET /api;v=1/v1/secrets").is(&[404], "prefix");
    line(&world.admin, "GET /api/v1/namespaces/a/secrets/s;v=1").is(&[400, 404], "name");
    let answer = line(&world.admin, "GET /api/v1/namespaces/a;b/secrets").is(&[200, 400, 404], "namespace");
    assert!(!answer.text().contains("\"name\":\"s\""), "another namespace");
    line(&world.nsadm, "GET /api/v1/namespaces/a;b/secrets").is(&[400, 403], "rights in a only");
}

#[test]
fn e020_bytes_that_are_no_text_are_refused() {
    let world = world();
    for path in ["%00", "%0a", "%0d%0a", "%ff", "%c3%28", "a%00b", "%7f"] {
        line(&world.admin, &format!("GET /api/v1/namespaces/a/secrets/{path}")).is(&[400, 404], path);
        line(&world.admin, &format!("GET /api/v1/namespaces/{path}/secrets")).is(&[400, 404, 200], path);
    }
    line(&world.admin, "GET /api/v1/namespaces/a/secrets/%00").is(&[400], "NUL");
    line(&world.admin, "GET /api/v1/namespaces/a/secrets/%ff").is(&[400], "not UTF-8");
    let raw =
        [b"GET /api/v1/secrets\x80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".as_slice()].concat();
    Answer::parse(&world.admin.raw(&raw)).is(&[400, 404], "0x80");
}

#[test]
fn e021_long_paths_are_cheap() {
    let world = world();
    let long = [
        format!("/api/v1/{}", "a".repeat(64 << 10)),
        "/a".repeat(10_000),
        format!("/api/v1/secrets?x={}", "y".repeat(1 << 20)),
        format!("/{}", "a/../".repeat(200_000)),
    ];
    for path in long {
        line(&world.low, &format!("GET {path}")).is(&[0, 400, 403, 414, 431], path.len());
    }
}

#[test]
fn e023_odd_methods_are_nobodys_verb() {
    let world = world();
    let reader = world.user_with(
        "metrics-reader",
        json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get", "list", "watch"]}]),
    );
    for method in ["OPTIONS", "TRACE", "PROPFIND", "LIST", "WATCH", "get", "Get", "QUERY"] {
        line(&reader, &format!("{method} /metrics")).is(&[400, 403, 405, 501], method);
        line(&world.admin, &format!("{method} /api/v1/secrets")).is(&[400, 403, 404, 405, 501], method);
    }
    line(&world.admin, "CONNECT x:443").is(&[400, 405], "CONNECT");
    line(&world.admin, "GET\0 /api/v1/secrets").is(&[0, 400], "NUL");
    line(&world.admin, &format!("{} /livez", "A".repeat(64 << 10))).is(&[0, 400, 405, 414, 431], "64 KiB");
}

#[test]
fn e024_no_header_changes_the_method() {
    let world = world();
    for header in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"] {
        world
            .admin
            .send("GET", "/api/v1/namespaces/a/secrets/s?_method=DELETE", &[(header, "DELETE")], b"")
            .is(&[200], header);
        world.nsadm.send("POST", "/livez?_method=GET", &[(header, "GET")], b"").is(&[403, 405], header);
    }
    world.admin.get("/api/v1/namespaces/a/secrets/s").is(&[200], "still there");
}

#[test]
fn e039_whether_a_subresource_exists_is_told_to_those_who_may_ask() {
    let world = world();
    world.low.get("/api/v1/namespaces/a/pods/x/foo").is(&[403], "unknown");
    world.low.post("/api/v1/namespaces/a/pods/x/exec/extra", &json!({})).is(&[403], "deeper");
    world.admin.get("/api/v1/namespaces/a/pods/x/foo").is(&[404], "unknown");
    world.admin.post("/api/v1/namespaces/a/pods/x/exec/extra", &json!({})).is(&[404, 405], "deeper");
}

#[test]
fn e069_old_prefixes_need_the_right_verb() {
    let world = world();
    let lister = world.user_with(
        "old-prefix",
        json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "get"]}]),
    );
    for path in [
        "/api/v1/watch/namespaces/a/secrets",
        "/api/v1/watch/secrets",
        "/api/v1/watch/namespaces/a/secrets/s",
    ] {
        lister.get(path).is(&[403, 404], path);
    }
    lister
        .get("/api/v1/watch/namespaces/a/secrets?fieldSelector=metadata.name=s")
        .is(&[403, 404], "selector");
    for path in ["/api/v1/watch", "/api/v1/proxy/nodes/n/x", "/api/v1/proxy", "/api/v1/redirect/nodes/n"] {
        world.admin.get(path).is(&[400, 404], path);
        world.low.get(path).is(&[400, 403, 404], path);
    }
}

#[test]
fn e070_a_namespace_may_be_called_like_anything() {
    let world = world();
    for name in ["status", "finalize", "pods"] {
        crate::world::make_namespace(&world.admin, name);
        let found = world.admin.get(&format!("/api/v1/namespaces/{name}")).is(&[200], name).tree();
        assert_eq!(found["metadata"]["name"], name);
    }
    let status = world.admin.get("/api/v1/namespaces/a/status").is(&[200], "status of a").tree();
    assert_eq!((&status["kind"], &status["metadata"]["name"]), (&json!("Namespace"), &json!("a")));
    world.nsadm.put("/api/v1/namespaces/a/finalize", &json!({})).is(&[403], "finalize");
    world.nsadm.put("/api/v1/namespaces/a/status", &json!({})).is(&[403], "status");
    world.nsadm.get("/api/v1/namespaces/status").is(&[403], "the namespace called status");
}

#[test]
fn e071_groups_and_versions_are_not_guessed() {
    let world = world();
    for path in [
        "/api/apps/v1/deployments",
        "/apis/v1/pods",
        "/apis/apps/v1beta1/deployments",
        "/api/v2/pods",
        "/apis/APPS/v1/deployments",
        "/apis/apps/v1/pods",
        "/api/v1/deployments",
        "/apis//v1/pods",
    ] {
        line(&world.admin, &format!("GET {path}")).is(&[400, 404], path);
        // `/apis/v1/pods` is where the version `pods` of a group `v1` would be described, to everybody.
        line(&world.low, &format!("GET {path}")).is(&[400, 403, 404], path);
    }
}

#[test]
fn e074_a_dry_run_is_one_or_is_refused() {
    let world = world();
    let reader = world
        .user_with("dry-reader", json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]));
    let path = "/api/v1/namespaces/a/configmaps";
    let body = crate::world::config_map("dry");
    reader.post(&format!("{path}?dryRun=All"), &body).is(&[403], "needs create");
    for query in ["dryRun=all", "dryRun=All&dryRun=x", "dryRun=true", "dryRun="] {
        world.admin.post(&format!("{path}?{query}"), &body).is(&[400, 422], query);
    }
    world.admin.post(&format!("{path}?dryRun=All"), &body).is(&[201], "dry");
    world.admin.get(&format!("{path}/dry")).is(&[404], "nothing was written");
}

#[test]
fn e079_paths_and_resources_are_told_apart() {
    let world = world();
    let star =
        world.user_with("api-star", json!([{"nonResourceURLs": ["/api*", "/metrics"], "verbs": ["*"]}]));
    star.get("/api/v1/secrets").is(&[403], "a resource is no path");
    star.get("/metrics").is(&[200], "/metrics");
    star.get("/metrics/").is(&[403], "/metrics/");
    star.get("/metricsx").is(&[403], "/metricsx");
    star.get("/metrics?x=y").is(&[200], "a query is not the path");
    let odd = world.user_with("odd-star", json!([{"nonResourceURLs": ["/*"], "verbs": ["post"]}]));
    odd.get("/metrics").is(&[403], "another verb");
}

#[test]
fn j006_letters_of_many_bytes_are_letters() {
    let world = world();
    let star = world.user_with("foo-star", json!([{"nonResourceURLs": ["/foo*"], "verbs": ["get"]}]));
    for path in ["/fo%C3%A9", "/foo%C3%A9", "/f%F0%9F%98%80o", "/%C3%A9"] {
        line(&world.anon, &format!("GET {path}")).is(&[401], path);
        line(&star, &format!("GET {path}")).is(&[403, 404], path);
    }
}

#[test]
fn j002_no_path_goes_around_the_gates() {
    let world = world();
    let words = [
        "api",
        "v1",
        "apis",
        "apps",
        "secrets",
        "namespaces",
        "a",
        "livez",
        "x",
        "..",
        "%2e",
        ";",
        "watch",
        "openapi",
        "v3",
        "metrics",
        "version",
        "",
    ];
    let mut seed = 42_u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    for _ in 0..300 {
        let count = 1 + next() % 6;
        let path: String = (0..count).map(|_| format!("/{}", words[next() % words.len()])).collect();
        if path == "/livez" {
            continue;
        }
        line(&world.anon, &format!("GET {path}")).is(&[400, 401], &path);
    }
}
