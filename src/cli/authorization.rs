//! Who decides what may be done, from flags and files; and policy files read again when they change.

use std::time::Duration;

use portcullis_authn::UserTokens;
use portcullis_authz::{Authorities, Plan, WebhookFlags};
use portcullis_outbound::go_duration;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Failure;
use super::options::ServeOptions;

/// How soon a changed policy file is noticed.
const LOOK: Duration = Duration::from_secs(1);

/// The chain that the flags describe, with its files read.
pub(super) fn authorities(
    options: &ServeOptions,
    tokens: Option<UserTokens>,
) -> Result<Authorities, Failure> {
    let what = "authorization cannot be set up";
    let plan = plan(options)?;
    if plan.allows_everything() && options.insecure_authorization_always_allow != Some(true) {
        return Err(Failure::because(what, "AlwaysAllow gives everything to everybody").fix(
            "name other modes, or say --insecure-authorization-always-allow if this server holds nothing",
        ));
    }
    Authorities::build_for(&plan, tokens).map_err(|error| Failure::caused(what, &error))
}

fn plan(options: &ServeOptions) -> Result<Plan, Failure> {
    let what = "authorization cannot be set up";
    let flags = webhook_flags(options)?;
    let plan = match (&options.authorization_mode, &options.authorization_config) {
        (modes, Some(_)) if modes.is_some() || flags.are_set() => {
            let why = "--authorization-config can not be specified when --authorization-mode or \
                       --authorization-webhook-* flags are defined";
            return Err(Failure::because(what, why));
        }
        (Some(modes), _) => Plan::modes(modes, &flags),
        (None, Some(path)) => {
            let text = super::authentication::read(path, "--authorization-config")?;
            Plan::configuration(path.clone(), &text)
        }
        (None, None) if flags.config_file.is_some() => {
            let why = "cannot specify --authorization-webhook-config-file without mode Webhook";
            return Err(Failure::because(what, why));
        }
        (None, None) => Ok(Plan::default()),
    };
    let mut plan = plan.map_err(|error| Failure::caused(what, &error))?;
    plan.policy_dir.clone_from(&options.policy_dir);
    plan.abac_file.clone_from(&options.authorization_policy_file);
    plan.shadow_dir.clone_from(&options.policy_shadow_dir);
    Ok(plan)
}

fn webhook_flags(options: &ServeOptions) -> Result<WebhookFlags, Failure> {
    let ttl = |flag: &str, text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let refused = |why: &str| {
            Failure::because(
                "authorization cannot be set up",
                format!("invalid argument {text:?} for {flag}: {why}"),
            )
        };
        match go_duration::parse(text) {
            Ok(Some(ttl)) => Ok(Some(ttl)),
            Ok(None) => Err(refused("is below zero")),
            Err(why) => Err(refused(&why)),
        }
    };
    Ok(WebhookFlags {
        config_file: options.authorization_webhook_config_file.clone(),
        version: options.authorization_webhook_version.clone(),
        authorized_ttl: ttl(
            "--authorization-webhook-cache-authorized-ttl",
            &options.authorization_webhook_cache_authorized_ttl,
        )?,
        unauthorized_ttl: ttl(
            "--authorization-webhook-cache-unauthorized-ttl",
            &options.authorization_webhook_cache_unauthorized_ttl,
        )?,
    })
}

/// Looks after the policy files and the configuration until it is stopped.
pub(super) fn keep_current(authorities: Authorities) -> JoinHandle<()> {
    tokio::spawn(async move {
        if !authorities.have_files() {
            return;
        }
        let mut clock = interval(LOOK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let authorities = authorities.clone();
            // Files may be on something slow.
            if tokio::task::spawn_blocking(move || authorities.refresh()).await.is_err() {
                tracing::error!("Reading policy files failed");
            }
        }
    })
}
