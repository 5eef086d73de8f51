//! What a server does not start with: flags that contradict each other, that have no effect, or that open
//! what is meant to be closed without saying `insecure` in their names.
//!
//! One table. What needs more than the flags themselves (a file's contents, an authority) is refused
//! where it is read; `docs/operators/flags.md` lists all.

use super::Failure;
use super::options::ServeOptions;

/// Admission plugins without which somebody gets further than permitted.
pub(crate) const GUARDS: [&str; 13] = [
    "NamespaceLifecycle",
    "ServiceAccount",
    "NodeRestriction",
    "PodSecurity",
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "ResourceQuota",
    "LimitRanger",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
];

/// One reason not to start.
struct Refusal {
    /// What it is called where it is tested and documented.
    name: &'static str,
    /// The words, if the flags are so.
    of: fn(&ServeOptions) -> Option<String>,
    /// What to do.
    fix: &'static str,
}

/// All of them, in the order in which they are asked.
const TABLE: &[Refusal] = &[
    Refusal { name: "issuer-empty", of: issuer_empty, fix: "name an issuer, or leave the flag out" },
    Refusal { name: "issuer-twice", of: issuer_twice, fix: "name each issuer once" },
    Refusal { name: "issuer-url", of: issuer_url, fix: "write it like https://kubernetes.default.svc" },
    Refusal { name: "services-too-many", of: services_too_many, fix: "name a smaller range" },
    Refusal { name: "timeout-zero", of: timeout_zero, fix: "leave the flag out for 60 seconds" },
    Refusal { name: "inflight-zero", of: inflight_zero, fix: "leave the flag out for the default" },
    Refusal {
        name: "tls",
        of: tls,
        fix: "leave --tls-min-version and --tls-cipher-suites out for all that are safe",
    },
    Refusal {
        name: "open-door",
        of: open_door,
        fix: "leave --anonymous-auth out, so that nobody is asked for health alone",
    },
    Refusal {
        name: "allow-unused",
        of: allow_unused,
        fix: "leave --insecure-authorization-always-allow out",
    },
    Refusal {
        name: "guards-off",
        of: guards_off,
        fix: "leave them on, or say --insecure-admission-without-guards if this server holds nothing",
    },
    Refusal {
        name: "masters-unused",
        of: masters_unused,
        fix: "name the webhook's kubeconfig, or leave the flag out",
    },
    Refusal {
        name: "token-webhook-unused",
        of: token_webhook_unused,
        fix: "name the webhook's kubeconfig, or leave the flag out",
    },
    Refusal { name: "shadow-is-real", of: shadow_is_real, fix: "name another directory to try out" },
    Refusal {
        name: "etcd-plaintext",
        of: etcd_plaintext,
        fix: "use https:// with --etcd-cafile, or say --insecure-etcd-plaintext",
    },
    Refusal { name: "rotation-of-stdout", of: rotation_of_stdout, fix: "name a file with --audit-log-path" },
];

/// Refuses what should not be started.
pub(crate) fn check(options: &ServeOptions) -> Result<(), Failure> {
    match TABLE.iter().find_map(|refusal| Some((refusal, (refusal.of)(options)?))) {
        None => Ok(()),
        Some((refusal, words)) => {
            tracing::debug!(refusal = refusal.name, "Refusing to start");
            Err(Failure::new(words).fix(refusal.fix))
        }
    }
}

fn issuers(options: &ServeOptions) -> impl Iterator<Item = &String> {
    options.service_account_issuer.iter().flatten()
}

fn issuer_empty(options: &ServeOptions) -> Option<String> {
    issuers(options)
        .any(String::is_empty)
        .then(|| "service-account-issuer should not be an empty string".to_owned())
}

fn issuer_twice(options: &ServeOptions) -> Option<String> {
    let all: Vec<&String> = issuers(options).collect();
    let twice =
        all.iter().enumerate().find(|(at, issuer)| all.iter().take(*at).any(|other| other == *issuer));
    twice.map(|(_, issuer)| format!("service-account-issuer {issuer:?} is already specified"))
}

fn issuer_url(options: &ServeOptions) -> Option<String> {
    let bad = |issuer: &&String| issuer.contains(':') && issuer.parse::<http::Uri>().is_err();
    let issuer = issuers(options).find(bad)?;
    Some(format!("service-account-issuer {issuer:?} contained a ':' but was not a valid URL"))
}

fn services_too_many(options: &ServeOptions) -> Option<String> {
    const LEAST: u8 = 12;
    options.service_cluster_ip_range.filter(|range| range.prefix_len() < LEAST).map(|_| {
        format!("specified --service-cluster-ip-range is too large; for 32-bit addresses, the mask must be >= {LEAST}")
    })
}

fn timeout_zero(options: &ServeOptions) -> Option<String> {
    (options.request_timeout == Some(0))
        .then(|| "--request-timeout 0 leaves no request the time to be answered".into())
}

fn inflight_zero(options: &ServeOptions) -> Option<String> {
    (options.max_requests_inflight == Some(0)).then(|| "--max-requests-inflight 0 serves nobody".into())
}

fn tls(options: &ServeOptions) -> Option<String> {
    options.tls_limits().err().map(|error| error.to_string())
}

fn allows_everything(options: &ServeOptions) -> bool {
    options.authorization_mode.iter().flatten().any(|mode| mode == "AlwaysAllow")
}

fn open_door(options: &ServeOptions) -> Option<String> {
    (allows_everything(options) && options.anonymous_auth == Some(true)).then(|| {
        "AnonymousAuth is not allowed with the AlwaysAllow authorizer: anybody could do anything".into()
    })
}

fn allow_unused(options: &ServeOptions) -> Option<String> {
    let said = options.insecure_authorization_always_allow == Some(true);
    // A configuration file may name the mode too.
    (said && !allows_everything(options) && options.authorization_config.is_none())
        .then(|| "--insecure-authorization-always-allow is given and no mode is AlwaysAllow".into())
}

fn guards_off(options: &ServeOptions) -> Option<String> {
    if options.insecure_admission_without_guards == Some(true) {
        return None;
    }
    let off = options.disable_admission_plugins.iter().flatten();
    let off: Vec<&str> = off.map(String::as_str).filter(|name| GUARDS.contains(name)).collect();
    (!off.is_empty()).then(|| format!("--disable-admission-plugins {} opens what they guard", off.join(",")))
}

fn masters_unused(options: &ServeOptions) -> Option<String> {
    let said = options.insecure_authentication_token_webhook_masters == Some(true);
    (said && options.authentication_token_webhook_config_file.is_none())
        .then(|| "--insecure-authentication-token-webhook-masters is given without a webhook".into())
}

fn token_webhook_unused(options: &ServeOptions) -> Option<String> {
    if options.authentication_token_webhook_config_file.is_some() {
        return None;
    }
    let given = [
        ("version", options.authentication_token_webhook_version.is_some()),
        ("cache-ttl", options.authentication_token_webhook_cache_ttl.is_some()),
    ];
    let (flag, _) = given.into_iter().find(|(_, given)| *given)?;
    Some(format!(
        "--authentication-token-webhook-{flag} is given without --authentication-token-webhook-config-file"
    ))
}

fn shadow_is_real(options: &ServeOptions) -> Option<String> {
    let (real, shadow) = (options.policy_dir.as_ref()?, options.policy_shadow_dir.as_ref()?);
    (real == shadow).then(|| "--policy-shadow-dir tries out the very policies that are in force".into())
}

fn etcd_plaintext(options: &ServeOptions) -> Option<String> {
    if options.insecure_etcd_plaintext == Some(true) {
        return None;
    }
    let elsewhere = |server: &&String| {
        let uri = server.parse::<http::Uri>().ok();
        let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default().trim_matches(['[', ']']);
        let own = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        server.starts_with("http://") && !own
    };
    let server = options.etcd_servers.iter().flatten().find(elsewhere)?;
    Some(format!("--etcd-servers {server} would carry every secret in the clear"))
}

fn rotation_of_stdout(options: &ServeOptions) -> Option<String> {
    let audit = &options.audit;
    if audit.audit_log_path.as_deref() != Some(std::path::Path::new("-")) {
        return None;
    }
    let given = [
        ("maxage", audit.audit_log_maxage.is_some()),
        ("maxbackup", audit.audit_log_maxbackup.is_some()),
        ("maxsize", audit.audit_log_maxsize.is_some()),
        ("compress", audit.audit_log_compress.is_some()),
    ];
    let (flag, _) = given.into_iter().find(|(_, given)| *given)?;
    Some(format!("--audit-log-{flag} is given, and standard output is not rotated"))
}

#[cfg(test)]
mod tests;
