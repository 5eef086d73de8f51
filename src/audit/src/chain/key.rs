//! The key that signs, and what anybody needs to verify.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const KEY: &str = "signing.key";
const PUBLIC: &str = "signing.pub";
const HEAD: &str = "head";
const MAX_KEY: u64 = 4096;
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Reading or writing failed.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} is {what}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The machine has no randomness, or refuses the algorithm.
    #[error("no signing key can be made")]
    Make,
}

/// The private key of one installation's chain, and where its head is kept.
pub struct Signer {
    pair: Ed25519KeyPair,
    directory: PathBuf,
}

impl Signer {
    /// Reads the key in a directory, or makes both.
    pub fn open_or_make(directory: &Path) -> Result<Self, KeyError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |cause| KeyError::File { path, cause }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at(directory))?;
        let path = directory.join(KEY);
        if !path.exists() {
            make(&path)?;
        }
        let meta = std::fs::metadata(&path).map_err(at(&path))?;
        let form = |what| KeyError::Form { path: path.clone(), what };
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(form("readable by others than its owner"));
        }
        if meta.len() > MAX_KEY {
            return Err(form("too large for a key"));
        }
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(at(&path))?);
        let document = Zeroizing::new(pem_body(&text).ok_or_else(|| form("no PEM file"))?);
        let pair = Ed25519KeyPair::from_pkcs8(&document).map_err(|_| form("no Ed25519 key"))?;
        let signer = Self { pair, directory: directory.to_owned() };
        let public = directory.join(PUBLIC);
        std::fs::write(&public, signer.public().to_pem()).map_err(at(&public))?;
        Ok(signer)
    }

    /// What verifies.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.pair.public_key().as_ref().to_vec())
    }

    /// Where the head is kept.
    pub(crate) fn head_path(&self) -> PathBuf {
        head_in(&self.directory)
    }

    pub(crate) fn sign(&self, text: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(text).as_ref())
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The head's file in a key directory.
pub(crate) fn head_in(directory: &Path) -> PathBuf {
    directory.join(HEAD)
}

fn make(path: &Path) -> Result<(), KeyError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Make)?;
    let document = pair.to_pkcs8().map_err(|_| KeyError::Make)?;
    let text = Zeroizing::new(pem("PRIVATE KEY", document.as_ref()));
    let written =
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|cause| KeyError::File { path: path.to_owned(), cause })
}

/// The public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads the public key of a key directory.
    pub fn in_directory(directory: &Path) -> Result<Self, KeyError> {
        Self::read(&directory.join(PUBLIC))
    }

    /// Reads a PEM file.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| KeyError::File { path: path.to_owned(), cause })?;
        Self::parse(&text)
            .ok_or_else(|| KeyError::Form { path: path.to_owned(), what: "no Ed25519 public key" })
    }

    /// Reads PEM text.
    pub fn parse(text: &str) -> Option<Self> {
        let document = pem_body(text)?;
        let key = document.strip_prefix(&SPKI)?;
        (key.len() == 32).then(|| Self(key.to_vec()))
    }

    /// As PEM.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &[&SPKI, self.0.as_slice()].concat())
    }

    pub(crate) fn verifies(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, &self.0).verify(text, &signature).is_ok()
    }
}

fn pem(label: &str, document: &[u8]) -> String {
    let text = STANDARD.encode(document);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(64).unwrap_or((rest, ""));
        out.extend([line, "\n"]);
        rest = more;
    }
    out + &format!("-----END {label}-----\n")
}

fn pem_body(text: &str) -> Option<Vec<u8>> {
    let mut lines = text.trim().lines();
    lines.next().filter(|line| line.starts_with("-----BEGIN "))?;
    let body: String = lines.take_while(|line| !line.starts_with("-----END ")).collect();
    STANDARD.decode(body).ok()
}
