//! What the tests of this crate share: objects to look up, a directory of certificates, real handshakes.

pub(crate) mod server;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use parking_lot::Mutex;
use portcullis_api::Object;
use portcullis_pki::{
    Algorithm, ClientTrust, LiveCertificate, NothingRevoked, Options, Overrides, Peer, Pki, SigningKey,
};
use rustls::{ClientConnection, ServerConnection};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};

use crate::*;

/// What this thread has worked so far: a bound on it holds on a busy machine too.
pub(crate) fn work_done() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// A store of objects in memory.
#[derive(Default)]
pub(crate) struct Objects(Mutex<HashMap<(Watched, String, String), Arc<Object>>>);

impl Objects {
    pub(crate) fn put(&self, of: Watched, object: Value) {
        let Value::Object(map) = object else { panic!("no object") };
        let object = Object::new(map);
        let key = (of, object.namespace().to_owned(), object.name().to_owned());
        self.0.lock().insert(key, Arc::new(object));
    }

    pub(crate) fn remove(&self, of: Watched, namespace: &str, name: &str) {
        self.0.lock().remove(&(of, namespace.to_owned(), name.to_owned()));
    }
}

#[async_trait]
impl Lookup for Objects {
    async fn get(
        &self,
        of: Watched,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Object>>, LookupError> {
        if namespace == "broken" {
            return Err(LookupError("the store is away".into()));
        }
        Ok(self.0.lock().get(&(of, namespace.to_owned(), name.to_owned())).cloned())
    }
}

pub(crate) fn meta(namespace: &str, name: &str, uid: &str) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name, "uid": uid}})
}

/// Keys, objects and an issuer for service accounts; `a/sa1` exists.
pub(crate) struct Accounts {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) keys: Arc<KeySet>,
    pub(crate) objects: Arc<Objects>,
    pub(crate) issuer: TokenIssuer,
    pub(crate) scheme: Arc<ServiceAccountTokens>,
}

pub(crate) const SA1: ServiceAccount<'static> = ServiceAccount { namespace: "a", name: "sa1", uid: "u1" };

pub(crate) fn accounts(algorithm: Algorithm) -> Accounts {
    let key = Arc::new(SigningKey::generate(algorithm).unwrap());
    let keys = KeySet::new(vec![key.public().clone()]);
    let objects = Arc::new(Objects::default());
    objects.put(Watched::ServiceAccounts, meta("a", "sa1", "u1"));
    let issuer = TokenIssuer::new(DEFAULT_ISSUER, ours(), key.clone()).unwrap();
    let scheme =
        ServiceAccountTokens::new(vec![DEFAULT_ISSUER.into()], keys.clone(), objects.clone()).unwrap();
    Accounts { key, keys, objects, issuer, scheme: Arc::new(scheme) }
}

pub(crate) fn ours() -> Vec<String> {
    vec![DEFAULT_ISSUER.to_owned()]
}

impl Accounts {
    pub(crate) fn token(&self) -> String {
        self.issuer.issue(SA1, &ours(), 3600, None).unwrap().token
    }

    /// Good claims, to be spoiled.
    pub(crate) fn claims(&self) -> Value {
        parts_of(&self.token()).1
    }

    /// Good header, to be spoiled.
    pub(crate) fn header(&self) -> Value {
        parts_of(&self.token()).0
    }
}

pub(crate) fn parts_of(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

/// A token of any text, signed by a key.
pub(crate) fn sign(key: &SigningKey, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A cluster's certificates and the trust in them.
pub(crate) struct Certificates {
    pub(crate) pki: Pki,
    pub(crate) trust: Arc<ClientTrust>,
    _dir: tempfile::TempDir,
}

pub(crate) fn certificates() -> Certificates {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { token_algorithm: Some(Algorithm::Es256), ..Options::default() };
    let pki = Pki::open_or_issue(dir.path(), options).unwrap();
    let (users, proxies) = (pki.authority_pem("ca").unwrap(), pki.authority_pem("front-proxy-ca").unwrap());
    let trust = ClientTrust::new(users, Some(proxies), Arc::new(NothingRevoked)).unwrap();
    Certificates { pki, trust, _dir: dir }
}

impl Certificates {
    pub(crate) fn user(&self, name: &str, groups: &[&str]) -> Peer {
        let organizations = Some(groups.iter().map(|g| (*g).to_owned()).collect());
        let overrides = Overrides { name: name.into(), organizations, ..Overrides::default() };
        let issued = self.pki.issue("user", &overrides).unwrap();
        self.peer(LiveCertificate::from_pem(&issued.certificate_pem, issued.key.expose()).unwrap())
    }

    pub(crate) fn front_proxy(&self) -> Peer {
        self.peer(self.pki.live("front-proxy-client").unwrap())
    }

    /// A certificate nobody vouches for.
    pub(crate) fn stranger(&self, name: &str) -> Peer {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        self.peer(LiveCertificate::from_pem(&pem, &key.serialize_pem()).unwrap())
    }

    pub(crate) fn peer(&self, identity: Arc<LiveCertificate>) -> Peer {
        let roots = self.pki.authority_pem("ca").unwrap();
        let client = portcullis_pki::client_config(roots, Some(identity)).unwrap();
        let server = portcullis_pki::server_config(self.pki.live("apiserver").unwrap()).unwrap();
        let mut server = ServerConnection::new(server).unwrap();
        let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
        for _ in 0..5 {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        Peer::of_connection(&server, &self.trust)
    }
}

/// The head of a GET with some headers.
pub(crate) fn head(path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = http::Request::get(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

pub(crate) fn groups(user: &portcullis_api::UserInfo) -> Vec<&str> {
    user.groups.iter().map(|group| &**group).collect()
}
