//! Bytes that no honest client sends.

use std::time::{Duration, Instant};

use portcullis_apiserver::{ConnectionCeilings, ListenerConfig};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::raw::{PATIENCE, Raw, answers, code};
use crate::world::{Changes, ROOT, World, ask, get};

async fn sent(world: &World, request: &str) -> Vec<u8> {
    let mut raw = Raw::http1(world).await;
    raw.send(request.as_bytes()).await;
    raw.rest().await
}

fn impatient() -> Changes {
    let listener = ListenerConfig {
        connections: ConnectionCeilings { total: 10, per_address: 3 },
        handshake: Duration::from_millis(200),
        head: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        ..ListenerConfig::default()
    };
    Changes { listener: Some(listener), ..Changes::default() }
}

#[tokio::test]
async fn f001_smuggled_requests_are_never_answered() {
    let world = World::new().await;
    let hidden = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
    let auth = format!("Host: x\r\nAuthorization: Bearer {ROOT}\r\n");
    let attacks = [
        format!(
            "POST /livez HTTP/1.1\r\n{auth}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /livez HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("POST /livez HTTP/1.1\r\n{auth}Content-Length: 0\r\nContent-Length: 36\r\n\r\n{hidden}"),
        format!("POST /livez HTTP/1.1\r\n{auth}Content-Length: +0\r\n\r\n{hidden}"),
        format!("POST /livez HTTP/1.1\r\n{auth}Content-Length: 0,0\r\n\r\n{hidden}"),
        format!("POST /livez HTTP/1.1\r\n{auth}Content-Length: 0x0\r\n\r\n{hidden}"),
        format!("POST /livez HTTP/1.1\r\n{auth}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "POST /livez HTTP/1.1\r\n{auth}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /livez HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("POST /livez HTTP/1.0\r\n{auth}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("POST /livez HTTP/1.1\r\n{auth}Content-Length : 0\r\n\r\n{hidden}"),
        format!("GET /livez HTTP/1.1\r\n{auth}X: a\r\n b\r\n\r\n{hidden}"),
        format!("GET /livez HTTP/1.1\r\n{auth}Host: y\r\n\r\n{hidden}"),
        format!("GET /livez HTTP/1.1\r\n\r\n{hidden}"),
        format!("GET /livez HTTP/1.1\r\n{auth}X: a\0b\r\n\r\n{hidden}"),
    ];
    for attack in attacks {
        let bytes = sent(&world, &attack).await;
        assert!(answers(&bytes) <= 1, "{attack:?} -> {}", String::from_utf8_lossy(&bytes));
        assert!(!String::from_utf8_lossy(&bytes).contains("gitVersion"), "{attack:?}");
    }
}

#[tokio::test]
async fn a027_a_space_before_the_colon_is_refused() {
    let world = World::new().await;
    for name in ["X-Remote-User ", "X-Remote-User\t", "X-Remote-User\0"] {
        let bytes = sent(&world, &format!("GET /livez HTTP/1.1\r\nHost: x\r\n{name}: admin\r\n\r\n")).await;
        assert_eq!(code(&bytes), 400, "{name:?}");
    }
}

#[tokio::test]
async fn f008_f009_heads_have_an_end() {
    let world = World::new().await;
    let many: String = (0..40_000).map(|n| format!("X-{n}: a\r\n")).collect();
    let bytes = sent(&world, &format!("GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(matches!(code(&bytes), 0 | 431), "{}", code(&bytes));
    let long = "a".repeat(1 << 20);
    let bytes = sent(&world, &format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n")).await;
    assert!(matches!(code(&bytes), 0 | 431), "{}", code(&bytes));
    assert_eq!(ask(&world.admin(), get("/livez")).await.code(), 200);
}

#[tokio::test]
async fn targets_in_every_form_name_the_same_thing() {
    let world = World::new().await;
    let ask = |line: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer low-token-low-token\r\nConnection: close\r\n\r\n"
        )
    };
    for (line, want) in [
        ("GET https://evil.example/api/v1/secrets", 403),
        ("GET /api/v1/secrets", 403),
        ("GET /api/v1/secrets?access_token=x", 403),
        ("OPTIONS *", 400),
        ("CONNECT evil.example:443", 400),
        ("TRACE /api/v1/secrets", 405),
        ("get /api/v1/secrets", 405),
        ("PROPFIND /api/v1/secrets", 405),
        ("GET /api/v1/../v1/secrets", 400),
        ("GET /%61pi/v1/secrets", 400),
        ("GET /api/v1/secrets/..%2f..", 400),
    ] {
        assert_eq!(code(&sent(&world, &ask(line)).await), want, "{line}");
    }
}

#[tokio::test]
async fn a067_a_silent_connection_is_closed() {
    let world = World::with(impatient()).await;
    let mut stream = TcpStream::connect(world.server.local_addr()).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await.expect("closed in time");
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn f005_slow_heads_are_cut_off() {
    let world = World::with(impatient()).await;
    let mut raw = Raw::http1(&world).await;
    let started = Instant::now();
    raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    raw.rest().await;
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let world = World::with(impatient()).await;
    let mut raw = Raw::http2(&world).await;
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let seen = raw.rest().await;
    // GOAWAY is frame type 7.
    assert!(seen.windows(4).any(|window| window[3] == 7), "{seen:?}");
}

#[tokio::test]
async fn f006_connections_from_one_address_have_a_ceiling() {
    let changes = impatient();
    let world = World::with(Changes {
        listener: changes.listener.map(|listener| ListenerConfig { handshake: PATIENCE, ..listener }),
        ..Changes::default()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(world.server.local_addr()).await.unwrap());
    }
    let mut over = TcpStream::connect(world.server.local_addr()).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, over.read(&mut [0; 16])).await.expect("refused at once");
    assert!(matches!(closed, Ok(0) | Err(_)));
}

/// HEADERS of `GET /livez` on a stream, HPACK without a table: method, scheme, path, authority.
fn headers(stream: u32) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x04, 6];
    block.extend_from_slice(b"/livez");
    block.extend_from_slice(&[0x01, 1, b'x']);
    let mut frame = vec![0, 0, block.len() as u8, 1, 0x5];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend(block);
    frame
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let world = World::new().await;
    let mut raw = Raw::http2(&world).await;
    let mut attack = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for n in 0..5_000_u32 {
        let stream = 2 * n + 1;
        attack.extend(headers(stream));
        attack.extend_from_slice(&[0, 0, 4, 3, 0]);
        attack.extend_from_slice(&stream.to_be_bytes());
        attack.extend_from_slice(&[0, 0, 0, 8]);
    }
    raw.send(&attack).await;
    let seen = raw.rest().await;
    assert!(seen.windows(4).any(|window| window[3] == 7), "no GOAWAY");
    assert_eq!(ask(&world.admin(), get("/livez")).await.code(), 200);
}

#[tokio::test]
async fn a029_endless_continuations_end_the_connection() {
    let world = World::new().await;
    let mut raw = Raw::http2(&world).await;
    let mut attack = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    attack.extend_from_slice(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]);
    for _ in 0..1_000 {
        // A literal header of 1000 bytes, without END_HEADERS.
        let mut block = vec![0x00, 1, b'a', 0x7f];
        block.extend_from_slice(&[0xe9, 0x06]);
        block.extend(std::iter::repeat_n(b'b', 1000));
        attack.extend_from_slice(&[0, (block.len() >> 8) as u8, block.len() as u8, 9, 0, 0, 0, 0, 1]);
        attack.extend(block);
    }
    raw.send(&attack).await;
    raw.rest().await;
    assert_eq!(ask(&world.admin(), get("/livez")).await.code(), 200);
}

#[tokio::test]
async fn both_protocols_are_spoken() {
    let world = World::new().await;
    let bytes = sent(&world, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(code(&bytes), 200, "{}", String::from_utf8_lossy(&bytes));
    let mut raw = Raw::http2(&world).await;
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    request.extend(headers(1));
    raw.send(&request).await;
    let mut seen = Vec::new();
    while !seen.windows(2).any(|window| window == b"ok") {
        seen.extend(raw.some().await);
    }
}
