//! Lists, watches, selectors and the tokens they hand out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::world::{config_map, make_namespace, secret, world};

#[test]
fn f034_a_continue_token_leads_nowhere_else() {
    let world = world();
    let path = "/api/v1/namespaces/a/configmaps";
    for n in 0..4 {
        world.admin.post(path, &config_map(&format!("f034-{n}"))).is(&[201], "made");
    }
    let page = world.admin.get(&format!("{path}?limit=1")).is(&[200], "page").tree();
    let real = page["metadata"]["continue"].as_str().unwrap().to_owned();
    let forged = |start: &str, rv: i64| {
        URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": rv, "start": start}).to_string())
    };
    let tokens = [
        forged("../secrets/", 1),
        forged("../../", 1),
        forged("/", 1),
        forged("../b/x", 1),
        forged("", 1),
        forged("x", 0),
        forged("x", i64::MIN),
        forged("x\0", -1),
        forged("../../../secrets/a/s", -1),
        URL_SAFE_NO_PAD.encode(r#"{"v":"v2","rv":1,"start":"x"}"#),
        "x".into(),
        "%00".into(),
        "a".repeat(60_000),
        URL_SAFE_NO_PAD.encode("[".repeat(10_000)),
    ];
    for token in tokens {
        let answer = world.admin.get(&format!("{path}?limit=5&continue={token}"));
        let shown = token.chars().take(60).collect::<String>();
        assert!(matches!(answer.code, 200 | 400 | 410 | 414 | 431), "{shown}: {}", answer.head);
        assert!(
            !answer.text().contains("canary") && !answer.text().contains("\"namespace\":\"b\""),
            "{shown}"
        );
        assert!(!answer.text().contains("/registry"), "{shown}");
    }
    // The token of one resource, used on another and by somebody with fewer rights.
    let other = world.admin.get(&format!("/api/v1/namespaces/a/secrets?limit=5&continue={real}"));
    assert!(other.code != 200 || !other.text().contains("ConfigMap"), "{}", other.head);
    world.low.get(&format!("{path}?limit=1&continue={real}")).is(&[403], "low");
    let b = world.admin.get(&format!("/api/v1/namespaces/b/configmaps?limit=500&continue={real}"));
    assert!(!b.text().contains("f034-"), "another namespace");
}

#[test]
fn f035_versions_that_are_none() {
    let world = world();
    let path = "/api/v1/namespaces/a/configmaps";
    for version in ["abc", "-1", "9223372036854775808", "18446744073709551616", "1.0", "%201", "0x1", "1e3"] {
        for query in [
            format!("resourceVersion={version}"),
            format!("watch=1&timeoutSeconds=1&resourceVersion={version}"),
            format!("resourceVersion={version}&resourceVersionMatch=Exact"),
        ] {
            let answer = world.admin.get(&format!("{path}?{query}"));
            // A version that may come is waited for, and the stream says when it does not.
            let told = query.starts_with("watch") && answer.text().contains("ResourceVersionTooLarge");
            assert!(
                told || matches!(answer.code, 400 | 410 | 422 | 504),
                "{query}: {} {}",
                answer.head,
                answer.text()
            );
        }
    }
    world.admin.get(&format!("{path}?resourceVersionMatch=NotOlderThan")).is(&[400, 422], "no version");
    world
        .admin
        .get(&format!("{path}?resourceVersionMatch=Odd&resourceVersion=1"))
        .is(&[400, 422], "odd match");
    world.admin.get(&format!("{path}?resourceVersion=1000000000")).is(&[504], "the future");
}

#[test]
fn f036_watches_that_nobody_reads() {
    let world = world();
    let watcher = world.user_with(
        "f036",
        json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}]),
    );
    let request = "GET /api/v1/configmaps?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut streams = Vec::new();
    for _ in 0..60 {
        if let Ok(mut stream) = watcher.open() {
            stream.send(request.as_bytes());
            streams.push(stream);
        }
    }
    for n in 0..50 {
        let mut object = config_map(&format!("f036-{n}"));
        object["data"] = json!({"k": "x".repeat(10_000)});
        world.admin.post("/api/v1/namespaces/a/configmaps", &object).is(&[201], n);
    }
    world.alive();
    drop(streams);
}

#[test]
fn f058_selectors_that_cost() {
    let world = world();
    let many: Vec<String> = (0..10_000).map(|n| format!("v{n}")).collect();
    for selector in [
        "x".repeat(200_000),
        format!("a%20in%20({})", many.join(",")),
        "((((".into(),
        "%C3%A9%3Dx".into(),
        "a%3D%3D%3Db".into(),
        "a%20in%20(".into(),
        "!".repeat(1000),
        ",".repeat(1000),
    ] {
        let answer = world.admin.get(&format!("/api/v1/namespaces/a/configmaps?labelSelector={selector}"));
        // What is too long to be read may end with the connection before its answer is through.
        let unread = selector.len() >= 200_000 && answer.head.is_empty();
        assert!(unread || matches!(answer.code, 200 | 400 | 414 | 431), "{}", answer.head);
    }
}

#[test]
fn e043_neighbours_never_mix() {
    let world = world();
    for namespace in ["e043", "e043-b", "e043a"] {
        make_namespace(&world.admin, namespace);
        world
            .admin
            .post(
                &format!("/api/v1/namespaces/{namespace}/secrets"),
                &secret(&format!("of-{namespace}"), "eA=="),
            )
            .is(&[201], namespace);
    }
    let names = |namespace: &str| {
        let list =
            world.admin.get(&format!("/api/v1/namespaces/{namespace}/secrets")).is(&[200], namespace).tree();
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("e043"), ["of-e043"]);
    let seen =
        world.admin.get("/api/v1/namespaces/e043/secrets?watch=1&timeoutSeconds=1&resourceVersion=0").text();
    assert!(
        seen.contains("\"of-e043\"") && !seen.contains("of-e043-b") && !seen.contains("of-e043a"),
        "{seen}"
    );
    world.admin.delete("/api/v1/namespaces/e043/secrets").is(&[200], "deletecollection");
    assert!(names("e043").is_empty());
    assert_eq!(
        (names("e043-b"), names("e043a")),
        (vec!["of-e043-b".to_owned()], vec!["of-e043a".to_owned()])
    );
}

#[test]
fn a005_a_namespace_is_no_path() {
    let world = world();
    let lister = world.user_with(
        "a005",
        json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch", "get"]}]),
    );
    for namespace in ["..", "%2e%2e", ".", "..%2f", "%2e%2e%2fsecrets", "..%2f..%2fsecrets"] {
        for query in ["limit=500", "watch=1&timeoutSeconds=1", "limit=1&continue=Li4v"] {
            let answer = lister
                .get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments?{query}"))
                .is(&[400, 404], namespace);
            assert!(!answer.text().contains("registry"), "{}", answer.text());
        }
    }
}

#[test]
fn f067_descriptions_are_cheap() {
    let world = world();
    let first = world.admin.get("/openapi/v2").is(&[200], "openapi");
    let etag = first.header("etag").unwrap_or_default().to_owned();
    for _ in 0..20 {
        world.admin.send("GET", "/openapi/v2", &[("If-None-Match", &etag)], b"").is(&[304], "304");
    }
    let answer = world.admin.get("/openapi/v3/api/v1?hash=wrong");
    let location = answer.header("location").unwrap_or("/");
    assert!(location.starts_with('/') && !location.starts_with("//"), "{location}");
}

#[test]
fn f061_a_large_deletion_lets_others_work_and_ends_with_its_client() {
    const COUNT: usize = 400;
    let world = world();
    make_namespace(&world.admin, "f061");
    let path = "/api/v1/namespaces/f061/configmaps";
    for i in 0..COUNT {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("c{i}"), "finalizers": ["example.com/keep"]},
        });
        world.admin.post(path, &object).is(&[201], "object");
    }
    // Its client leaves at once; the server stays.
    let mut stream = world.admin.open().unwrap();
    stream.send(format!("DELETE {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").as_bytes());
    drop(stream);
    world.alive();
    let deleting = std::thread::scope(|scope| {
        let deleting = scope.spawn(|| world.admin.delete(path));
        while !deleting.is_finished() {
            world.alive();
            world.admin.get("/api/v1/namespaces/f061").is(&[200], "a read beside it");
        }
        deleting.join().unwrap()
    });
    deleting.is(&[200], "the deletion");
    // Nothing with a finalizer goes, and every object is marked once.
    let all = world.admin.get(path).is(&[200], "what is left").tree();
    let items = all["items"].as_array().unwrap();
    assert_eq!(items.len(), COUNT);
    assert!(items.iter().all(|item| item["metadata"]["deletionTimestamp"].is_string()));
}

#[test]
fn a_collection_is_deleted_as_it_was_at_the_version_that_is_named() {
    let world = world();
    make_namespace(&world.admin, "collection");
    let maps = "/api/v1/namespaces/collection/configmaps";
    let old = world.admin.post(maps, &config_map("old")).is(&[201], "made").tree();
    world.admin.post(maps, &config_map("new")).is(&[201], "made");
    let then = old["metadata"]["resourceVersion"].as_str().unwrap();
    world.admin.delete(&format!("{maps}?resourceVersion={then}")).is(&[200], "deletecollection");
    world.admin.get(&format!("{maps}/old")).is(&[404], "was there");
    world.admin.get(&format!("{maps}/new")).is(&[200], "came later");
    world.admin.delete(&format!("{maps}?resourceVersion=1")).is(&[200, 410], "all that was there");
    world.admin.get(&format!("{maps}/new")).is(&[200], "was not there");
}
