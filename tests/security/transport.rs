//! TLS and HTTP: handshakes, framing, headers, connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::wire::Answer;
use crate::world::world;

fn count(bytes: &[u8]) -> usize {
    bytes.windows(9).filter(|window| *window == b"HTTP/1.1 ").count()
}

#[test]
fn a001_a_refused_upgrade_is_an_ordinary_answer() {
    let world = world();
    let upgrade = "POST /api/v1/namespaces/a/pods/x/exec?bad HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                   Upgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n";
    let hidden = "GET /api/v1/namespaces/a/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for client in [&world.low, &world.anon, &world.sa] {
        let bytes = client.raw(format!("{upgrade}{hidden}").as_bytes());
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("101 Switching") && !text.contains("SecretList"), "{text}");
        assert!(matches!(Answer::parse(&bytes).code, 401 | 403), "{text}");
    }
    let discovery = upgrade.replace("POST /api/v1/namespaces/a/pods/x/exec?bad", "GET /api");
    let bytes = world.anon.raw(format!("{discovery}{hidden}").as_bytes());
    assert!(!String::from_utf8_lossy(&bytes).contains("101 Switching"));
}

#[test]
fn a072_chunks_have_one_reading() {
    let world = world();
    let head =
        "POST /api/v1/namespaces/a/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let hidden = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
    let extension = "e".repeat(1 << 20);
    let attacks = [
        format!("{head}Transfer-Encoding: chunked\r\n\r\n2\n{{}}\n0\n\n{hidden}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n2;{extension}\r\n{{}}\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding: identity,chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n0x2\r\n{{}}\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n-1\r\n{{}}\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{{}}\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}XX0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\nX-Remote-User: admin\r\n\r\n{hidden}"
        ),
    ];
    for attack in attacks {
        let bytes = world.low.raw(attack.as_bytes());
        let text = String::from_utf8_lossy(&bytes);
        let shown: String = attack.chars().take(300).collect();
        assert!(count(&bytes) <= 1 && !text.contains("gitVersion"), "{shown:?}: {text}");
    }
}

#[test]
fn f001_one_request_is_one_request() {
    let world = world();
    let hidden = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
    let attacks = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nContent-Length: 36\r\n\r\n",
        "Content-Length: +0\r\n\r\n",
        "Content-Length: 0x0\r\n\r\n",
        "Content-Length:  0 0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "X: a\r\n b\r\n\r\n",
        "X: a\rb\r\n\r\n",
        "X: a\0b\r\n\r\n",
        "Host: y\r\n\r\n",
    ];
    for attack in attacks {
        for line in ["POST /livez HTTP/1.1", "GET /livez HTTP/1.1", "DELETE /api/v1/namespaces/a HTTP/1.1"] {
            let bytes = world.low.raw(format!("{line}\r\nHost: x\r\n{attack}{hidden}").as_bytes());
            let text = String::from_utf8_lossy(&bytes);
            assert!(count(&bytes) <= 1 && !text.contains("gitVersion"), "{attack:?}: {text}");
        }
    }
}

#[test]
fn a022_names_in_a_handshake_change_nothing() {
    let world = world();
    let first = world.anon.open().unwrap().server_chain();
    for n in 0..100 {
        let request = format!("GET /livez HTTP/1.1\r\nHost: h{n}.example\r\nConnection: close\r\n\r\n");
        Answer::parse(&world.anon.raw(request.as_bytes())).is(&[200], "any host");
    }
    assert_eq!(world.anon.open().unwrap().server_chain(), first, "the certificate is as it was");
}

#[test]
fn a027_j018_names_and_values_that_are_not_text_are_refused() {
    let world = world();
    for name in ["X-Remote-User ", "X-Remote-User\t", "X-Remote-User\0", " X-Remote-User", "X-Remote\u{e9}"] {
        let request = format!("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: admin\r\n\r\n");
        Answer::parse(&world.low.raw(request.as_bytes())).is(&[400], name);
    }
    for name in ["Authorization", "Impersonate-User", "Impersonate-Group", "Impersonate-Uid"] {
        let mut request =
            format!("GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: ").into_bytes();
        request.extend_from_slice(b"Bearer \xff\xfe\r\n\r\n");
        // Beside a certificate a token is not read, so its bytes matter only without one.
        let client = if name == "Authorization" { &world.anon } else { &world.admin };
        Answer::parse(&client.raw(&request)).is(&[400, 401, 403], name);
    }
}

#[test]
fn b045_c021_old_protocols_do_not_shake_hands() {
    let world = world();
    for version in [0x01, 0x02] {
        // A ClientHello of TLS 1.0 and 1.1 with CBC, 3DES and RC4 suites and no extensions.
        let mut hello = vec![0x03, version];
        hello.extend([7; 32]);
        hello.extend([0, 0, 8, 0x00, 0x2f, 0x00, 0x0a, 0x00, 0x05, 0xc0, 0x13, 1, 0]);
        let mut message = vec![0x01, 0, 0, u8::try_from(hello.len()).unwrap()];
        message.extend(hello);
        let mut record = vec![0x16, 0x03, 0x01, 0, u8::try_from(message.len()).unwrap()];
        record.extend(message);
        let answer = plain(&world.anon, &record);
        assert_eq!(answer.first().copied().unwrap_or(0x15), 0x15, "an alert or nothing: {answer:?}");
    }
}

#[test]
fn c020_d069_nothing_is_said_in_the_clear() {
    let world = world();
    for bytes in
        [b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0; 64]]
    {
        let answer = plain(&world.anon, bytes);
        assert!(!answer.starts_with(b"HTTP") && answer.len() < 64, "{answer:?}");
    }
}

fn plain(client: &crate::wire::Client, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(client.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    socket.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    answer
}

#[test]
fn d070_half_a_handshake_holds_nobody_up() {
    let world = world();
    let sockets: Vec<TcpStream> = (0..100)
        .filter_map(|_| {
            let mut socket = TcpStream::connect(world.anon.address()).ok()?;
            socket.write_all(&[0x16, 0x03, 0x01]).ok()?;
            Some(socket)
        })
        .collect();
    world.anon.get("/livez").is(&[200], "meanwhile");
    drop(sockets);
}

#[test]
fn a042_g045_no_origin_is_welcome_by_default() {
    let world = world();
    for origin in ["https://evil.example", "null", "https://allowed.example.com.evil.io"] {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        for method in ["GET", "OPTIONS"] {
            for client in [&world.anon, &world.admin] {
                let answer = client.send(method, "/api/v1/namespaces", &headers, b"");
                assert!(!answer.head.to_lowercase().contains("access-control-"), "{}", answer.head);
            }
        }
        world.anon.send("OPTIONS", "/api/v1/namespaces", &headers, b"").is(&[401, 403, 405], "preflight");
    }
}

#[test]
fn g044_answers_are_not_kept_by_anybody_between() {
    let world = world();
    for path in [
        "/api/v1/namespaces/a/secrets",
        "/api/v1/namespaces/a/secrets/s",
        "/api/v1/namespaces/a/secrets/none",
    ] {
        let answer = world.admin.get(path);
        assert_eq!(answer.header("cache-control"), Some("no-cache, private"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[test]
fn e090_a_peers_header_means_nothing_from_others() {
    let world = world();
    let headers = [
        ("X-Kubernetes-Peer-Proxied", "true"),
        ("X-Remote-User", "admin"),
        ("X-Remote-Group", "system:masters"),
    ];
    world.low.send("GET", "/api/v1/secrets", &headers, b"").is(&[403], "low");
    world.anon.send("GET", "/api/v1/secrets", &headers, b"").is(&[401], "anon");
}

#[test]
fn f008_f009_j019_heads_end_somewhere() {
    let world = world();
    let many: String = (0..40_000).map(|n| format!("X-{n}: a\r\n")).collect();
    let huge = "a".repeat(1 << 20);
    let ranges = "a/b,".repeat(20_000);
    for head in
        [many, format!("X: {huge}\r\n"), format!("User-Agent: {huge}\r\n"), format!("Accept: {ranges}\r\n")]
    {
        let request = format!("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n");
        Answer::parse(&world.anon.raw(request.as_bytes()))
            .is(if head.len() < 100_000 { &[200, 431] } else { &[0, 431] }, head.len());
    }
    let ranges = "a/b,".repeat(2_000);
    world.admin.send("GET", "/api/v1/namespaces", &[("Accept", &ranges)], b"").is(&[400, 406, 431], "ranges");
}

#[test]
fn f010_packed_bodies_are_refused() {
    let world = world();
    for coding in ["gzip", "br", "zstd", "deflate", "gzip, gzip"] {
        for (method, path) in [
            ("POST", "/api/v1/namespaces/a/configmaps"),
            ("PUT", "/api/v1/namespaces/a/configmaps/x"),
            ("PATCH", "/api/v1/namespaces/a/configmaps/x"),
            ("DELETE", "/api/v1/namespaces/a/configmaps/x"),
        ] {
            let headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)];
            world
                .admin
                .send(method, path, &headers, &[0x1f, 0x8b, 8, 0])
                .is(&[415], format!("{method} {coding}"));
        }
    }
}

#[test]
fn f046_what_is_secret_is_not_packed() {
    let world = world();
    let packed = |path: &str| {
        let answer = world.admin.send("GET", path, &[("Accept-Encoding", "gzip")], b"");
        answer.is(&[200], path).header("content-encoding").map(str::to_owned)
    };
    let filler = "x".repeat(1000);
    for n in 0..200 {
        let body = serde_json::json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": format!("fill-{n}"), "annotations": {"f": filler}}});
        world.admin.post("/api/v1/namespaces/b/secrets", &body).is(&[201], "secret");
    }
    assert_eq!(packed("/api/v1/namespaces/b/secrets"), None);
    assert_eq!(packed("/api/v1/secrets"), None);
}

#[test]
fn f047_clients_that_leave_take_nothing_along() {
    let world = world();
    for n in 0..150_u64 {
        let body = crate::world::config_map(&format!("left-{n}")).to_string();
        let request = format!(
            "POST /api/v1/namespaces/b/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = world.admin.open().unwrap();
        stream.send(request.as_bytes());
        std::thread::sleep(Duration::from_millis(n % 7));
        drop(stream);
    }
    std::thread::sleep(Duration::from_millis(500));
    let found = world.admin.get("/api/v1/namespaces/b/configmaps").is(&[200], "list").tree();
    for item in found["items"].as_array().unwrap() {
        let name = item["metadata"]["name"].as_str().unwrap();
        if name.starts_with("left-") {
            world.server.event(|event| {
                event["verb"] == "create"
                    && event["stage"] == "ResponseComplete"
                    && (event["objectRef"]["name"] == name
                        || event["requestURI"].as_str().unwrap().ends_with("configmaps"))
            });
        }
    }
    world
        .admin
        .post("/api/v1/namespaces/b/configmaps", &crate::world::config_map("after"))
        .is(&[201], "after");
}

#[test]
fn f011_bodies_end_at_three_mebibytes_on_every_verb() {
    let world = world();
    let big = vec![b' '; (3 << 20) + 1];
    let path = "/api/v1/namespaces/a/configmaps";
    for (method, path) in [
        ("POST", path.to_owned()),
        ("PUT", format!("{path}/x")),
        ("PATCH", format!("{path}/x")),
        ("DELETE", format!("{path}/x")),
        ("DELETE", path.to_owned()),
    ] {
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        world.nsadm.send(method, &path, &[("Content-Type", content)], &big).is(&[0, 413], method);
    }
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        big.len()
    )
    .into_bytes();
    request.extend_from_slice(&big);
    request.extend_from_slice(b"\r\n0\r\n\r\n");
    Answer::parse(&world.nsadm.raw(&request)).is(&[0, 413], "chunked");
}
