//! Where etcd is and how to reach it.

use std::time::Duration;

/// How to reach etcd.
#[derive(Clone)]
pub struct EtcdOptions {
    /// The members' client URLs, `http://` or `https://`.
    pub endpoints: Vec<String>,
    /// What all keys start with, without a slash at the end; `/registry` by default.
    pub prefix: String,
    /// How to speak TLS, for `https://` endpoints.
    pub tls: Option<EtcdTls>,
    /// The name and password of a user of etcd's, if it asks for one that no certificate names.
    pub user: Option<(String, secrecy::SecretString)>,
    /// Names this server's outbox, so that a restarted server finds what it left.
    pub server: String,
    /// How often old revisions are forgotten; zero for never.
    pub compaction_interval: Duration,
    /// How long one call may take.
    pub timeout: Duration,
}

/// Keys and certificates for etcd, as PEM.
#[derive(Clone)]
pub struct EtcdTls {
    /// The authorities that etcd's certificates are checked against.
    pub authorities: String,
    /// This server's certificate and key, if etcd asks for one.
    pub identity: Option<(String, secrecy::SecretString)>,
}

impl EtcdOptions {
    /// The usual options for some endpoints.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            prefix: "/registry".to_owned(),
            tls: None,
            user: None,
            server: "apiserver".to_owned(),
            compaction_interval: Duration::from_secs(300),
            timeout: Duration::from_secs(15),
        }
    }
}

impl std::fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EtcdOptions")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for EtcdTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EtcdTls").finish_non_exhaustive()
    }
}
