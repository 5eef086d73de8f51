use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use portcullis_api::Verb;
use portcullis_api::attributes::Target;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::testing::{certificates, head};
use crate::{Schemes, TokenFile};

fn request(path: &str, headers: &[(&str, &str)], peer: Peer) -> Attributed {
    let info = Arc::new(RequestInfo { verb: Verb::Get, path: path.into(), target: Target::NonResource });
    let slot = AuditSlot::unrecorded(info.clone());
    Attributed::new(head(path, headers), portcullis_api::body::empty(), info, peer, slot)
}

async fn answer(request: Attributed) -> (Result<String, StatusCode>, usize) {
    let file = TokenFile::parse("f", "good,jane,1").unwrap();
    let schemes = Schemes { tokens: vec![Arc::new(file)], ..Schemes::default() };
    let reached = Arc::new(AtomicUsize::new(0));
    let count = reached.clone();
    let inner = service_fn(move |request: Authenticated| {
        count.fetch_add(1, Ordering::Relaxed);
        let user = request.user().name.to_string();
        async move {
            Ok::<_, ApiError>(
                Response::builder().header("user", user).body(portcullis_api::body::empty()).unwrap(),
            )
        }
    });
    let service = AuthenticateLayer::new(Authenticator::new(schemes)).layer(inner);
    let answer = service.oneshot(request).await;
    let name = |r: Response<Body>| r.headers()["user"].to_str().unwrap().to_owned();
    (answer.map(name).map_err(|e| e.code()), reached.load(Ordering::Relaxed))
}

#[tokio::test]
async fn who_is_verified_goes_on() -> Result<(), Infallible> {
    let good = [("authorization", "Bearer good")];
    assert_eq!(answer(request("/api", &good, Peer::NoCertificate)).await, (Ok("jane".into()), 1));
    assert_eq!(answer(request("/livez", &[], Peer::NoCertificate)).await, (Ok("system:anonymous".into()), 1));
    Ok(())
}

#[tokio::test]
async fn who_is_not_never_reaches_what_is_behind() {
    let bad = [("authorization", "Bearer bad")];
    assert_eq!(answer(request("/api", &bad, Peer::NoCertificate)).await, (Err(StatusCode::UNAUTHORIZED), 0));
    assert_eq!(answer(request("/api", &[], Peer::NoCertificate)).await, (Err(StatusCode::UNAUTHORIZED), 0));
    let stranger = certificates().stranger("admin");
    assert_eq!(answer(request("/api", &[], stranger)).await, (Err(StatusCode::UNAUTHORIZED), 0));
}
