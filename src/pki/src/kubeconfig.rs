//! Kubeconfig files: writing a self-contained one, and adding a context to a user's own.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{Error, Issued, Result, files};

/// The largest existing file that is merged into.
const MAX_FILE: usize = 8 << 20;

/// How to reach a cluster as somebody.
pub struct Kubeconfig {
    /// Name of cluster, and the context's first part unless `context` says otherwise.
    pub cluster: String,
    /// `https://` address of the server.
    pub server: String,
    /// The authority of the server's certificate, in PEM form.
    pub authority_pem: String,
    /// Name of the user entry.
    pub user: String,
    /// Name of the context.
    pub context: String,
    /// The namespace commands go to by default; `default` when empty.
    pub namespace: String,
    /// How the user is authenticated.
    pub credential: Credential,
}

/// How a user is authenticated. Never printed.
pub enum Credential {
    /// A client certificate and its key, in PEM form.
    Certificate {
        /// The certificate.
        certificate_pem: String,
        /// The key.
        key_pem: Zeroizing<String>,
    },
    /// A bearer token.
    Token(Zeroizing<String>),
}

impl From<&Issued> for Credential {
    fn from(issued: &Issued) -> Self {
        Self::Certificate {
            certificate_pem: issued.certificate_pem.clone(),
            key_pem: Zeroizing::new(issued.key.expose().to_owned()),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate { .. } => "Certificate(***)",
            Self::Token(_) => "Token(***)",
        })
    }
}

impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubeconfig").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Kubeconfig {
    /// The usual names: context `user@cluster`.
    pub fn new(cluster: &str, server: &str, authority_pem: &str, user: &str, credential: Credential) -> Self {
        Self {
            cluster: cluster.to_owned(),
            server: server.to_owned(),
            authority_pem: authority_pem.to_owned(),
            user: user.to_owned(),
            context: format!("{user}@{cluster}"),
            namespace: String::new(),
            credential,
        }
    }

    /// The text of a file that holds this and nothing else.
    pub fn to_yaml(&self) -> Result<Zeroizing<String>> {
        let mut config = empty();
        self.put_into(&mut config, true)?;
        yaml(&config)
    }

    /// Writes a file of its own, readable by its owner only.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write(path, self.to_yaml()?.as_bytes(), files::PRIVATE)
    }

    /// Adds the context to an existing file, or makes the file. Entries of the same names are
    /// replaced; everything else, unknown fields too, stays. Returns where the old file was kept.
    pub fn merge_into(&self, path: &Path, make_current: bool) -> Result<Option<PathBuf>> {
        // A link is followed, so that the file it points to is replaced and not the link.
        let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let Some(old) = files::read(path)?.map(Zeroizing::new).filter(|text| !text.trim().is_empty()) else {
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                files::private_directory(parent)?;
            }
            self.write(path)?;
            return Ok(None);
        };
        let mut config = parse(path, &old)?;
        self.put_into(&mut config, make_current)?;
        let backup = backup_path(path);
        files::write(&backup, old.as_bytes(), files::PRIVATE)?;
        files::write(path, yaml(&config)?.as_bytes(), files::PRIVATE)?;
        Ok(Some(backup))
    }

    fn put_into(&self, config: &mut Map<String, Value>, make_current: bool) -> Result<()> {
        let authority = STANDARD.encode(&self.authority_pem);
        let cluster = json!({"server": self.server, "certificate-authority-data": authority});
        let context = match self.namespace.as_str() {
            "" => json!({"cluster": self.cluster, "user": self.user}),
            namespace => json!({"cluster": self.cluster, "user": self.user, "namespace": namespace}),
        };
        let user = match &self.credential {
            Credential::Token(token) => json!({"token": token.as_str()}),
            Credential::Certificate { certificate_pem, key_pem } => json!({
                "client-certificate-data": STANDARD.encode(certificate_pem),
                "client-key-data": STANDARD.encode(key_pem.as_bytes()),
            }),
        };
        put(config, "clusters", &self.cluster, "cluster", cluster)?;
        put(config, "users", &self.user, "user", user)?;
        put(config, "contexts", &self.context, "context", context)?;
        let current = config.get("current-context").and_then(Value::as_str).unwrap_or_default();
        if make_current || current.is_empty() {
            config.insert("current-context".into(), Value::String(self.context.clone()));
        }
        Ok(())
    }
}

fn empty() -> Map<String, Value> {
    let Value::Object(map) = json!({"apiVersion": "v1", "kind": "Config", "preferences": {}}) else {
        return Map::new();
    };
    map
}

fn parse(path: &Path, text: &str) -> Result<Map<String, Value>> {
    let refused = |why: &str| Error::malformed(path.display().to_string(), why);
    if text.len() > MAX_FILE {
        return Err(refused("is too large for a kubeconfig"));
    }
    // The parser's error is not shown: it quotes the text around, which may be a credential.
    let options = serde_saphyr::options! { strict_booleans: true };
    let config: Map<String, Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|_| refused("is no valid YAML"))?;
    match config.get("kind").and_then(Value::as_str) {
        None | Some("Config") => Ok(config),
        Some(_) => Err(refused("is no kubeconfig")),
    }
}

/// Sets the entry of a named list, keeping its place if it was there.
fn put(config: &mut Map<String, Value>, list: &str, name: &str, field: &str, value: Value) -> Result<()> {
    let slot = config.entry(list).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Array(Vec::new());
    }
    let Value::Array(entries) = slot else {
        return Err(Error::malformed("kubeconfig", format!("{list} is no list")));
    };
    let entry = json!({"name": name, field: value});
    match entries.iter_mut().find(|e| e.get("name").and_then(Value::as_str) == Some(name)) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
    Ok(())
}

fn yaml(config: &Map<String, Value>) -> Result<Zeroizing<String>> {
    let text = serde_saphyr::to_string(config);
    text.map(Zeroizing::new).map_err(|e| Error::malformed("kubeconfig", e.to_string()))
}

fn backup_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.bak", Timestamp::now().strftime("%Y%m%dT%H%M%S%6fZ")));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config() -> Kubeconfig {
        let token = Credential::Token(Zeroizing::new("canary".into()));
        Kubeconfig::new("portcullis", "https://127.0.0.1:6443", "PEM", "jane", token)
    }

    #[test]
    fn a_new_file_is_private_and_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/config");
        assert_eq!(config().merge_into(&path, false).unwrap(), None);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read["current-context"], "jane@portcullis");
        assert_eq!(read["users"][0]["user"]["token"], "canary");
        assert_eq!(read["clusters"][0]["cluster"]["certificate-authority-data"], "UEVN");
    }

    #[test]
    fn merging_keeps_what_it_does_not_know() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let old = "apiVersion: v1\nkind: Config\ncurrent-context: other\nx-extra: {a: [1, \"2\", \"yes\", \"0x1\", \"1e3\", \"\"]}\nclusters:\n\
                   - name: other\n  cluster: {server: https://o, tls-server-name: n}\n\
                   users:\n- name: jane\n  user: {token: old}\n- name: o\n  user: {exec: {command: c}}\ncontexts: null\n";
        fs::write(&path, old).unwrap();
        let backup = config().merge_into(&path, false).unwrap().unwrap();
        assert_eq!(fs::read_to_string(&backup).unwrap(), old);
        assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
        let read: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read["current-context"], "other");
        assert_eq!(read["x-extra"], json!({"a": [1, "2", "yes", "0x1", "1e3", ""]}));
        assert_eq!(read["clusters"][0]["cluster"]["tls-server-name"], "n");
        assert!(fs::read_to_string(&path).unwrap().contains("tls-server-name: \"n\""));
        assert_eq!(read["users"][0]["user"], json!({"token": "canary"}));
        assert_eq!(read["users"][1]["user"]["exec"]["command"], "c");
        assert_eq!(read["contexts"][0]["context"]["cluster"], "portcullis");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        for text in ["token: [canary", "- a", "kind: Pod", "kind: Config\nusers: {}\n"] {
            fs::write(&path, text).unwrap();
            let error = config().merge_into(&path, true).unwrap_err();
            assert!(!error.to_string().contains("canary"));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a009_a_yaml_bomb_is_refused_quickly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        fs::write(&path, bomb).unwrap();
        let begin = std::time::Instant::now();
        assert!(config().merge_into(&path, true).is_err());
        // Unfolded it would take longer than anybody lives; a busy machine takes seconds.
        assert!(begin.elapsed() < std::time::Duration::from_secs(60));
    }

    #[test]
    fn debug_shows_no_credential() {
        assert_eq!(format!("{:?}{:?}", config(), config().credential).find("canary"), None);
    }
}
