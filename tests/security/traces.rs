//! What requests leave behind: audit events, log lines, metrics, headers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Server, config_map, make_namespace, secret, world};

#[test]
fn i001_i003_every_answer_has_its_event() {
    let world = world();
    let maps = "/api/v1/namespaces/a/configmaps";
    world.admin.post(maps, &config_map("i003")).is(&[201, 409], "made");
    let big = vec![b' '; (3 << 20) + 1];
    let json_type = [("Content-Type", "application/json")];
    let answers = [
        (401, world.anon.get("/api/v1/secrets")),
        (401, world.anon.bearer("bad").get("/api/v1/secrets")),
        (403, world.low.get("/api/v1/secrets")),
        (404, world.admin.get(&format!("{maps}/none"))),
        (404, world.admin.get("/nowhere")),
        (405, world.admin.send("PUT", maps, &json_type, b"{}")),
        (409, world.admin.post(maps, &config_map("i003"))),
        (413, world.admin.send("POST", maps, &json_type, &big)),
        (415, world.admin.send("POST", maps, &[("Content-Type", "text/plain")], b"x")),
        (422, world.admin.post(maps, &config_map("Bad_Name"))),
        (400, world.admin.send("POST", maps, &json_type, b"{")),
        (406, world.admin.send("GET", maps, &[("Accept", "image/png")], b"")),
        (200, world.admin.get(maps)),
        (
            403,
            world.admin.post("/api/v1/namespaces/a/pods", &{
                let mut pod = crate::world::pod("i003");
                pod["spec"]["serviceAccountName"] = json!("none");
                pod
            }),
        ),
    ];
    for (code, answer) in answers {
        if code == 413 && answer.code == 0 {
            continue; // the connection was closed while the rest of the body was on its way
        }
        let answer = answer.is(&[code], "answer");
        let event = world.server.event_of(answer.header("audit-id").unwrap());
        assert_eq!(event["responseStatus"]["code"], code, "{event}");
        assert_eq!((&event["kind"], &event["apiVersion"]), (&json!("Event"), &json!("audit.k8s.io/v1")));
    }
}

#[test]
fn i004_i035_g042_no_secret_is_written_down() {
    let server = Server::start(&["--log-level", "trace"]);
    make_namespace(&server.admin, "t");
    let canary = "Y2FuYXJ5LWkwMDQtdmFsdWU="; // canary-i004-value
    let path = "/api/v1/namespaces/t/secrets";
    server.admin.post(path, &secret("i004", canary)).is(&[201], "create");
    server.admin.put(&format!("{path}/i004"), &secret("i004", canary)).is(&[200], "update");
    for kind in ["merge", "strategic"] {
        server.admin.patch(kind, &format!("{path}/i004"), &json!({"data": {"k": canary}})).is(&[200], kind);
    }
    server
        .admin
        .patch("apply", &format!("{path}/i004?fieldManager=m&force=true"), &secret("i004", canary))
        .is(&[200], "apply");
    server.admin.get(path).is(&[200], "list");
    server.admin.get(&format!("{path}?watch=1&resourceVersion=0&timeoutSeconds=1")).is(&[200], "watch");
    server.admin.post(path, &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "i004-b"}, "type": "kubernetes.io/tls", "data": {"k": canary}}));
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let made = server
        .admin
        .post("/api/v1/namespaces/t/serviceaccounts/default/token", &request)
        .is(&[201], "token")
        .tree();
    let token = made["status"]["token"].as_str().unwrap().to_owned();
    let sa = server.anonymous().bearer(&token);
    sa.get("/api/v1").is(&[200], "token");
    sa.get(path).is(&[403], "token");
    let review =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    server.admin.post("/apis/authentication.k8s.io/v1/tokenreviews", &review).is(&[201], "review");
    server.anonymous().bearer("canary-bad-bearer").get("/api/v1").is(&[401], "bad bearer");
    server.anonymous().bearer("abcdef.0123456789canary0").get("/api/v1").is(&[401], "b016: bootstrap token");
    server
        .anonymous()
        .send("GET", "/api/v1", &[("Authorization", "Basic Y2FuYXJ5LWJhc2lj")], b"")
        .is(&[401], "basic");
    let metrics = server.admin.get("/metrics").is(&[200], "metrics").text();
    std::thread::sleep(Duration::from_millis(1_300));
    let signature = token.rsplit('.').next().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    for (place, text) in [("log", server.log()), ("audit", server.audit()), ("metrics", metrics)] {
        assert!(!text.is_empty(), "{place}");
        for word in [
            canary,
            "canary-i004-value",
            "canary-bad-bearer",
            "0123456789canary0",
            "Y2FuYXJ5LWJhc2lj",
            signature,
            claims,
            "PRIVATE KEY",
        ] {
            if let Some(line) = text.lines().find(|line| line.contains(word)) {
                panic!("{word} in the {place}: {}", line.chars().take(600).collect::<String>());
            }
        }
    }
    let store = std::fs::read(server.data().join("store.redb")).unwrap();
    assert!(
        !store.windows(signature.len()).any(|window| window == signature.as_bytes()),
        "g042: a token is stored"
    );
}

#[test]
fn i014_b043_no_text_breaks_out_of_its_line() {
    let world = world();
    let agent = "x\"}\u{1b}[31m\u{2028}\u{e9} {\"kind\":\"Event\"}";
    let answers = [
        world.low.send(
            "GET",
            "/api/v1/namespaces/a%22%7D/secrets/%0a%7B%22kind%22%3A%22Event%22%7D",
            &[("User-Agent", agent)],
            b"",
        ),
        world.low.send(
            "GET",
            "/api/v1/secrets?x=%0a%22%1b[0m",
            &[("User-Agent", &"\u{e9}".repeat(2000))],
            b"",
        ),
        world.admin.send(
            "PATCH",
            "/api/v1/namespaces/a/configmaps/i014",
            &[("Content-Type", "application/merge-patch+json")],
            "{\"metadata\":{\"annotations\":{\"a\":\"\\n{\\\"kind\\\":\\\"Event\\\"}\u{2028}\"}}}".as_bytes(),
        ),
        world.server.user("evil\"}{\"kind\":\"Event\"}", &["g\"}"]).get("/api/v1/secrets"),
    ];
    for answer in &answers {
        assert!(answer.code == 0 || answer.code >= 400, "{}", answer.head);
    }
    std::thread::sleep(Duration::from_millis(1_200));
    for line in world.server.audit().lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(event["apiVersion"], "audit.k8s.io/v1", "{line}");
        assert!(!line.contains('\u{1b}') && line.len() < 256 << 10);
    }
}

#[test]
fn a088_tables_and_logs_hold_no_control_bytes() {
    let world = world();
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a088",
            "annotations": {"a": "\u{1b}]0;x\u{7}"}}, "type": "Normal", "reason": "Seen",
        "involvedObject": {"kind": "Pod", "namespace": "a", "name": "x"}, "message": "\u{1b}[31mred\u{9b}2J"});
    let path = "/api/v1/namespaces/a/events";
    world.admin.post(path, &event).is(&[201], "event");
    let control = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, 0..0x09 | 0x0b..0x20 | 0x7f));
    for shape in ["Table", "PartialObjectMetadataList"] {
        let accept = format!("application/json;as={shape};v=v1;g=meta.k8s.io");
        let answer = world.admin.send("GET", path, &[("Accept", &accept)], b"").is(&[200], shape);
        assert!(answer.text().contains("a088") && !control(&answer.body), "{shape}");
    }
    // A refusal repeats what it refuses, and is logged.
    let odd = world.low.get("/api/v1/namespaces/a%1b%5d0;x%07/secrets");
    assert!(matches!(odd.code, 400 | 403) && !control(&odd.body), "{}", odd.head);
    std::thread::sleep(Duration::from_millis(1_200));
    assert!(!control(world.server.log().as_bytes()) && !control(world.server.audit().as_bytes()));
}

#[test]
fn i015_an_id_of_the_client_is_bounded() {
    let world = world();
    for id in ["x".repeat(10_000), "a".repeat(63) + "\u{e9}", "same".into(), "same".into(), "a b\"c".into()] {
        let answer = world.low.send("GET", "/api/v1/secrets", &[("Audit-ID", &id)], b"");
        assert!(matches!(answer.code, 400 | 403 | 431), "{}", answer.head);
        assert!(answer.header("audit-id").is_none_or(|shown| shown.len() <= 64), "{}", answer.head);
    }
}

#[test]
fn i016_the_peer_is_on_record_whatever_is_forwarded() {
    let world = world();
    let many = vec!["10.0.0.1"; 5_000].join(", ");
    for value in ["1.2.3.4", "garbage", "fe80::1%eth0", many.as_str()] {
        let headers = [("X-Forwarded-For", value), ("X-Real-Ip", value), ("Forwarded", "for=1.2.3.4")];
        let answer = world.low.send("GET", "/api/v1/secrets", &headers, b"").is(&[403, 431], "forwarded");
        if let Some(id) = answer.header("audit-id") {
            let event = world.server.event_of(id);
            let addresses = event["sourceIPs"].as_array().unwrap();
            assert_eq!(addresses.last().unwrap(), "127.0.0.1", "{event}");
            assert!(addresses.len() <= 32, "{}", addresses.len());
        }
    }
}

#[test]
fn f045_nothing_of_a_client_splits_an_answer() {
    let world = world();
    let bad = "x\r\nX-Evil: 1";
    let encoded = "x%0d%0aX-Evil:%201";
    let mut object = config_map("f045");
    object["data"] = json!({bad: "v"});
    object[bad] = json!(1);
    object["\u{e9}\u{2028}\""] = json!(1);
    let answers = [
        world.admin.post("/api/v1/namespaces/a/configmaps?dryRun=All", &object),
        world
            .admin
            .post(&format!("/api/v1/namespaces/a/configmaps?fieldManager={encoded}"), &config_map("f045")),
        world.admin.get(&format!("/api/v1/namespaces/{encoded}/configmaps/{encoded}")),
        world.admin.get(&format!("/openapi/v3/{encoded}?hash={encoded}")),
        world.admin.get(&format!("/{encoded}")),
        world.admin.send("GET", "/api", &[("Accept", "application/json;as=x\u{e9}")], b""),
    ];
    for answer in answers {
        assert_eq!(answer.header("x-evil"), None, "{}", answer.head);
        assert!(!answer.head.contains("\nX-Evil"), "{}", answer.head);
    }
}

#[test]
fn g043_warnings_end() {
    let world = world();
    let mut object = config_map("g043");
    for n in 0..5_000 {
        object[format!("unknown{n}\u{e9}\"")] = json!(1);
    }
    let answer =
        world.admin.post("/api/v1/namespaces/a/configmaps?dryRun=All", &object).is(&[201, 400], "warnings");
    let total: usize = answer.headers("warning").map(str::len).sum();
    assert!(total <= 8 << 10, "{total} bytes of warnings");
}

#[test]
fn a036_i036_metrics_do_not_name_anybody_and_do_not_grow() {
    // One of its own: what other tests ask for is counted too.
    let server = Server::start(&[]);
    let low = server.user("low", &[]);
    let lines = || server.admin.get("/metrics").is(&[200], "metrics").text().lines().count();
    let probe = |n: usize| {
        let agent = format!("agent-{n}");
        low.send("GET", &format!("/i036-{n}/x"), &[("User-Agent", &agent)], b"");
        low.send("GET", &format!("/apis/g{n}.example/v{n}/r{n}"), &[("Accept", &format!("a/b{n}"))], b"");
        low.send(&format!("M{n}"), "/api/v1/secrets", &[("Content-Type", &format!("x/y{n}"))], b"");
    };
    probe(0);
    let before = lines();
    (1..100).for_each(probe);
    let after = lines();
    assert!(after <= before + 200, "{before} lines became {after}");
    let text = server.admin.get("/metrics").text();
    for word in ["i036-", "agent-7", "g7.example", "M77", "\"low\"", "nsadm", "eyJ", "127.0.0.1"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn i027_i031_events_say_how_and_when() {
    let world = world();
    let path = "/api/v1/namespaces/a/configmaps?dryRun=All&fieldValidation=Strict";
    let answer = world.admin.post(path, &config_map("i027")).is(&[201], "dry run");
    let event = world.server.event_of(answer.header("audit-id").unwrap());
    assert_eq!(event["requestURI"], path);
    let time = |field: &str| event[field].as_str().unwrap().to_owned();
    let (received, stage) = (time("requestReceivedTimestamp"), time("stageTimestamp"));
    assert!(received <= stage && received.len() == "2026-01-01T00:00:00.000000Z".len(), "{received} {stage}");
}

#[test]
fn j020_text_is_cut_between_letters() {
    let world = world();
    for length in [62, 63, 64, 127, 128, 255, 256, 1023, 1024] {
        let text = format!("{}\u{e9}\u{1f600}\u{e9}\u{e9}", "x".repeat(length - 1));
        world
            .low
            .send("GET", "/api/v1/secrets", &[("User-Agent", &text), ("Audit-ID", &text)], b"")
            .is(&[400, 403], length);
        let mut object = config_map("j020");
        object[text.as_str()] = json!(1);
        world.admin.post("/api/v1/namespaces/a/configmaps?dryRun=All", &object).is(&[201], length);
        let named = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": text}});
        world.admin.post("/api/v1/namespaces/a/configmaps?dryRun=All", &named).is(&[422], length);
        let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("j020-{length}")},
            "involvedObject": {"namespace": "a"}, "message": text, "reason": text});
        world.admin.post("/api/v1/namespaces/a/events?dryRun=All", &event).is(&[201, 422], length);
    }
}

#[test]
fn i008_no_spelling_hides_from_the_record() {
    let world = world();
    for (method, path) in [
        ("GET", "/api/v1/secrets/"),
        ("GET", "/api/v1/secrets?watch=1"),
        ("HEAD", "/api/v1/secrets"),
        ("GET", "/api/v1/watch/secrets"),
        ("DELETE", "/api/v1/namespaces/a/secrets"),
        ("GET", "/livez/../api/v1/secrets"),
        ("GET", "/apis/v1/secrets"),
        ("GET", "/API/v1/secrets"),
    ] {
        let answer = world.low.send(method, path, &[], b"");
        if answer.code == 400 {
            continue; // not a request that means anything
        }
        let event = world.server.event_of(answer.header("audit-id").unwrap());
        assert_eq!(
            (&event["user"]["username"], &event["requestURI"]),
            (&json!("low"), &json!(path)),
            "{event}"
        );
    }
}
