//! A webhook of this machine that answers as told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::Value;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::webhook::{FailurePolicy, Version, WebhookPlan};

type Reply = dyn Fn(&Value) -> (u16, String) + Send + Sync;

/// The webhook: where it is, and what it was asked.
pub(crate) struct Hook {
    url: String,
    dir: tempfile::TempDir,
    reply: Arc<Mutex<Arc<Reply>>>,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    /// Denies everything until it is told otherwise.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ask", listener.local_addr().unwrap());
        let reply: Arc<Reply> =
            Arc::new(|_: &Value| (200, review(json!({"allowed": false, "denied": true}))));
        let hook = Self {
            url,
            dir: tempfile::tempdir().unwrap(),
            reply: Arc::new(Mutex::new(reply)),
            heard: Arc::default(),
        };
        let (reply, heard) = (hook.reply.clone(), hook.heard.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, reply.clone(), heard.clone()));
            }
        });
        hook
    }

    /// Answers like this from now on; status 0 is silence.
    pub(crate) fn reply(&self, reply: impl Fn(&Value) -> (u16, String) + Send + Sync + 'static) {
        *self.reply.lock() = Arc::new(reply);
    }

    /// Answers with this status of a review from now on.
    pub(crate) fn says(&self, status: Value) {
        self.reply(move |_| (200, review(status.clone())));
    }

    /// The specs it was asked about.
    pub(crate) fn heard(&self) -> Vec<Value> {
        self.heard.lock().iter().map(|review| review["spec"].clone()).collect()
    }

    /// The reviews it was sent.
    pub(crate) fn reviews(&self) -> Vec<Value> {
        self.heard.lock().clone()
    }

    /// Its kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let path = self.dir.path().join("hook.kubeconfig");
        let text = json!({
            "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
        });
        std::fs::write(&path, text.to_string()).unwrap();
        path
    }

    /// How it is configured: keeps answers for a minute, denies on failure.
    pub(crate) fn plan(&self) -> WebhookPlan {
        WebhookPlan {
            name: "hook".into(),
            authorized_ttl: Duration::from_secs(60),
            unauthorized_ttl: Duration::from_secs(60),
            timeout: Duration::from_millis(400),
            version: Version::V1,
            failure_policy: FailurePolicy::Deny,
            kubeconfig: self.kubeconfig(),
            conditions: Vec::new(),
        }
    }
}

/// A review with a status.
pub(crate) fn review(status: Value) -> String {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "status": status})
        .to_string()
}

async fn serve(mut stream: TcpStream, reply: Arc<Mutex<Arc<Reply>>>, heard: Arc<Mutex<Vec<Value>>>) {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let Ok(length @ 1..) = stream.read(&mut buffer).await else { return };
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines().map(str::to_lowercase);
        let length = lines.find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        let asked: Value = serde_json::from_str(body).unwrap();
        read.clear();
        let reply = reply.lock().clone();
        let (status, answer) = reply(&asked);
        heard.lock().push(asked);
        if status == 0 {
            continue;
        }
        let answer = format!(
            "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
