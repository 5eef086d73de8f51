//! Tokens that others issue or know: identity providers, and a webhook.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_authn::{
    Anonymous, AuthenticationConfiguration, Authenticator, ConfigError, DEFAULT_WEBHOOK_TTL, JwtIssuer,
    OidcFlags, OidcTokens, TokenScheme, WebhookOptions, WebhookTokens,
};
use portcullis_outbound::{Client, Limits, kubeconfig_endpoint};

use super::{bad, read};
use crate::cli::Failure;
use crate::cli::options::ServeOptions;
use crate::cli::reload::Reloader;

const FILE: &str = "--authentication-config";

/// What flags or the file say of identity providers and of requests without a credential.
pub(super) struct Configured {
    pub(super) tokens: Option<Arc<OidcTokens>>,
    pub(super) anonymous: Anonymous,
}

impl Configured {
    /// Reads flags and file.
    pub(super) fn read(options: &ServeOptions) -> Result<Self, Failure> {
        let Some(path) = &options.authentication_config else {
            let issuers = of_flags(options)?;
            let tokens = (!issuers.is_empty()).then(|| OidcTokens::new(issuers)).transpose().map_err(bad)?;
            return Ok(Self { tokens: tokens.map(Arc::new), anonymous: anonymous(options, None)? });
        };
        if options.names_oidc() {
            let why = "authentication-config file and oidc-* flags are mutually exclusive";
            return Err(bad(ConfigError::Oidc(why.to_owned())));
        }
        let config = of_file(path, options)?;
        let tokens = Arc::new(OidcTokens::new(config.jwt).map_err(bad)?);
        Ok(Self { tokens: Some(tokens), anonymous: anonymous(options, config.anonymous)? })
    }
}

/// Has the file read again when it changes.
pub(super) fn watch(
    options: &ServeOptions,
    tokens: Option<Arc<OidcTokens>>,
    authenticator: &Arc<Authenticator>,
    reloader: &mut Reloader,
) {
    let (Some(path), Some(tokens)) = (&options.authentication_config, tokens) else { return };
    let (options, file, authenticator) = (options.clone(), path.clone(), authenticator.clone());
    reloader.watch(FILE, vec![path.clone()], move || {
        let config = of_file(&file, &options)?;
        let wanted = anonymous(&options, config.anonymous)?;
        tokens.replace(config.jwt).map_err(bad)?;
        authenticator.set_anonymous(wanted);
        tokio::spawn(warm_up(tokens.clone()));
        Ok(())
    });
}

/// Fetches keys ahead of the first token.
pub(super) async fn warm_up(tokens: Arc<OidcTokens>) {
    tokens.warm_up().await;
}

/// The webhook that is asked whose a token is.
pub(super) fn webhook(options: &ServeOptions) -> Result<Option<Arc<dyn TokenScheme>>, Failure> {
    let Some(path) = &options.authentication_token_webhook_config_file else { return Ok(None) };
    let unusable = |error: portcullis_outbound::ConfigError| {
        let what = format!("--authentication-token-webhook-config-file {} cannot be used", path.display());
        Failure::because(what, error)
    };
    let endpoint = kubeconfig_endpoint(path).map_err(unusable)?;
    let client = Client::new(endpoint, Limits::default()).map_err(unusable)?;
    let wanted = WebhookOptions {
        version: options.authentication_token_webhook_version.clone().unwrap_or_else(|| "v1beta1".to_owned()),
        ttl: options.authentication_token_webhook_cache_ttl.map_or(DEFAULT_WEBHOOK_TTL, Duration::from_secs),
        implicit_audiences: options.audiences(),
        may_make_masters: options.insecure_authentication_token_webhook_masters == Some(true),
    };
    let scheme = WebhookTokens::new(client, wanted).map_err(bad)?;
    Ok(Some(Arc::new(scheme)))
}

fn of_file(path: &Path, options: &ServeOptions) -> Result<AuthenticationConfiguration, Failure> {
    AuthenticationConfiguration::parse(&read(path, FILE)?, &options.issuers()).map_err(bad)
}

fn of_flags(options: &ServeOptions) -> Result<Vec<JwtIssuer>, Failure> {
    if !options.names_oidc() {
        return Ok(Vec::new());
    }
    let authority_pem = match &options.oidc_ca_file {
        Some(path) => Some(read(path, "--oidc-ca-file")?),
        None => None,
    };
    let flags = OidcFlags {
        issuer_url: options.oidc_issuer_url.clone().unwrap_or_default(),
        client_id: options.oidc_client_id.clone().unwrap_or_default(),
        authority_pem,
        username_claim: options.oidc_username_claim.clone(),
        username_prefix: options.oidc_username_prefix.clone(),
        groups_claim: options.oidc_groups_claim.clone(),
        groups_prefix: options.oidc_groups_prefix.clone(),
        signing_algs: options.oidc_signing_algs.clone(),
        required_claims: options.oidc_required_claim.clone().unwrap_or_default(),
    };
    Ok(vec![JwtIssuer::of_flags(flags, &options.issuers()).map_err(bad)?])
}

fn anonymous(options: &ServeOptions, configured: Option<Anonymous>) -> Result<Anonymous, Failure> {
    match (options.anonymous_auth, configured) {
        (Some(_), Some(_)) => Err(Failure::new(
            "--anonymous-auth and the anonymous field of --authentication-config contradict each other",
        )
        .fix("say it in one of the two places")),
        (Some(true), None) => Ok(Anonymous::Everywhere),
        (Some(false), None) => Ok(Anonymous::Refused),
        (None, configured) => Ok(configured.unwrap_or_default()),
    }
}
