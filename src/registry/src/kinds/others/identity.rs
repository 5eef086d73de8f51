//! Our own group: tokens of people and programs, and certificates that were taken back.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, time};
use portcullis_authn::IDENTITY_GROUP;

use super::kind::{Kind, empty};
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, IMMUTABLE, int, items, text, texts};
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (IDENTITY_GROUP, "usertokens", "", &TOKEN),
    (IDENTITY_GROUP, "usertokens", LAST_USE, &USED_TOKEN),
    (IDENTITY_GROUP, "certificaterevocations", "", &REVOCATION),
    (IDENTITY_GROUP, "tokenrevocations", "", &TOKEN_REVOCATION),
];
/// Not served: the rules under which the server itself writes down when a token was last used.
pub(crate) const LAST_USE: &str = "(last use)";

const MONTH: i64 = 30 * 24 * 60 * 60;
const LEAST_SECONDS: i64 = 60;
const MOST_SECONDS: i64 = 366 * 24 * 60 * 60;
const MAX_SCOPES: usize = 64;
const MAX_WORDS: usize = 256;
const MAX_TEXT: usize = 512;
/// Who has a scheme of its own: a token must not pass for it.
const OTHERS: &[&str] = &["system:serviceaccount:", "system:node:", "system:bootstrap:", "system:anonymous"];
const OTHERS_GROUPS: &[&str] = &[
    "system:masters",
    "system:nodes",
    "system:serviceaccounts",
    "system:bootstrappers",
    "system:unauthenticated",
];

static TOKEN: Kind = Kind::cluster(meta::dns_subdomain, token)
    .status(empty)
    .on_create(|new| {
        if new.at(&["spec", "expirationSeconds"]).is_none_or(Value::is_null) {
            new.set_at(&["spec", "expirationSeconds"], MONTH.into());
        }
    })
    .new_and_change(keeps_spec);

static USED_TOKEN: Kind = Kind::cluster(meta::dns_subdomain, token).new_and_change(keeps_spec);

static REVOCATION: Kind = Kind::cluster(meta::dns_subdomain, revocation).new_and_change(keeps_spec);

static TOKEN_REVOCATION: Kind = Kind::cluster(meta::dns_subdomain, token_revocation)
    .on_create(|new| {
        let account = new.at(&["spec", "serviceAccount"]).is_some_and(|account| !account.is_null());
        if account && new.str_at(&["spec", "issuedBefore"]).is_empty() {
            new.set_at(&["spec", "issuedBefore"], time::now_rfc3339().into());
        }
    })
    .new_and_change(keeps_spec);

fn token(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    user(text(spec, "user"), &at.child("user"), errors);
    groups(spec, &at.child("groups"), errors);
    let seconds = int(spec, "expirationSeconds");
    if !(LEAST_SECONDS..=MOST_SECONDS).contains(&seconds) {
        let why = format!("must be between {LEAST_SECONDS} and {MOST_SECONDS}");
        at.child("expirationSeconds").invalid(errors, seconds, why);
    }
    let scopes = items(spec, "scopes");
    let at = at.child("scopes");
    if scopes.len() > MAX_SCOPES {
        at.too_many(errors, scopes.len(), MAX_SCOPES);
    }
    for (i, one) in scopes.iter().enumerate() {
        scope(one, &at.index(i), errors);
    }
}

fn user(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        at.required(errors, "");
    } else if name.len() > MAX_TEXT {
        at.too_long(errors, MAX_TEXT);
    } else if name.chars().any(char::is_control) {
        at.invalid(errors, name, "must not hold control characters");
    } else if OTHERS.iter().any(|other| name.starts_with(other)) {
        at.invalid(errors, name, "must not be of a kind that has credentials of its own");
    }
}

fn groups(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (i, group) in texts(spec, "groups").enumerate() {
        let at = at.index(i);
        if group.is_empty() {
            at.required(errors, "");
        } else if group.len() > MAX_TEXT || i >= MAX_WORDS {
            at.too_long(errors, MAX_TEXT);
        } else if OTHERS_GROUPS.iter().any(|other| group.starts_with(other)) {
            at.invalid(errors, group, "must not be a group that only credentials of its own kind are in");
        }
    }
}

fn scope(scope: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for field in ["verbs", "apiGroups", "resources", "resourceNames", "namespaces", "nonResourceURLs"] {
        let count = texts(scope, field).count();
        if count > MAX_WORDS {
            at.child(field).too_many(errors, count, MAX_WORDS);
        }
    }
    let none = |field: &str| items(scope, field).is_empty();
    if none("verbs") {
        at.child("verbs").required(errors, "verbs must contain at least one value");
    }
    if !none("nonResourceURLs") {
        let mixed =
            ["apiGroups", "resources", "resourceNames", "namespaces"].iter().any(|field| !none(field));
        if mixed {
            at.child("nonResourceURLs")
                .forbidden(errors, "a scope cannot be for both resources and other paths");
        }
        return;
    }
    for field in ["apiGroups", "resources"] {
        if none(field) {
            at.child(field).required(errors, "resource scopes must supply at least one value");
        }
    }
}

/// What a token or revocation says is final: another one is another object.
fn keeps_spec(new: &Object, old: &Object, errors: &mut ErrorList) {
    if part(new, "spec") != part(old, "spec") {
        At::root("spec").forbidden(errors, IMMUTABLE);
    }
}

fn revocation(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    let (serial, print) = (text(spec, "serialNumber"), text(spec, "fingerprint"));
    match (serial.is_empty(), print.is_empty()) {
        (true, true) => at.required(errors, "one of serialNumber and fingerprint must be set"),
        (false, false) => at.forbidden(errors, "only one of serialNumber and fingerprint may be set"),
        (false, true) => hexadecimal(serial, None, &at.child("serialNumber"), errors),
        (true, false) => hexadecimal(print, Some(64), &at.child("fingerprint"), errors),
    }
    if text(spec, "reason").len() > MAX_TEXT {
        at.child("reason").too_long(errors, MAX_TEXT);
    }
}

fn token_revocation(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    let (id, account) = (text(spec, "credentialID"), part(new, "spec").get("serviceAccount"));
    let account = account.filter(|account| !account.is_null());
    match (id.is_empty(), account) {
        (true, None) => at.required(errors, "one of credentialID and serviceAccount must be set"),
        (false, Some(_)) => at.forbidden(errors, "only one of credentialID and serviceAccount may be set"),
        (false, None) => token_id(id, &at.child("credentialID"), errors),
        (true, Some(account)) => {
            let at = at.child("serviceAccount");
            for field in ["namespace", "name"] {
                if text(account, field).is_empty() {
                    at.child(field).required(errors, "");
                } else if text(account, field).len() > MAX_TEXT {
                    at.child(field).too_long(errors, MAX_TEXT);
                }
            }
        }
    }
    if !id.is_empty() && !text(spec, "issuedBefore").is_empty() {
        at.child("issuedBefore").forbidden(errors, "may only be set with serviceAccount");
    }
    if text(spec, "reason").len() > MAX_TEXT {
        at.child("reason").too_long(errors, MAX_TEXT);
    }
}

/// A token's id as audit events show it, or bare. A certificate's or user token's is revoked otherwise.
fn token_id(given: &str, at: &At<'_>, errors: &mut ErrorList) {
    let id = given.strip_prefix("JTI=").unwrap_or(given);
    let plain = id.bytes().all(|b| b.is_ascii_graphic() && b != b'=');
    if id.is_empty() || !plain || id.len() > MAX_TEXT {
        at.invalid(errors, given, "must be the id of a service account token: JTI= and the token's jti");
    }
}

fn hexadecimal(given: &str, digits: Option<usize>, at: &At<'_>, errors: &mut ErrorList) {
    let plain = given.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    let count = given.bytes().filter(u8::is_ascii_hexdigit).count();
    if !plain || count == 0 || count > 128 || digits.is_some_and(|digits| digits != count) {
        at.invalid(errors, given, "must be hexadecimal digits");
    }
}
