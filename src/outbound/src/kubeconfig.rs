//! Webhook files in kubeconfig's format: `clusters` is the other server, `users` is us.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_pki::ServerTrust;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::ConfigError;
use crate::endpoint::{Authorization, Credential, Endpoint};

const MAX_FILE: usize = 1 << 20;

/// The endpoint of a file's current context.
pub fn endpoint(path: &Path) -> Result<Endpoint, ConfigError> {
    read(path)?.endpoint()
}

/// The endpoint of the current context of a file's text; files it names lie under `directory`.
pub fn endpoint_of_text(text: &str, directory: &Path) -> Result<Endpoint, ConfigError> {
    parse(text, directory)?.endpoint()
}

pub(crate) fn read(path: &Path) -> Result<File, ConfigError> {
    let unreadable = |cause| ConfigError::Unreadable { what: "kubeconfig", path: path.to_owned(), cause };
    let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
    parse(&text, path.parent().unwrap_or(Path::new("")))
}

pub(crate) fn parse(text: &str, directory: &Path) -> Result<File, ConfigError> {
    if text.len() > MAX_FILE {
        return Err(refused("the file is too large"));
    }
    // The parser's error is not shown: it quotes the text around, which may be a credential.
    let mut file: File =
        serde_saphyr::from_str(text).map_err(|_| refused("the file is no valid kubeconfig"))?;
    if !matches!(file.kind.as_deref(), None | Some("Config")) {
        return Err(refused("kind must be Config"));
    }
    file.directory = directory.to_owned();
    Ok(file)
}

/// A kubeconfig, as far as it concerns us. Never printed.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct File {
    kind: Option<String>,
    #[serde(default)]
    current_context: Option<String>,
    #[serde(default)]
    clusters: Option<Vec<NamedCluster>>,
    #[serde(default)]
    users: Option<Vec<NamedUser>>,
    #[serde(default)]
    contexts: Option<Vec<NamedContext>>,
    #[serde(skip)]
    directory: PathBuf,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: Option<String>,
    tls_server_name: Option<String>,
    insecure_skip_tls_verify: Option<bool>,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    proxy_url: Option<String>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct User {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    username: Option<String>,
    password: Option<Zeroizing<String>>,
    exec: Option<serde_json::Value>,
    auth_provider: Option<serde_json::Value>,
    #[serde(rename = "as")]
    impersonate: Option<String>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: Option<String>,
    user: Option<String>,
}

impl File {
    /// The current context's cluster, called as its user.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        let context = self.context().ok_or_else(|| refused("current-context names no context"))?;
        let name = context.cluster.as_deref().unwrap_or_default();
        let cluster = self.clusters.iter().flatten().find(|one| one.name == name);
        let cluster = cluster.ok_or_else(|| refused(&format!("cluster {name:?} was not found")))?;
        let mut endpoint = self.of_cluster(&cluster.cluster)?;
        let user = context.user.as_deref().unwrap_or_default();
        if !user.is_empty() {
            let known = self.user(user).ok_or_else(|| refused(&format!("user {user:?} was not found")))?;
            endpoint.credential = self.credential(known)?;
        }
        Ok(endpoint)
    }

    /// A user by name.
    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        static NOBODY: User = User::nobody();
        let found = self.users.iter().flatten().find(|user| user.name == name)?;
        Some(found.user.as_ref().unwrap_or(&NOBODY))
    }

    /// The user of the current context.
    pub(crate) fn current_user(&self) -> Option<&User> {
        self.user(self.context()?.user.as_deref()?)
    }

    fn context(&self) -> Option<&Context> {
        let name = self.current_context.as_deref().filter(|name| !name.is_empty())?;
        Some(&self.contexts.iter().flatten().find(|one| one.name == name)?.context)
    }

    fn of_cluster(&self, cluster: &Cluster) -> Result<Endpoint, ConfigError> {
        if cluster.proxy_url.as_deref().is_some_and(|url| !url.is_empty()) {
            return Err(refused("proxy-url is not supported"));
        }
        let mut endpoint = Endpoint::new(cluster.server.as_deref().unwrap_or_default())?;
        endpoint.server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
        let authorities = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
            (Some(data), _) if !data.is_empty() => Some(decoded("certificate-authority-data", data)?),
            (_, Some(path)) => Some(self.read("certificate authority", path)?),
            _ => None,
        };
        match (cluster.insecure_skip_tls_verify.unwrap_or(false), authorities) {
            (true, Some(_)) => {
                Err(refused("specifying a root certificates file with the insecure flag is not allowed"))
            }
            (true, None) => Ok(endpoint.with_trust(ServerTrust::InsecureAnybody)),
            (false, Some(pem)) => endpoint.with_authorities(&pem),
            (false, None) => Ok(endpoint),
        }
    }

    /// As whom a user comes.
    pub(crate) fn credential(&self, user: &User) -> Result<Credential, ConfigError> {
        user.refuse_unsupported()?;
        let mut credential = match (&user.token, &user.token_file, &user.username) {
            (Some(token), _, _) if !token.is_empty() => Credential::bearer(token)?,
            (_, Some(path), _) => Credential {
                authorization: Some(Authorization::TokenFile(self.under(path))),
                certificate: None,
            },
            (_, _, Some(name)) => {
                Credential::basic(name, user.password.as_ref().map_or("", |password| password.as_str()))?
            }
            _ => Credential::default(),
        };
        if let (None, Some(chain), None, Some(key)) =
            (&user.client_certificate_data, &user.client_certificate, &user.client_key_data, &user.client_key)
        {
            return Ok(credential.with_certificate_files(self.under(chain), self.under(key)));
        }
        let chain = self.either(
            "client-certificate",
            user.client_certificate_data.as_deref(),
            &user.client_certificate,
        )?;
        let key = self.either(
            "client-key",
            user.client_key_data.as_ref().map(|key| key.as_str()),
            &user.client_key,
        )?;
        match (chain, key) {
            (Some(chain), Some(key)) => credential = credential.with_certificate(&chain, &key),
            (None, None) => {}
            _ => return Err(refused("a client certificate and its key belong together")),
        }
        Ok(credential)
    }

    fn either(
        &self,
        what: &'static str,
        data: Option<&str>,
        path: &Option<PathBuf>,
    ) -> Result<Option<Zeroizing<String>>, ConfigError> {
        match (data, path) {
            (Some(data), _) if !data.is_empty() => decoded(what, data).map(Some),
            (_, Some(path)) => self.read(what, path).map(Some),
            _ => Ok(None),
        }
    }

    fn read(&self, what: &'static str, path: &Path) -> Result<Zeroizing<String>, ConfigError> {
        let path = self.under(path);
        let text = fs::read_to_string(&path).map(Zeroizing::new);
        text.map_err(|cause| ConfigError::Unreadable { what, path, cause })
    }

    fn under(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}

impl User {
    const fn nobody() -> Self {
        Self {
            client_certificate: None,
            client_certificate_data: None,
            client_key: None,
            client_key_data: None,
            token: None,
            token_file: None,
            username: None,
            password: None,
            exec: None,
            auth_provider: None,
            impersonate: None,
        }
    }

    /// What upstream's files may say and ours may not: said aloud, instead of calling as somebody else.
    fn refuse_unsupported(&self) -> Result<(), ConfigError> {
        if self.exec.is_some() {
            return Err(refused("a credential plugin (exec) is not supported for the server's own calls"));
        }
        if self.auth_provider.is_some() {
            return Err(refused("auth provider not supported"));
        }
        if self.impersonate.is_some() {
            return Err(refused("impersonation (as) is not supported for the server's own calls"));
        }
        Ok(())
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("current_context", &self.current_context).finish_non_exhaustive()
    }
}

fn decoded(what: &str, data: &str) -> Result<Zeroizing<String>, ConfigError> {
    let unreadable = || refused(&format!("{what} is no base64 of PEM"));
    let bytes = STANDARD.decode(data.trim()).map_err(|_| unreadable())?;
    String::from_utf8(bytes).map(Zeroizing::new).map_err(|_| unreadable())
}

fn refused(why: &str) -> ConfigError {
    ConfigError::Kubeconfig(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: hook\n  cluster:\n    server: https://hook.example/authorize\n\
        \nusers:\n- name: us\n  user: {token: canary}\ncontexts:\n- name: it\n  context: {cluster: hook, user: us}\ncurrent-context: it\n";

    #[test]
    fn the_current_context_is_the_endpoint() {
        let endpoint = endpoint_of_text(FILE, Path::new("/")).unwrap();
        assert_eq!(endpoint.url.to_string(), "https://hook.example/authorize");
        assert!(!endpoint.credential.is_none());
        assert!(!format!("{endpoint:?}").contains("canary"));
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        for (old, new) in [
            ("current-context: it", "current-context: other"),
            ("cluster: hook,", "cluster: other,"),
            ("user: us}", "user: other}"),
            ("{token: canary}", "{exec: {command: canary}}"),
            ("{token: canary}", "{auth-provider: {name: canary}}"),
            ("{token: canary}", "{client-certificate-data: Y2FuYXJ5}"),
            ("{token: canary}", "{token: canary, as: root}"),
            ("https://hook.example/authorize", "http://hook.example/authorize"),
            ("https://hook.example/authorize", "https://x\n    proxy-url: http://p"),
            ("https://hook.example/authorize", "https://x\n    certificate-authority-data: Y2FuYXJ5"),
            ("kind: Config", "kind: Pod"),
            ("users:", "users: ["),
        ] {
            let text = FILE.replace(old, new);
            assert_ne!(text, FILE);
            let error = endpoint_of_text(&text, Path::new("/")).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn files_lie_beside_the_kubeconfig() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        fs::write(&path, FILE.replace("{token: canary}", "{tokenFile: token}")).unwrap();
        let endpoint = endpoint(&path).unwrap();
        assert!(matches!(&endpoint.credential.authorization,
            Some(Authorization::TokenFile(token)) if *token == dir.path().join("token")));
    }
}
