use http::{HeaderValue, StatusCode};
use jiff::SignedDuration;
use portcullis_pki::{Algorithm, Overrides};
use serde_json::json;

use super::*;
use crate::testing::{Accounts, Certificates, accounts, certificates, groups, head, ours, work_done};
use crate::{FrontProxyHeaders, TokenFile};

struct World {
    certificates: Certificates,
    accounts: Accounts,
    authenticator: Arc<Authenticator>,
}

fn world() -> World {
    let certificates = certificates();
    let accounts = accounts(Algorithm::Es256);
    let proxy =
        FrontProxy::new(FrontProxyHeaders::default(), vec!["front-proxy-client".into()], &certificates.trust);
    let file = TokenFile::parse("f", "static,sys,1,system:masters\nanon,system:anonymous,2").unwrap();
    let authenticator = Authenticator::new(Schemes {
        audiences: ours(),
        front_proxy: Some(proxy.unwrap()),
        tokens: vec![Arc::new(file), accounts.scheme.clone()],
        ..Schemes::default()
    });
    World { certificates, accounts, authenticator }
}

impl World {
    fn ask(&self, peer: &Peer, path: &str, headers: &[(&str, &str)]) -> Result<(Identity, HeaderMap)> {
        self.ask_at(peer, path, headers, Timestamp::now())
    }

    fn ask_at(
        &self,
        peer: &Peer,
        path: &str,
        headers: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<(Identity, HeaderMap)> {
        let mut parts = head(path, headers);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let identity = runtime.block_on(self.authenticator.authenticate(&mut parts, peer, now))?;
        Ok((identity, parts.headers))
    }

    #[track_caller]
    fn name(&self, peer: &Peer, headers: &[(&str, &str)]) -> String {
        self.ask(peer, "/api", headers).unwrap().0.user.name.to_string()
    }

    #[track_caller]
    fn refused(&self, peer: &Peer, path: &str, headers: &[(&str, &str)]) -> StatusCode {
        match self.ask(peer, path, headers) {
            Ok((identity, _)) => panic!("{:?} was let in", identity.user),
            Err(error) => {
                assert!(!error.message().contains("token") || error.code() == StatusCode::BAD_REQUEST);
                error.code()
            }
        }
    }

    fn review(&self, token: &str, audiences: &[&str]) -> serde_json::Value {
        let audiences: Vec<_> = audiences.iter().map(|a| (*a).to_owned()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.authenticator.review(token, &audiences))
    }
}

const NOBODY: Peer = Peer::NoCertificate;
const BAD: (&str, &str) = ("authorization", "Bearer bad");
const STATIC: (&str, &str) = ("authorization", "Bearer static");

#[test]
fn c004_nobody_comes_in_without_a_credential_but_to_health() {
    let world = world();
    for path in ["/api", "/apis", "/openapi/v3", "/metrics", "/version", "/livez/ping", "/api/v1/namespaces"]
    {
        assert_eq!(world.refused(&NOBODY, path, &[]), StatusCode::UNAUTHORIZED);
    }
    let (identity, _) = world.ask(&NOBODY, "/livez", &[]).unwrap();
    assert_eq!(
        (&*identity.user.name, groups(&identity.user)),
        ("system:anonymous", vec!["system:unauthenticated"])
    );
    world.ask(&NOBODY, "/livez?verbose", &[]).unwrap();
}

#[test]
fn d030_a_bad_credential_is_never_anonymous() {
    let world = world();
    let stranger = world.certificates.stranger("admin");
    for (peer, headers) in [(&NOBODY, &[BAD][..]), (&stranger, &[]), (&stranger, &[BAD])] {
        assert_eq!(world.refused(peer, "/livez", headers), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn certificates_name_users_and_groups() {
    let world = world();
    let peer = world.certificates.user("jane", &["dev", "system:masters,x"]);
    let (identity, _) = world.ask(&peer, "/api", &[]).unwrap();
    assert_eq!(&*identity.user.name, "jane");
    assert_eq!(groups(&identity.user), ["dev", "system:masters,x", "system:authenticated"]);
    assert_eq!(identity.method, Method::X509);
    let days = identity.life.ends().unwrap().duration_since(Timestamp::now()).as_hours() / 24;
    assert_eq!(days, 89);
    let (again, _) = world.ask(&peer, "/api", &[]).unwrap();
    assert!(Arc::ptr_eq(&identity.user.groups, &again.user.groups), "made once per connection");
}

#[test]
fn b014_credentials_are_told_apart() {
    let world = world();
    let name = "system:serviceaccount:a:sa1";
    let peer = world.certificates.user(name, &[]);
    let (by_certificate, _) = world.ask(&peer, "/api", &[]).unwrap();
    let bearer = format!("Bearer {}", world.accounts.token());
    let (by_token, _) = world.ask(&NOBODY, "/api", &[("authorization", &bearer)]).unwrap();
    assert_eq!(by_certificate.user.name, by_token.user.name);
    let id = |identity: &Identity| identity.user.extra[crate::CREDENTIAL_ID][0].clone();
    assert!(id(&by_certificate).starts_with("X509SHA256=") && id(&by_token).starts_with("JTI="));
    assert_ne!(by_certificate.method, by_token.method);
}

#[test]
fn d040_reserved_names_in_certificates() {
    let world = world();
    let names = |name: &str, organizations: &[&str]| {
        let (identity, _) = world.ask(&world.certificates.user(name, organizations), "/api", &[]).unwrap();
        groups(&identity.user).join("|")
    };
    assert_eq!(names("x", &["system:unauthenticated"]), "system:unauthenticated");
    assert_eq!(names("x", &["system:authenticated"]), "system:authenticated");
    assert_eq!(names("x", &["system:serviceaccounts"]), "system:serviceaccounts|system:authenticated");
    assert_eq!(names("system:anonymous", &[]), "");
    let strict = Authenticator::new(Schemes {
        x509: X509::default().refusing_service_accounts(),
        ..Schemes::default()
    });
    let peer = world.certificates.user("system:serviceaccount:a:b", &[]);
    let mut parts = head("/api", &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(strict.authenticate(&mut parts, &peer, Timestamp::now())).unwrap_err();
    assert_eq!(refused.code(), StatusCode::UNAUTHORIZED);
}

#[test]
fn d008_headers_without_the_front_proxys_certificate_mean_nothing() {
    let world = world();
    let forged = [
        ("X-Remote-User", "admin"),
        ("X-Remote-Group", "system:masters"),
        ("X-Remote-Uid", "0"),
        ("X-Remote-Extra-Scopes", "all"),
    ];
    assert_eq!(world.refused(&NOBODY, "/api", &forged), StatusCode::UNAUTHORIZED);
    let low = world.certificates.user("low", &[]);
    let (identity, headers) = world.ask(&low, "/api", &forged).unwrap();
    assert_eq!((&*identity.user.name, groups(&identity.user)), ("low", vec!["system:authenticated"]));
    assert!(headers.is_empty());
    let with_token = [&forged[..], &[STATIC]].concat();
    let (identity, headers) = world.ask(&NOBODY, "/api", &with_token).unwrap();
    assert_eq!(&*identity.user.name, "sys");
    assert!(headers.is_empty());
    let (identity, headers) = world.ask(&NOBODY, "/livez", &forged).unwrap();
    assert_eq!(&*identity.user.name, "system:anonymous");
    assert!(headers.is_empty());
}

#[test]
fn j003_the_front_proxys_connection_has_no_user_of_its_own() {
    let world = world();
    let proxy = world.certificates.front_proxy();
    for round in 0..200 {
        let name = format!("user-{}", round % 7);
        let (identity, headers) = world.ask(&proxy, "/api", &[("x-remote-user", &name)]).unwrap();
        assert_eq!(*identity.user.name, *name);
        assert!(headers.is_empty());
    }
    assert_eq!(world.refused(&proxy, "/api", &[]), StatusCode::UNAUTHORIZED);
}

#[test]
fn d010_the_front_proxys_certificate_is_no_users() {
    let world = world();
    let proxy = world.certificates.front_proxy();
    assert_eq!(world.refused(&proxy, "/api", &[]), StatusCode::UNAUTHORIZED);
    assert_eq!(world.refused(&proxy, "/livez", &[]), StatusCode::UNAUTHORIZED);
}

#[test]
fn d028_two_authorization_headers_are_a_bad_request() {
    let world = world();
    let evil = ("authorization", "Bearer evil");
    let low = world.certificates.user("low", &[]);
    for headers in [[STATIC, evil], [evil, STATIC], [STATIC, STATIC]] {
        assert_eq!(world.refused(&NOBODY, "/api", &headers), StatusCode::BAD_REQUEST);
        assert_eq!(world.refused(&low, "/api", &headers), StatusCode::BAD_REQUEST);
        assert_eq!(world.refused(&NOBODY, "/livez", &headers), StatusCode::BAD_REQUEST);
    }
    assert_eq!(
        world.refused(&NOBODY, "/api", &[("authorization", "Bearer static, Bearer evil")]),
        StatusCode::UNAUTHORIZED
    );
}

#[test]
fn d029_of_two_credentials_the_certificate_comes_first() {
    let world = world();
    let low = world.certificates.user("low", &[]);
    assert_eq!(world.name(&low, &[STATIC]), "low");
    assert_eq!(world.name(&low, &[BAD]), "low");
    assert_eq!(world.name(&world.certificates.stranger("x"), &[STATIC]), "sys");
    let expired = Timestamp::now() + SignedDuration::from_hours(24 * 100);
    assert_eq!(&*world.ask_at(&low, "/api", &[STATIC], expired).unwrap().0.user.name, "sys");
}

#[test]
fn d034_a_connection_does_not_outlive_its_certificate() {
    let world = world();
    let low = world.certificates.user("low", &[]);
    world.ask(&low, "/api", &[]).unwrap();
    let later = Timestamp::now() + SignedDuration::from_hours(24 * 100);
    assert_eq!(world.ask_at(&low, "/api", &[], later).unwrap_err().code(), StatusCode::UNAUTHORIZED);
}

#[test]
fn d065_credentials_do_not_go_on() {
    let world = world();
    let (_, headers) = world.ask(&NOBODY, "/api", &[STATIC, ("accept", "*/*")]).unwrap();
    assert_eq!(headers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    let low = world.certificates.user("low", &[]);
    let (_, headers) = world.ask(&low, "/api", &[BAD]).unwrap();
    assert!(headers.is_empty());
}

#[test]
fn d063_browsers_send_their_token_as_a_subprotocol() {
    use base64::Engine;
    let world = world();
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode("static");
    let protocols = format!("base64url.bearer.authorization.k8s.io.{token}, v4.channel.k8s.io");
    let upgrade =
        [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-protocol", &*protocols)];
    let (identity, headers) = world.ask(&NOBODY, "/api", &upgrade).unwrap();
    assert_eq!(&*identity.user.name, "sys");
    assert_eq!(headers["sec-websocket-protocol"], "v4.channel.k8s.io");
    assert_eq!(world.refused(&NOBODY, "/api", &upgrade[2..]), StatusCode::UNAUTHORIZED);
    assert_eq!(
        world.refused(
            &NOBODY,
            "/livez",
            &[
                upgrade[0],
                upgrade[1],
                ("sec-websocket-protocol", &protocols.replace(", v4.channel.k8s.io", ""))
            ]
        ),
        StatusCode::UNAUTHORIZED
    );
}

#[test]
fn d061_tokens_elsewhere_are_not_read() {
    let world = world();
    for path in ["/api?access_token=static", "/api?token=static", "/api?bearer_token=static"] {
        assert_eq!(world.refused(&NOBODY, path, &[]), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn d055_huge_tokens_cost_nothing() {
    let world = world();
    let begin = work_done();
    for size in [8 << 10, 64 << 10, (1 << 20) - 1] {
        let token = format!("Bearer {}", "a".repeat(size));
        assert_eq!(world.refused(&NOBODY, "/api", &[("authorization", &token)]), StatusCode::UNAUTHORIZED);
        let dots = format!("Bearer {}", ".".repeat(size));
        assert_eq!(world.refused(&NOBODY, "/api", &[("authorization", &dots)]), StatusCode::UNAUTHORIZED);
    }
    assert!(work_done() - begin < std::time::Duration::from_millis(500));
}

#[test]
fn d074_a_token_of_the_anonymous_user_is_not_authenticated() {
    let world = world();
    let (identity, _) = world.ask(&NOBODY, "/api", &[("authorization", "Bearer anon")]).unwrap();
    assert_eq!((&*identity.user.name, groups(&identity.user).len()), ("system:anonymous", 0));
}

#[test]
fn parts_of_the_process_are_who_they_are() {
    let world = world();
    let part = world.certificates.pki.in_process("kube-scheduler", &Overrides::default()).unwrap();
    assert_eq!(world.name(&Peer::InProcess(part), &[BAD]), "system:kube-scheduler");
}

#[test]
fn bytes_that_are_no_text_are_not_anonymous() {
    let world = world();
    let mut parts = head("/livez", &[]);
    parts.headers.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(world.authenticator.authenticate(&mut parts, &NOBODY, Timestamp::now()));
    assert_eq!(refused.unwrap_err().code(), StatusCode::UNAUTHORIZED);
}

#[test]
fn token_reviews_speak_upstreams_words() {
    let world = world();
    assert_eq!(world.review("rubbish", &[]), json!({"error": "invalid bearer token", "user": {}}));
    let token = world.accounts.token();
    let status = world.review(&token, &[]);
    let id = status["user"]["extra"]["authentication.kubernetes.io/credential-id"].clone();
    assert_eq!(
        status,
        json!({
            "audiences": ["https://kubernetes.default.svc"],
            "authenticated": true,
            "user": {
                "extra": {"authentication.kubernetes.io/credential-id": id},
                "groups": ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
                "uid": "u1",
                "username": "system:serviceaccount:a:sa1",
            },
        })
    );
    let why = "[invalid bearer token, token audiences [\"https://kubernetes.default.svc\"] is invalid for the target audiences [\"other\"]]";
    assert_eq!(world.review(&token, &["other"]), json!({"error": why, "user": {}}));
    assert_eq!(world.review("static", &["other"])["error"], "invalid bearer token");
    assert_eq!(
        world.review("static", &["other", "https://kubernetes.default.svc"])["audiences"],
        json!(ours())
    );
    assert_eq!(world.review(" static", &[])["error"], "invalid bearer token");
}

/// Everything that is logged, at every level, while credentials of all kinds are refused and accepted.
#[test]
fn a062_b016_i035_j034_no_credential_reaches_the_log() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let world = world();
        let spoiled = format!("{}AAAA", world.accounts.token());
        for token in ["canary", "static", "abcdef.canarycanarycana", &world.accounts.token(), &spoiled] {
            let bearer = format!("Bearer {token}");
            drop(world.ask(&NOBODY, "/api", &[("authorization", &bearer)]));
            drop(world.ask(&NOBODY, "/api", &[("authorization", &bearer), ("authorization", &bearer)]));
            world.review(token, &[]);
        }
        TokenFile::parse("f", "canary,u,1\ncanary,v,2,system:masters").unwrap();
        drop(TokenFile::parse("f", "canary,u"));
        drop(format!("{:?} {:?} {:?}", world.authenticator, world.accounts.issuer, world.accounts.keys));
        tracing::info!(authenticator = ?world.authenticator, issuer = ?world.accounts.issuer, key = ?world.accounts.key);
    });
    let text = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(text.contains("twice"), "something was logged: {text}");
    for secret in ["canary", "eyJ", "static", "PRIVATE"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<parking_lot::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
