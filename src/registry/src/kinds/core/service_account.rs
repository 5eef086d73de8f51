//! Service accounts.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use super::super::meta;
use crate::strategy::Strategy;

const ENFORCE_MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";

/// Service accounts.
pub(crate) struct ServiceAccounts;

impl Strategy for ServiceAccounts {
    fn prepare_create(&self, new: &mut Object) {
        only_names(new);
    }

    fn prepare_update(&self, new: &mut Object, _old: &Object) {
        only_names(new);
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        self.validate(new, errors);
    }

    fn warnings(&self, new: &Object, old: Option<&Object>) -> Vec<String> {
        let has = |object: &Object| object.annotations().any(|(key, _)| key == ENFORCE_MOUNTABLE);
        if !has(new) || old.is_some_and(has) {
            return Vec::new();
        }
        vec![format!(
            "metadata.annotations[{ENFORCE_MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        )]
    }
}

/// References to secrets keep nothing but the name.
fn only_names(account: &mut Object) {
    let secrets = account.map_mut().get_mut("secrets").and_then(Value::as_array_mut);
    for secret in secrets.into_iter().flatten().filter_map(Value::as_object_mut) {
        secret.retain(|field, _| field == "name");
    }
}
