//! The items, by the benchmark's numbers, each in words of our own.

use http::Method;
use portcullis_audit::Level;
use portcullis_authn::Anonymous;

use super::facts::Facts;
use super::{Finding, Verdict};

/// One item.
pub(super) struct Item {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) judge: fn(&Facts) -> Finding,
}

const fn item(id: &'static str, title: &'static str, judge: fn(&Facts) -> Finding) -> Item {
    Item { id, title, judge }
}

/// All that are about the API server, its files and its audit.
pub(super) const ITEMS: &[Item] = &[
    item("1.1.11", "the store, keys and kubeconfigs are their owner's alone", files),
    item("1.2.1", "nobody is served without a credential", anonymous),
    item("1.2.2", "no file of static tokens", token_file),
    item("1.2.3", "services claim no addresses of others", |f| optional(f, "DenyServiceExternalIPs")),
    item("1.2.4", "kubelets are called with a client certificate", |_| no_kubelets()),
    item("1.2.5", "kubelets' certificates are checked", |_| no_kubelets()),
    item("1.2.6", "not everything is allowed to everybody", not_always_allow),
    item("1.2.7", "nodes are kept to what their pods need", |f| authorizer(f, "Node")),
    item("1.2.8", "roles decide", |f| authorizer(f, "RBAC")),
    item("1.2.9", "the rate of events is limited", event_rate),
    item("1.2.10", "no plugin admits everything", no_always_admit),
    item("1.2.11", "images are pulled with the pod's own credentials", |f| optional(f, "AlwaysPullImages")),
    item("1.2.12", "pods run as service accounts that exist", |f| guard(f, "ServiceAccount")),
    item("1.2.13", "nothing is made in a namespace that goes", |f| guard(f, "NamespaceLifecycle")),
    item("1.2.14", "a node changes only itself and its pods", |f| guard(f, "NodeRestriction")),
    item("1.2.15", "no profiles are served", |_| pass("the program has no such endpoint")),
    item("1.2.16", "what happens is recorded", audit_log),
    item("1.2.17", "audit logs are kept for 30 days at least", audit_age),
    item("1.2.18", "10 rotated audit logs are kept at least", audit_backups),
    item("1.2.19", "audit logs are not rotated before 100 MiB", audit_size),
    item("1.2.20", "requests end in a time", request_timeout),
    item("1.2.21", "tokens end with their service accounts", |_| {
        pass("every use of a token looks its account up")
    }),
    item("1.2.22", "service account tokens have keys of their own", token_keys),
    item("1.2.23", "etcd is shown a client certificate", etcd_certificate),
    item("1.2.24", "the server has a certificate", |_| {
        pass("TLS is all that is served; the certificate renews itself")
    }),
    item("1.2.25", "client certificates are checked", |_| {
        pass("against the installation's own authority, and those of --client-ca-file")
    }),
    item("1.2.26", "etcd's certificate is checked", etcd_authority),
    item("1.2.27", "secrets are sealed in the store", sealed),
    item("1.2.28", "they are sealed by a sound method", sealed),
    item("1.2.29", "only strong suites are spoken", suites),
    item("1.2.30", "tokens are not extended beyond what was asked for", |_| {
        pass("a token ends when its request says")
    }),
    item("3.2.1", "there is an audit policy", audit_policy),
    item("3.2.2", "the policy covers what security rests on", audit_covers),
];

fn pass(words: impl Into<String>) -> Finding {
    (Verdict::Pass, words.into())
}

fn fail(words: impl Into<String>) -> Finding {
    (Verdict::Fail, words.into())
}

fn warn(words: impl Into<String>) -> Finding {
    (Verdict::Warn, words.into())
}

fn absent(words: impl Into<String>) -> Finding {
    (Verdict::Absent, words.into())
}

fn files(facts: &Facts) -> Finding {
    match facts.exposed_file() {
        Some(path) => fail(format!("others than its owner may use {}", path.display())),
        None => pass(format!("{} and what is in it", facts.dir.path().display())),
    }
}

fn anonymous(facts: &Facts) -> Finding {
    match &*facts.anonymous() {
        Anonymous::Refused => pass("nobody, not even for health"),
        Anonymous::Everywhere => fail("everybody is served as system:anonymous (--anonymous-auth)"),
        Anonymous::Paths(paths) => {
            let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            paths.sort_unstable();
            let health = |path: &&str| ["/livez", "/readyz", "/healthz"].contains(path);
            let words = format!("only exactly {}", paths.join(", "));
            if paths.iter().all(health) { pass(words) } else { fail(words) }
        }
    }
}

fn token_file(facts: &Facts) -> Finding {
    match &facts.options.token_auth_file {
        Some(_) => fail("--token-auth-file names one: its tokens do not end"),
        None => pass("none; user tokens end and are revoked one by one"),
    }
}

fn optional(facts: &Facts, plugin: &str) -> Finding {
    if facts.runs(plugin) {
        return pass(format!("{plugin} runs"));
    }
    warn(format!("{plugin} does not run; turn it on with --enable-admission-plugins"))
}

fn guard(facts: &Facts, plugin: &str) -> Finding {
    if facts.runs(plugin) {
        pass(format!("{plugin} runs"))
    } else {
        fail(format!("{plugin} is switched off"))
    }
}

fn no_kubelets() -> Finding {
    absent("the server calls no kubelet")
}

fn not_always_allow(facts: &Facts) -> Finding {
    let order = facts.authorizers();
    let words = order.join(", ");
    if order.iter().any(|one| one == "AlwaysAllow") { fail(words) } else { pass(words) }
}

fn authorizer(facts: &Facts, name: &str) -> Finding {
    let order = facts.authorizers();
    let words = order.join(", ");
    if order.iter().any(|one| one == name) { pass(words) } else { fail(words) }
}

fn event_rate(facts: &Facts) -> Finding {
    if facts.runs("EventRateLimit") {
        return pass("EventRateLimit runs");
    }
    warn("EventRateLimit does not run; fairness bounds what each user has in flight")
}

fn no_always_admit(facts: &Facts) -> Finding {
    if facts.runs("AlwaysAdmit") { fail("AlwaysAdmit runs") } else { pass("there is no such plugin") }
}

fn audit_log(facts: &Facts) -> Finding {
    let path = facts.options.audit.audit_log_path.clone().unwrap_or_else(|| facts.dir.audit_log());
    pass(format!("{}, in a signed chain", path.display()))
}

fn audit_age(facts: &Facts) -> Finding {
    at_least(facts.options.audit.audit_log_maxage.map_or(366, u64::from), 30, "days")
}

fn audit_backups(facts: &Facts) -> Finding {
    let kept = facts.options.audit.audit_log_maxbackup.unwrap_or(100);
    at_least(u64::try_from(kept).unwrap_or(u64::MAX), 10, "logs")
}

fn audit_size(facts: &Facts) -> Finding {
    at_least(facts.options.audit.audit_log_maxsize.unwrap_or(100), 100, "MiB")
}

/// Zero is without limit.
fn at_least(value: u64, least: u64, unit: &str) -> Finding {
    match value {
        0 => pass("without limit"),
        value if value >= least => pass(format!("{value} {unit}")),
        value => fail(format!("{value} {unit}, and {least} are asked for")),
    }
}

fn request_timeout(facts: &Facts) -> Finding {
    match facts.options.request_timeout.unwrap_or(60) {
        seconds @ 1..=300 => pass(format!("{seconds} s")),
        seconds => warn(format!("{seconds} s is long: slow requests hold their place")),
    }
}

fn token_keys(facts: &Facts) -> Finding {
    match &facts.options.service_account_signing_key_file {
        Some(path) => pass(format!("--service-account-signing-key-file {}", path.display())),
        None => pass("a key pair made for them alone, 0600, rotated without restart"),
    }
}

fn etcd_certificate(facts: &Facts) -> Finding {
    if !facts.on_etcd() {
        return absent("the embedded store has no network");
    }
    match (&facts.options.etcd_certfile, &facts.options.etcd_keyfile) {
        (Some(_), Some(_)) => pass("--etcd-certfile and --etcd-keyfile"),
        _ => fail("--etcd-certfile and --etcd-keyfile are not given"),
    }
}

fn etcd_authority(facts: &Facts) -> Finding {
    if !facts.on_etcd() {
        return absent("the embedded store has no network");
    }
    match &facts.options.etcd_cafile {
        Some(_) => pass("--etcd-cafile"),
        None => fail("--etcd-cafile is not given"),
    }
}

fn sealed(facts: &Facts) -> Finding {
    match facts.secrets_are_sealed() {
        Ok(true) if facts.options.encryption_provider_config.is_some() => {
            pass("by --encryption-provider-config; a Secret sealed just now is not readable")
        }
        Ok(true) => pass("AEAD bound to the storage key, by a key of this machine's own"),
        Ok(false) => fail("a Secret stored now is readable in the store: name --encryption-provider-config"),
        Err(why) => fail(why),
    }
}

fn suites(facts: &Facts) -> Finding {
    let suites = facts.limits.suites();
    let weak: Vec<&String> = suites.iter().filter(|suite| !is_strong(suite)).collect();
    if weak.is_empty() {
        return pass(format!("{} and newer; {}", facts.limits.min(), suites.join(", ")));
    }
    fail(format!("{weak:?}"))
}

fn is_strong(suite: &str) -> bool {
    let sealed = suite.contains("_GCM_") || suite.contains("_CHACHA20_POLY1305");
    let ephemeral = suite.starts_with("TLS_ECDHE_") || !suite.contains("_WITH_");
    sealed && ephemeral
}

fn audit_policy(facts: &Facts) -> Finding {
    match &facts.options.audit.audit_policy_file {
        Some(path) => pass(format!("--audit-policy-file {}", path.display())),
        None => pass("the built-in one: all but noise at Metadata"),
    }
}

/// Changes of secrets, roles and pods, and ways into pods.
fn audit_covers(facts: &Facts) -> Finding {
    let wanted = [
        (Method::GET, "/api/v1/namespaces/a/secrets/s"),
        (Method::PUT, "/api/v1/namespaces/a/configmaps/c"),
        (Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews"),
        (Method::POST, "/api/v1/namespaces/a/serviceaccounts/s/token"),
        (Method::POST, "/api/v1/namespaces/a/pods"),
        (Method::POST, "/api/v1/namespaces/a/pods/p/exec"),
        (Method::POST, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
        (Method::DELETE, "/api/v1/nodes/n"),
    ];
    let missing = wanted.iter().find(|(method, path)| facts.recorded(method, path) == Level::None);
    match missing {
        Some((method, path)) => fail(format!("{method} {path} is not recorded")),
        None => pass("secrets, tokens, pods and ways into them, roles, nodes"),
    }
}
