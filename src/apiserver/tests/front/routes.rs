//! What is no resource, and who may ask.

use crate::raw::{Raw, code};
use crate::world::{LOW, ROOT, World, ask, get};

const ROUTES: [&str; 17] = [
    "/",
    "/api",
    "/apis",
    "/api/v1",
    "/apis/apps",
    "/apis/apps/v1",
    "/livez",
    "/livez/ping",
    "/readyz",
    "/healthz",
    "/version",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/.well-known/openid-configuration",
    "/api/v1/namespaces/a/pods/p",
];

/// No route answers somebody it should not, and each answers whom it should: a stray 404 is no denial.
#[tokio::test]
async fn every_route_asks_for_credentials() {
    let world = World::new().await;
    let mut table = String::new();
    for path in ROUTES {
        let mut line = format!("{path:40}");
        for credential in ["", "garbage", "aaaa.bbbb.cccc", LOW, ROOT] {
            let authorization = if credential.is_empty() {
                String::new()
            } else {
                format!("Authorization: Bearer {credential}\r\n")
            };
            let mut raw = Raw::http1(&world).await;
            raw.send(
                format!("GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await;
            line += &format!(" {}", code(&raw.rest().await));
        }
        table += line.trim_end();
        table.push('\n');
    }
    let want = "\
/                                        401 401 401 403 200
/api                                     401 401 401 403 200
/apis                                    401 401 401 403 200
/api/v1                                  401 401 401 403 200
/apis/apps                               401 401 401 403 200
/apis/apps/v1                            401 401 401 403 200
/livez                                   200 401 401 200 200
/livez/ping                              401 401 401 403 200
/readyz                                  500 401 401 500 500
/healthz                                 200 401 401 200 200
/version                                 401 401 401 403 200
/metrics                                 401 401 401 403 200
/openapi/v2                              401 401 401 403 200
/openapi/v3                              401 401 401 403 200
/openid/v1/jwks                          401 401 401 403 200
/.well-known/openid-configuration        401 401 401 403 200
/api/v1/namespaces/a/pods/p              401 401 401 403 200
";
    assert_eq!(table, want, "\n{table}");
}

#[tokio::test]
async fn health_says_what_upstream_says() {
    let world = World::new().await;
    let admin = world.admin();
    assert_eq!(ask(&admin, get("/livez")).await.text, "ok");
    assert_eq!(ask(&admin, get("/livez?verbose")).await.text, "[+]ping ok\nlivez check passed\n");
    let answer = ask(&admin, get("/readyz")).await;
    assert_eq!(
        answer.text,
        "[+]ping ok\n[-]storage failed: reason withheld\n[+]shutdown ok\nreadyz check failed\n"
    );
    assert_eq!(answer.code(), 500);
    let answer = ask(&admin, get("/readyz?verbose&exclude=storage&exclude=x")).await;
    assert_eq!(
        answer.text,
        "[+]ping ok\n[+]storage excluded: ok\n[+]shutdown ok\nwarn: some health checks cannot be excluded: no matches for \"x\"\nreadyz check passed\n"
    );
    assert_eq!(
        ask(&admin, get("/readyz/storage")).await.text,
        "internal server error: canary-of-the-probe\n"
    );
    assert_eq!(ask(&admin, get("/readyz/nope")).await.code(), 404);
}

/// The names of checks tell what a server is made of, and what is wrong with it.
#[tokio::test]
async fn b042_strangers_are_told_whether_it_is_ready_and_not_what_fails() {
    let world = World::new().await;
    for (query, credential, told) in [
        ("", ROOT, true),
        ("?verbose", ROOT, true),
        ("", LOW, true),
        ("", "", false),
        ("?verbose", "", false),
        ("?exclude=ping&verbose", "", false),
    ] {
        let mut raw = Raw::http1(&world).await;
        let authorization = match credential {
            "" => String::new(),
            credential => format!("Authorization: Bearer {credential}\r\n"),
        };
        let request =
            format!("GET /readyz{query} HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n");
        raw.send(request.as_bytes()).await;
        let answer = raw.rest().await;
        assert_eq!(code(&answer), 500, "{query} {credential}");
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.ends_with("readyz check failed\n"), "{text}");
        assert_eq!(text.contains("storage"), told, "{query} {credential}: {text}");
    }
}

#[tokio::test]
async fn a036_metrics_do_not_grow_with_what_is_sent() {
    let world = World::new().await;
    let admin = world.admin();
    for n in 0..50 {
        ask(&admin, get(&format!("/api/v1/namespaces/n{n}/kind{n}/name{n}/sub{n}"))).await;
        ask(&admin, get(&format!("/path{n}/x"))).await;
    }
    let text = ask(&admin, get("/metrics")).await.text;
    for word in ["kind1", "n1/", "name1", "sub1", "path1"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("apiserver_request_total{verb=\"GET\""), "{text}");
    assert!(text.contains("apiserver_request_duration_seconds_bucket"));
    assert!(text.contains("process_resident_memory_bytes"));
}

#[tokio::test]
async fn documents_of_the_issuer_are_published() {
    let world = World::new().await;
    let answer = ask(&world.admin(), get("/openid/v1/jwks")).await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    assert_eq!(answer.header("cache-control"), "public, max-age=3600");
    let answer = ask(&world.admin(), get("/.well-known/openid-configuration")).await;
    assert!(answer.text.contains("\"issuer\":\"https://kubernetes.default.svc\""));
}
