//! Secrets, which look different by type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value, names};

use super::super::check::{At, IMMUTABLE};
use super::super::meta;
use super::config_map::{MAX_SIZE, Tree, decoded_size, frozen};
use crate::strategy::Strategy;

const TLS: &str = "kubernetes.io/tls";

/// Secrets.
pub(crate) struct Secrets;

impl Strategy for Secrets {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        if new.str_at(&["type"]).is_empty() {
            super::keep(new, old, "type");
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        let at = At::root("data");
        let mut size = 0;
        for (key, value) in Tree(new).entries("data") {
            at.key(key).rule(errors, key, names::config_map_key);
            size += decoded_size(value);
        }
        if size > MAX_SIZE {
            at.too_long(errors, MAX_SIZE);
        }
        by_type(new, at, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        let kind = new.str_at(&["type"]);
        if kind != old.str_at(&["type"]) {
            At::root("type").invalid(errors, kind, IMMUTABLE);
        }
        frozen(new, old, &["data"], errors);
        self.validate(new, errors);
    }

    fn warnings(&self, new: &Object, _old: Option<&Object>) -> Vec<String> {
        if new.str_at(&["type"]) != TLS {
            return Vec::new();
        }
        let has_pem = |key: &str| {
            contents(new, key).is_some_and(|bytes| bytes.windows(11).any(|w| w == b"-----BEGIN "))
        };
        let missing =
            [("tls.crt", "certificate"), ("tls.key", "key")].into_iter().find(|(key, _)| !has_pem(key));
        missing
            .map(|(_, what)| format!("tls: failed to find any PEM data in {what} input"))
            .into_iter()
            .collect()
    }
}

fn contents(secret: &Object, key: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret.get("data")?.get(key)?.as_str()?).ok()
}

fn by_type(secret: &Object, at: At<'_>, errors: &mut ErrorList) {
    let has = |key: &str| secret.get("data").is_some_and(|data| data.get(key).is_some());
    let require = |keys: &[&str], errors: &mut ErrorList| {
        keys.iter().filter(|key| !has(key)).for_each(|key| at.key(key).required(errors, ""));
    };
    match secret.str_at(&["type"]) {
        "kubernetes.io/service-account-token" => service_account(secret, errors),
        "kubernetes.io/dockercfg" => docker(secret, ".dockercfg", at, errors),
        "kubernetes.io/dockerconfigjson" => docker(secret, ".dockerconfigjson", at, errors),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            require(&["username", "password"], errors);
        }
        "kubernetes.io/ssh-auth" if contents(secret, "ssh-privatekey").is_none_or(|key| key.is_empty()) => {
            at.key("ssh-privatekey").required(errors, "");
        }
        TLS => require(&["tls.crt", "tls.key"], errors),
        _ => {}
    }
}

fn service_account(secret: &Object, errors: &mut ErrorList) {
    const NAME: &str = "kubernetes.io/service-account.name";
    if !secret.annotations().any(|(key, value)| key == NAME && !value.is_empty()) {
        let metadata = At::root("metadata");
        metadata.child("annotations").key(NAME).required(errors, "");
    }
}

fn docker(secret: &Object, key: &str, at: At<'_>, errors: &mut ErrorList) {
    let Some(bytes) = contents(secret, key) else {
        at.key(key).required(errors, "");
        return;
    };
    if let Some(why) = not_an_object(&bytes) {
        at.key(key).invalid(errors, "<secret contents redacted>", why);
    }
}

/// Why Go could not read bytes as a JSON object.
fn not_an_object(bytes: &[u8]) -> Option<String> {
    let kind = match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(_) | Value::Null) => return None,
        Ok(Value::Array(_)) => "array",
        Ok(Value::String(_)) => "string",
        Ok(Value::Bool(_)) => "bool",
        Ok(Value::Number(_)) => "number",
        Err(_) => return Some(syntax_error(bytes)),
    };
    Some(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
}

/// Go's words for the first byte that is out of place; no more of the contents is told.
fn syntax_error(bytes: &[u8]) -> String {
    let mut prefix = serde_json::Deserializer::from_slice(bytes).into_iter::<Map<String, Value>>();
    let is_cut = matches!(prefix.next(), Some(Err(error)) if error.is_eof());
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    match first {
        None => "unexpected end of JSON input".to_owned(),
        Some(_) if is_cut => "unexpected end of JSON input".to_owned(),
        Some(b) if b.is_ascii_graphic() && *b != b'{' => {
            format!("invalid character '{}' looking for beginning of value", char::from(*b))
        }
        Some(_) => "invalid character looking for beginning of value".to_owned(),
    }
}
