//! Names within a claim: of its requests, of attributes, of who drives what.

use std::collections::{HashMap, HashSet};

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use crate::kinds::check::{At, items, text, texts};
use crate::kinds::core::source::csi_driver;
use crate::kinds::others::tree::sub;

const MAX_REQUESTS: usize = 32;
const MAX_IDENTIFIER: usize = 32;
const MAX_POOL_NAME: usize = 253;
const NO_REQUEST: &str =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/// The names of the requests of a claim, each with those of its alternatives.
pub(super) struct Requests<'a>(HashMap<&'a str, HashSet<&'a str>>);

impl<'a> Requests<'a> {
    /// Those of `spec.devices`.
    pub(super) fn of(devices: &'a Value) -> Self {
        let named = |request| {
            let alternatives = items(request, "firstAvailable").iter();
            (text(request, "name"), alternatives.map(|one| text(one, "name")).collect())
        };
        Self(items(devices, "requests").iter().map(named).collect())
    }

    fn has(&self, name: &str) -> bool {
        match name.split_once('/') {
            None => self.0.contains_key(name),
            Some((request, alternative)) => self.0.get(request).is_some_and(|all| all.contains(alternative)),
        }
    }

    /// A list of distinct names of requests.
    pub(super) fn references(&self, owner: &Value, at: &At<'_>, errors: &mut ErrorList) {
        let at = at.child("requests");
        let list = items(owner, "requests");
        if list.len() > MAX_REQUESTS {
            at.too_many(errors, list.len(), MAX_REQUESTS);
            return;
        }
        for (i, name) in texts(owner, "requests").enumerate() {
            self.reference(name, &at.index(i), errors);
        }
        distinct(texts(owner, "requests"), &at, errors);
    }

    /// The name of one request, or of one of its alternatives.
    pub(super) fn reference(&self, name: &str, at: &At<'_>, errors: &mut ErrorList) {
        if name.split('/').count() > 2 {
            at.invalid(errors, name, NO_REQUEST);
            return;
        }
        for segment in name.split('/') {
            at.rule(errors, segment, names::dns1123_label);
        }
        if !self.has(name) {
            at.invalid(errors, name, NO_REQUEST);
        }
    }
}

/// Texts that must differ.
pub(super) fn distinct<'a>(texts: impl Iterator<Item = &'a str>, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (i, text) in texts.enumerate() {
        if !seen.insert(text) {
            at.index(i).duplicate(errors, text);
        }
    }
}

/// The name of an attribute or a capacity, with or without its domain.
pub(super) fn qualified_name(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [name] => identifier(name, at, errors),
        [domain, name] => {
            match *domain {
                "" => at.invalid(errors, "", "the domain must not be empty"),
                domain => csi_driver(domain, *at, errors),
            }
            match *name {
                "" => at.invalid(errors, "", "the name must not be empty"),
                name => identifier(name, at, errors),
            }
        }
        _ => {}
    }
}

/// The same, with its domain.
pub(super) fn full_name(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    qualified_name(name, at, errors);
    if !name.contains('/') {
        let words = "a fully qualified name must be a domain and a name separated by a slash";
        at.invalid(errors, name, words);
    }
}

fn identifier(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if name.len() > MAX_IDENTIFIER {
        at.too_long(errors, MAX_IDENTIFIER);
    }
    at.rule(errors, name, names::c_identifier);
}

/// The name of a pool.
pub(super) fn pool_name(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        at.required(errors, "");
        return;
    }
    if name.len() > MAX_POOL_NAME {
        at.too_long(errors, MAX_POOL_NAME);
    }
    for segment in name.split('/') {
        at.rule(errors, segment, names::dns1123_subdomain);
    }
}

/// The driver, pool and name of a device.
pub(super) fn device(device: &Value, at: &At<'_>, errors: &mut ErrorList) {
    csi_driver(text(device, "driver"), at.child("driver"), errors);
    pool_name(text(device, "pool"), &at.child("pool"), errors);
    at.child("device").rule(errors, text(device, "device"), names::dns1123_label);
}

/// The identity of a share of a device, in the one form it is written in.
pub(super) fn share(device: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(uid) = device.get("shareID").and_then(Value::as_str) else { return };
    let at = at.child("shareID");
    if let Some(words) = not_a_uuid(uid) {
        at.invalid(errors, uid, format!("error validating uid: {words}"));
    } else if uid.len() != 36 || uid.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let words = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase \
                     hexadecimal characters";
        at.invalid(errors, uid, words);
    }
}

/// What upstream's library says of a text that is no identity in any of the forms it knows.
fn not_a_uuid(uid: &str) -> Option<String> {
    let bare = match uid.len() {
        32 => {
            return uid
                .bytes()
                .any(|byte| !byte.is_ascii_hexdigit())
                .then(|| "invalid UUID format".to_owned());
        }
        36 => uid,
        38 => match uid.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            Some(inner) => inner,
            None => return Some("invalid bracketed UUID format".to_owned()),
        },
        45 => match uid.get(..9).filter(|prefix| prefix.eq_ignore_ascii_case("urn:uuid:")) {
            Some(_) => uid.get(9..).unwrap_or_default(),
            None => {
                return Some(format!(
                    "invalid urn prefix: {}",
                    portcullis_api::field::go_quote(uid.get(..9).unwrap_or(uid))
                ));
            }
        },
        other => return Some(format!("invalid UUID length: {other}")),
    };
    let fits = |(i, byte): (usize, u8)| match i {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    (!bare.bytes().enumerate().all(fits)).then(|| "invalid UUID format".to_owned())
}

/// What identifies an allocated device.
pub(super) fn shared_id(device: &Value) -> [&str; 4] {
    ["driver", "pool", "device", "shareID"].map(|field| text(device, field))
}

/// The devices of an allocation.
pub(super) fn allocated(status: &Value) -> HashSet<[&str; 4]> {
    let devices = sub(sub(status, "allocation"), "devices");
    items(devices, "results").iter().map(shared_id).collect()
}
