//! Options of Windows containers.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::At;
use super::spec::{on_host_network, visit};

const CREDENTIAL_SPEC_KIB: usize = 64;
const DOMAIN_MAX: usize = 256;
const USER_MAX: usize = 104;

/// The Windows options of a security context.
pub(super) fn options(options: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let Some(options) = options else { return };
    let set = |field: &str| options.get(field).and_then(Value::as_str);
    if let Some(name) = set("gmsaCredentialSpecName") {
        at.child("gmsaCredentialSpecName").rule(errors, name, names::dns1123_subdomain);
    }
    if let Some(spec) = set("gmsaCredentialSpec") {
        let here = at.child("gmsaCredentialSpec");
        if spec.is_empty() {
            here.invalid(errors, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > CREDENTIAL_SPEC_KIB * 1024 {
            let words = format!("gmsaCredentialSpec size must be under {CREDENTIAL_SPEC_KIB} KiB");
            here.invalid(errors, spec, words);
        }
    }
    if let Some(name) = set("runAsUserName") {
        let here = at.child("runAsUserName");
        user_name(name).into_iter().for_each(|words| here.invalid(errors, name, words));
    }
}

fn user_name(name: &str) -> Vec<String> {
    let said = |words: &str| vec![format!("runAsUserName{words}")];
    if name.is_empty() {
        return said(" cannot be an empty string");
    }
    if name.bytes().any(|b| b.is_ascii_control()) {
        return said(" cannot contain control characters");
    }
    if name.matches('\\').count() > 1 {
        return said(" cannot contain more than one backslash");
    }
    let (domain, user) = name.split_once('\\').map_or((None, name), |(domain, user)| (Some(domain), user));
    let mut words = Vec::new();
    if domain.is_some_and(|domain| domain.len() >= DOMAIN_MAX) {
        words.push(format!("runAsUserName's Domain length must be under {DOMAIN_MAX} characters"));
    }
    if domain.is_some_and(|domain| !is_net_bios(domain) && !is_dns(domain)) {
        words.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format".to_owned());
    }
    if user.is_empty() {
        words.push("runAsUserName's User cannot be empty".to_owned());
    } else if user.len() > USER_MAX {
        words.push(format!("runAsUserName's User length must not be longer than {USER_MAX} characters"));
    }
    if !user.is_empty() && user.bytes().all(|b| matches!(b, b'.' | b' ')) {
        words.push("runAsUserName's User cannot contain only periods or spaces".to_owned());
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        words.push(
            r#"runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]"#.to_owned(),
        );
    }
    words
}

fn is_net_bios(domain: &str) -> bool {
    let forbidden = ['\\', '/', ':', '*', '?', '"', '<', '>', '|'];
    !domain.is_empty()
        && domain.chars().count() <= 15
        && !domain.starts_with('.')
        && !domain.contains(forbidden)
}

fn is_dns(domain: &str) -> bool {
    domain.split('.').all(|label| label.len() <= 63 && names::is_label(&label.to_ascii_lowercase()))
}

/// Host process containers come all or none, and on the host's network.
pub(super) fn host_process(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let wanted = |holder: &Value| {
        holder.get("securityContext").and_then(|c| c.get("windowsOptions")?.get("hostProcess")?.as_bool())
    };
    let of_pod = wanted(spec);
    let (mut all, mut host) = (0, 0);
    visit(spec, at, |container, here| {
        all += 1;
        let own = wanted(container);
        if let (Some(pod), Some(own)) = (of_pod, own)
            && pod != own
        {
            let context = here.child("securityContext");
            let options = context.child("windowsOptions");
            let words = format!("pod hostProcess value must be identical if both are specified, was {pod}");
            options.child("hostProcess").invalid(errors, own, words);
        }
        if own.or(of_pod) == Some(true) {
            host += 1;
        }
    });
    if host == 0 {
        return;
    }
    if host != all {
        let words =
            "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        at.invalid(errors, "", words);
    }
    if !on_host_network(spec) {
        let words = "hostNetwork must be true if pod contains any hostProcess containers";
        at.child("hostNetwork").invalid(errors, false, words);
    }
}
