//! Names of hosts and of Kubernetes objects.

use std::sync::LazyLock;

use portcullis_api::names;
use regex::Regex;

/// A host: labels of letters, digits and symbols, the last one of two letters or more.
static HOST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let any = r"[a-zA-Z0-9\p{S}\p{L}]";
    let inner = r"[a-zA-Z0-9\-\p{S}\p{L}]";
    let single = format!("{any}((-?{any}{{0,62}})?)");
    let label = format!(r"({any}(({inner}{{0,61}}{any})?)(\.))+");
    Regex::new(&format!(r"^({single}|{label}([a-zA-Z\p{{L}}]){{2,63}})$")).ok()
});

/// `hostname`
pub(super) fn hostname(text: &str) -> bool {
    text.len() <= 255
        && text.split('.').all(|label| label.len() <= 63)
        && HOST.as_ref().is_some_and(|host| host.is_match(text))
}

/// `k8s-short-name`
pub(super) fn short(text: &str) -> bool {
    text.len() <= 63 && names::is_label(text)
}

/// `k8s-long-name`
pub(super) fn long(text: &str) -> bool {
    text.len() <= 253 && names::is_subdomain(text)
}
