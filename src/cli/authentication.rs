//! Authentication as the flags say: which schemes there are, whom they trust, and what of it is read
//! again while the server runs.

mod issuers;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_authn::{
    Authenticator, BootstrapTokens, ConfigError, FrontProxy, FrontProxyHeaders, KeySet, RevocationList,
    RevokedTokens, Schemes, ServiceAccountTokens, TokenFile, TokenScheme, UserTokens,
};
use portcullis_pki::{ClientTrust, Pki, SigningKey, VerifyingKey, secret_file};
use portcullis_registry::Registry;

use super::Failure;
use super::options::ServeOptions;
use super::paths::DataDir;
use super::reload::Reloader;

use issuers::Configured;
pub(crate) use trust::Trusted;

/// What credentials are checked with, before there is a registry.
pub(crate) struct Credentials {
    pub(crate) keys: Arc<KeySet>,
    pub(crate) user_tokens: Option<UserTokens>,
    pub(crate) revoked: Arc<RevocationList>,
    pub(crate) revoked_tokens: Arc<RevokedTokens>,
    pub(crate) trust: Arc<ClientTrust>,
}

impl Credentials {
    /// Reads keys and authorities, and has them read again when they change.
    pub(crate) fn read(
        options: &ServeOptions,
        dir: &DataDir,
        pki: &Arc<Pki>,
        reloader: &mut Reloader,
    ) -> Result<Self, Failure> {
        let keys = KeySet::new(verifying_keys(options, pki)?);
        watch_keys(options, pki, &keys, reloader);
        let revoked = Arc::new(RevocationList::default());
        let trusted = Trusted::new(options, pki)?;
        let trust = trusted.open(revoked.clone())?;
        trusted.watch(trust.clone(), reloader);
        let user_tokens = match options.user_tokens {
            Some(true) => Some(user_tokens(dir)?),
            _ => None,
        };
        Ok(Self { keys, user_tokens, revoked, revoked_tokens: Arc::default(), trust })
    }
}

/// The key that signs service account tokens: a file's, or the installation's own.
pub(crate) fn signing_key(options: &ServeOptions, pki: &Pki) -> Result<Arc<SigningKey>, Failure> {
    let Some(path) = &options.service_account_signing_key_file else { return Ok(pki.token_key()) };
    let text = zeroize::Zeroizing::new(read(path, "--service-account-signing-key-file")?);
    let key = SigningKey::from_pem(&text);
    key.map(Arc::new).map_err(|error| unusable("--service-account-signing-key-file", path, &error))
}

/// All schemes, in upstream's order.
pub(crate) fn authenticator(
    options: &ServeOptions,
    registry: &Arc<Registry>,
    credentials: &Credentials,
    reloader: &mut Reloader,
) -> Result<Arc<Authenticator>, Failure> {
    let lookup = registry.clone();
    let mut tokens: Vec<Arc<dyn TokenScheme>> = Vec::new();
    if let Some(path) = &options.token_auth_file {
        tokens.push(token_file(path, reloader)?);
    }
    let service_accounts =
        ServiceAccountTokens::new(options.issuers(), credentials.keys.clone(), lookup.clone());
    tokens.push(Arc::new(service_accounts.map_err(bad)?.minus(credentials.revoked_tokens.clone())));
    tokens.push(Arc::new(BootstrapTokens::new(lookup)));
    if let Some(user_tokens) = &credentials.user_tokens {
        tokens.push(Arc::new(user_tokens.clone()));
    }
    let Configured { tokens: oidc, anonymous } = Configured::read(options)?;
    if let Some(oidc) = &oidc {
        tokens.push(oidc.clone());
        tokio::spawn(issuers::warm_up(oidc.clone()));
    }
    tokens.extend(issuers::webhook(options)?);
    let authenticator = Authenticator::new(Schemes {
        audiences: options.audiences(),
        front_proxy: front_proxy(options, &credentials.trust)?,
        tokens,
        anonymous,
        ..Schemes::default()
    });
    issuers::watch(options, oidc, &authenticator, reloader);
    Ok(authenticator)
}

fn bad(error: ConfigError) -> Failure {
    Failure::caused("authentication cannot be set up", &error)
}

fn token_file(path: &Path, reloader: &mut Reloader) -> Result<Arc<TokenFile>, Failure> {
    let name = path.display().to_string();
    let scheme = Arc::new(TokenFile::parse(&name, &read(path, "--token-auth-file")?).map_err(bad)?);
    let (live, file) = (scheme.clone(), path.to_owned());
    reloader.watch("--token-auth-file", vec![path.to_owned()], move || {
        live.replace(&name, &read(&file, "--token-auth-file")?).map_err(bad)
    });
    Ok(scheme)
}

fn front_proxy(options: &ServeOptions, trust: &ClientTrust) -> Result<Option<FrontProxy>, Failure> {
    if options.requestheader_client_ca_file.is_none() {
        return match options.names_front_proxy() {
            false => Ok(None),
            true => Err(Failure::new("--requestheader-… flags have no effect without an authority")
                .fix("name it with --requestheader-client-ca-file")),
        };
    }
    let standard = FrontProxyHeaders::default();
    let named = FrontProxyHeaders::named(
        &words(&options.requestheader_username_headers),
        &words(&options.requestheader_uid_headers),
        &words(&options.requestheader_group_headers),
        &words(&options.requestheader_extra_headers_prefix),
    )
    .map_err(bad)?;
    let headers = FrontProxyHeaders {
        user: or(named.user, standard.user),
        uid: or(named.uid, standard.uid),
        group: or(named.group, standard.group),
        extra_prefixes: or(named.extra_prefixes, standard.extra_prefixes),
    };
    let allowed = options.requestheader_allowed_names.clone().unwrap_or_default();
    FrontProxy::new(headers, allowed, trust).map(Some).map_err(bad)
}

fn words(given: &Option<Vec<String>>) -> Vec<&str> {
    given.iter().flatten().map(String::as_str).collect()
}

fn or<T>(given: Vec<T>, standard: Vec<T>) -> Vec<T> {
    if given.is_empty() { standard } else { given }
}

fn user_tokens(dir: &DataDir) -> Result<UserTokens, Failure> {
    let path = dir.user_token_key();
    let key = secret_file(&path).map_err(|error| {
        Failure::caused("the key of user tokens cannot be used", &error)
            .fix("restore it from a backup; without it every user token is void")
    })?;
    UserTokens::new(&key).map_err(bad)
}

fn verifying_keys(options: &ServeOptions, pki: &Pki) -> Result<Vec<VerifyingKey>, Failure> {
    let own = |error: portcullis_pki::Error| Failure::caused("the token keys cannot be read", &error);
    let mut keys = match &options.service_account_signing_key_file {
        Some(_) => vec![signing_key(options, pki)?.public().clone()],
        None => pki.token_verification_keys().map_err(own)?,
    };
    for path in options.service_account_key_file.iter().flatten() {
        let flag = "--service-account-key-file";
        let text = zeroize::Zeroizing::new(read(path, flag)?);
        let read = VerifyingKey::all_from_pem(&text).map_err(|error| unusable(flag, path, &error))?;
        keys.extend(read);
    }
    Ok(keys)
}

fn watch_keys(options: &ServeOptions, pki: &Arc<Pki>, keys: &Arc<KeySet>, reloader: &mut Reloader) {
    let files: Vec<PathBuf> = options.service_account_key_file.iter().flatten().cloned().collect();
    if files.is_empty() {
        return;
    }
    let (options, pki, keys) = (options.clone(), pki.clone(), keys.clone());
    reloader.watch("--service-account-key-file", files, move || {
        keys.replace(verifying_keys(&options, &pki)?);
        Ok(())
    });
}

/// The text of a flag's file.
pub(crate) fn read(path: &Path, flag: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::caused(format!("{flag} {} cannot be read", path.display()), &error))
}

fn unusable(flag: &str, path: &Path, error: &portcullis_pki::Error) -> Failure {
    Failure::caused(format!("{flag} {} cannot be used", path.display()), error)
}
