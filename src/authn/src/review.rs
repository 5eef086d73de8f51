//! Token reviews: what the schemes say of a token somebody else was shown.

use jiff::Timestamp;
use portcullis_api::{UserInfo, Value};
use serde_json::{Map, json};

use crate::Authenticator;
use crate::attempt::{Attempt, Identity, Rejection};
use crate::authenticator::joined;
use crate::bearer::{self, Bearer};

impl Authenticator {
    /// The `status` of a TokenReview, in normal form. Without audiences the server's own are asked.
    ///
    /// A refusal's words are upstream's: its chain begins with a scheme for its own loopback token,
    /// which knows no other, so "invalid bearer token" always leads.
    pub async fn review(&self, token: &str, audiences: &[String]) -> Value {
        let asked = if audiences.is_empty() { self.audiences() } else { audiences };
        let header = format!("Bearer {token}");
        let attempt = match bearer::parse(&header) {
            Bearer::Token(token) => self.of_token(token, asked, Timestamp::now()).await,
            Bearer::Absent | Bearer::Unusable => bearer::unknown_token(),
        };
        match attempt {
            Attempt::Verified(identity) => accepted(&identity),
            Attempt::NotMine => refused(&[]),
            Attempt::Rejected(rejection) => refused(&[rejection]),
        }
    }
}

fn accepted(identity: &Identity) -> Value {
    let mut status = Map::new();
    if let Some(audiences) = identity.audiences.as_ref().filter(|audiences| !audiences.is_empty()) {
        status.insert("audiences".into(), json!(audiences));
    }
    status.insert("authenticated".into(), Value::Bool(true));
    status.insert("user".into(), user(&identity.user));
    Value::Object(status)
}

fn refused(rejections: &[Rejection]) -> Value {
    let Attempt::Rejected(first) = bearer::unknown_token() else { return json!({"user": {}}) };
    let all: Vec<_> = [first].into_iter().chain(rejections.iter().cloned()).collect();
    json!({"error": joined(&all), "user": {}})
}

fn user(user: &UserInfo) -> Value {
    let mut tree = Map::new();
    if !user.extra.is_empty() {
        tree.insert("extra".into(), json!(*user.extra));
    }
    if !user.groups.is_empty() {
        tree.insert(
            "groups".into(),
            user.groups.iter().map(|group| Value::String(group.to_string())).collect(),
        );
    }
    for (field, text) in [("uid", &user.uid), ("username", &user.name)] {
        if !text.is_empty() {
            tree.insert(field.into(), Value::String(text.to_string()));
        }
    }
    Value::Object(tree)
}
