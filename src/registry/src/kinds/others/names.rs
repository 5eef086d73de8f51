//! Rules for names that only some groups have.

use portcullis_api::field::ErrorList;
use portcullis_api::names;

use crate::kinds::check::At;

const HTTP_PATH: &str = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

/// A path below a domain, such as `acme.io/foo`.
pub(super) fn domain_prefixed_path(value: &str, at: At<'_>, errors: &mut ErrorList) {
    if value.is_empty() {
        at.required(errors, "");
        return;
    }
    let (host, path) = match value.split_once('/') {
        Some((host, path)) if !host.is_empty() && !path.is_empty() => (host, path),
        _ => {
            at.invalid(errors, value, "must be a domain-prefixed path (such as \"acme.io/foo\")");
            return;
        }
    };
    at.rule(errors, host, names::dns1123_subdomain);
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b)) {
        at.invalid(errors, path, names::regex_error("Invalid path", HTTP_PATH, &[]));
    }
}

/// The name of a signer: a domain and a path below it.
pub(super) fn signer_name(name: &str, at: At<'_>, errors: &mut ErrorList) {
    const DOMAIN_MAX: usize = 253;
    // Room for a domain, and for a path of a DNS label and a subdomain.
    const MAX: usize = DOMAIN_MAX + 1 + 63 + 1 + 253;
    if name.is_empty() {
        at.required(errors, "");
        return;
    }
    let (domain, path) = match name.split_once('/') {
        Some((domain, path)) if !path.contains('/') => (domain, path),
        _ => {
            let words = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
            at.invalid(errors, name, words);
            return;
        }
    };
    if domain.len() > DOMAIN_MAX {
        at.too_long(errors, DOMAIN_MAX);
    }
    labels(domain, names::dns1123_label, at, errors);
    if !domain.contains('.') {
        at.invalid(errors, domain, "should be a domain with at least two segments separated by dots");
    }
    labels(path, names::dns1123_subdomain, at, errors);
    if name.len() > MAX {
        at.too_long(errors, MAX);
    }
}

/// The first label that breaks a rule is told about, and no other.
fn labels(segment: &str, rule: names::Rule, at: At<'_>, errors: &mut ErrorList) {
    let broken =
        segment.split('.').map(|label| (label, rule(label))).find(|(_, messages)| !messages.is_empty());
    if let Some((label, messages)) = broken {
        let told = messages.into_iter().map(|message| format!("validating label \"{label}\": {message}"));
        at.messages(errors, segment, told.collect());
    }
}

/// A host with a domain; the root's dot may be written.
pub(super) fn domain_name(name: &str, at: At<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        at.required(errors, "");
        return;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let messages = names::dns1123_subdomain(name);
    if !messages.is_empty() {
        at.invalid(errors, name, messages.join(","));
    } else if !name.contains('.') {
        at.invalid(errors, name, "should be a domain with at least two segments separated by dots");
    } else if let Some(label) = name.split('.').find(|label| !names::is_label(label)) {
        at.invalid(errors, label, names::dns1123_label(label).join(","));
    }
}
