//! Requests as a person makes them, with the code and body of the answer.

use portcullis_testkit::ControlPlane;
use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) code: u16,
    pub(crate) body: Value,
    pub(crate) warnings: Vec<String>,
}

impl Seen {
    /// The words of a refusal.
    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The same, if the request went through.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!((200..300).contains(&self.code), "{} {}", self.code, self.body);
        self
    }
}

/// Asks as somebody whom no policy binds.
pub(crate) async fn ask(plane: &ControlPlane, method: &str, path: &str, body: Option<Value>) -> Seen {
    let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    send(plane, (method, media), path, body).await
}

/// Applies on the server's side.
pub(crate) async fn apply(plane: &ControlPlane, path: &str, body: Value) -> Seen {
    send(plane, ("PATCH", "application/apply-patch+yaml"), path, Some(body)).await
}

async fn send(plane: &ControlPlane, (method, media): (&str, &str), path: &str, body: Option<Value>) -> Seen {
    let root = plane.certificate("root", &["system:masters"]).unwrap();
    let mut raw = plane.raw(Some(&root)).await.unwrap();
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\r\n"
    );
    let answer = raw.request(format!("{head}{body}")).await.unwrap();
    let warnings = answer.headers.iter().filter(|(name, _)| name == "warning");
    Seen {
        code: answer.status,
        warnings: warnings.map(|(_, value)| value.clone()).collect(),
        body: serde_json::from_slice(&answer.body).unwrap_or_default(),
    }
}

/// The lines of a stream that ends by itself.
pub(crate) async fn lines(plane: &ControlPlane, path: &str, accept: &str) -> Vec<Value> {
    let root = plane.certificate("root", &["system:masters"]).unwrap();
    let mut raw = plane.raw(Some(&root)).await.unwrap();
    let answer =
        raw.request(format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n\r\n")).await.unwrap();
    let lines = serde_json::Deserializer::from_slice(&answer.body).into_iter();
    lines.map(|line| line.unwrap()).collect()
}

/// Creates something.
pub(crate) async fn create(plane: &ControlPlane, path: &str, body: Value) -> Seen {
    ask(plane, "POST", path, Some(body)).await
}

/// Reads something.
pub(crate) async fn get(plane: &ControlPlane, path: &str) -> Seen {
    ask(plane, "GET", path, None).await
}
