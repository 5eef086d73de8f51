//! The rules of custom objects: those every kind has, and those of their definition.

use std::sync::Arc;

use portcullis_api::field::{Error, ErrorKind, ErrorList, Path, go_quote};
use portcullis_api::{Object, Value, names};
use portcullis_schema::custom::CustomKind;

use super::scale::ScalePaths;
use crate::kinds::meta;
use crate::strategy::Strategy;

const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing \
                         errors to complete validation";
const STANDARD_FINALIZERS: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

/// What the rules of one version need to know.
pub(super) struct Rules {
    pub(super) kind: Arc<CustomKind>,
    pub(super) namespaced: bool,
    pub(super) has_status: bool,
    pub(super) scale: Option<ScalePaths>,
}

/// The rules of the main endpoint.
pub(super) struct Main(pub(super) Arc<Rules>);

/// The rules of the `status` endpoint.
pub(super) struct Status(pub(super) Arc<Rules>);

impl Rules {
    /// An object of another kind or version is checked no further.
    fn type_meta(&self, new: &Object, errors: &mut ErrorList) -> bool {
        let known = [
            ("kind", new.kind(), &*self.kind.gvk().kind),
            ("apiVersion", new.api_version(), self.kind.api_version()),
        ];
        for (field, given, wanted) in known.into_iter().filter(|(_, given, wanted)| given != wanted) {
            errors.push(Error::invalid(&Path::new(field), given, format!("must be {wanted}")));
        }
        errors.is_empty()
    }

    fn scale_spec(&self, new: &Object, errors: &mut ErrorList) {
        if let Some(scale) = &self.scale {
            scale.check_spec(new, errors);
        }
    }

    fn scale_status(&self, new: &Object, errors: &mut ErrorList) {
        if let Some(scale) = &self.scale {
            scale.check_status(new, errors);
        }
    }

    /// The definition's rules, where nothing is wrong that could lead them astray. Returns what breaks a rule,
    /// but did so before and was not touched.
    fn rules(&self, new: &Object, old: Option<&Object>, errors: &mut ErrorList) -> Vec<String> {
        if !self.kind.structural().has_rules() {
            return Vec::new();
        }
        let blocks = |error: &Error| {
            matches!(
                error.kind,
                ErrorKind::NotSupported
                    | ErrorKind::Required
                    | ErrorKind::TooLong
                    | ErrorKind::TooMany
                    | ErrorKind::TypeInvalid
            )
        };
        if errors.iter().any(blocks) {
            errors.push(Error::invalid(&Path::new("<nil>"), Value::Null, UNCHECKED));
            return Vec::new();
        }
        let found = self.kind.structural().check_rules(new, old);
        errors.extend(found.errors);
        found.warnings
    }

    fn judge(&self, new: &Object, old: &Object, errors: &mut ErrorList) -> Vec<String> {
        if !self.type_meta(new, errors) {
            return Vec::new();
        }
        meta::generic_meta_update(new, old, errors);
        errors.extend(self.kind.structural().validate_values(new, Some(old)));
        self.scale_spec(new, errors);
        self.scale_status(new, errors);
        errors.extend(self.kind.structural().validate_embedded(new, &embedded_metadata));
        errors.extend(self.kind.structural().validate_lists(new, Some(old)));
        self.rules(new, Some(old), errors)
    }

    fn judge_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) -> Vec<String> {
        if !self.type_meta(new, errors) {
            return Vec::new();
        }
        meta::generic_meta_update(new, old, errors);
        errors.extend(self.kind.structural().validate_status(new, Some(old)));
        self.scale_status(new, errors);
        errors.extend(self.kind.structural().validate_lists(new, Some(old)));
        self.rules(new, Some(old), errors)
    }
}

/// Rules look only at the mistakes of their own pass.
fn apart(errors: &mut ErrorList, judge: impl FnOnce(&mut ErrorList) -> Vec<String>) -> Vec<String> {
    let mut own = ErrorList::new();
    let forgiven = judge(&mut own);
    errors.append(&mut own);
    if errors.is_empty() { forgiven } else { Vec::new() }
}

impl Strategy for Main {
    fn prepare_create(&self, new: &mut Object) {
        if self.0.has_status {
            new.map_mut().remove("status");
        }
        new.metadata_mut().insert("generation".to_owned(), 1.into());
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        if self.0.has_status {
            match old.get("status") {
                Some(status) => new.map_mut().insert("status".to_owned(), status.clone()),
                None => new.map_mut().remove("status"),
            };
        }
        if differs_but_for_metadata(new, old) {
            let next = old.generation().saturating_add(1);
            new.metadata_mut().insert("generation".to_owned(), next.into());
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let rules = &*self.0;
        if !rules.type_meta(new, errors) {
            return;
        }
        meta::generic_meta(new, rules.namespaced, meta::dns_subdomain, errors);
        errors.extend(rules.kind.structural().validate_values(new, None));
        rules.scale_spec(new, errors);
        rules.scale_status(new, errors);
        errors.extend(rules.kind.structural().validate_embedded(new, &embedded_metadata));
        errors.extend(rules.kind.structural().validate_lists(new, None));
        rules.rules(new, None, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        apart(errors, |own| self.0.judge(new, old, own));
    }

    fn judge_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) -> Vec<String> {
        let forgiven = apart(errors, |own| self.0.judge(new, old, own));
        forgiven.into_iter().chain(self.warnings(new, Some(old))).collect()
    }

    fn warnings(&self, new: &Object, old: Option<&Object>) -> Vec<String> {
        let known = |finalizer: &str| old.is_some_and(|old| old.finalizers().any(|one| one == finalizer));
        let mut added: Vec<&str> = new.finalizers().filter(|finalizer| !known(finalizer)).collect();
        added.sort_unstable();
        added.dedup();
        added.into_iter().flat_map(finalizer_warnings).collect()
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }
}

impl Strategy for Status {
    /// Nothing but the status changes, and who owns it.
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        let status = new.map_mut().remove("status");
        let owners = new.metadata_mut().remove("managedFields");
        let version = new.resource_version().to_owned();
        *new = old.clone();
        match status {
            Some(status) => new.map_mut().insert("status".to_owned(), status),
            None => new.map_mut().remove("status"),
        };
        match owners {
            Some(owners) => new.metadata_mut().insert("managedFields".to_owned(), owners),
            None => new.metadata_mut().remove("managedFields"),
        };
        new.set_meta_str("resourceVersion", &version);
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        apart(errors, |own| self.0.judge_status(new, old, own));
    }

    fn judge_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) -> Vec<String> {
        apart(errors, |own| self.0.judge_status(new, old, own))
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }
}

/// The metadata of objects inside objects: there they may live in any namespace.
fn embedded_metadata(object: &Object, errors: &mut ErrorList) {
    meta::generic_meta(object, !object.namespace().is_empty(), meta::dns_subdomain, errors);
}

fn differs_but_for_metadata(new: &Object, old: &Object) -> bool {
    let rest = |object: &'_ Object| object.map().len() - usize::from(object.get("metadata").is_some());
    rest(new) != rest(old)
        || new.map().iter().any(|(field, value)| field != "metadata" && old.get(field) != Some(value))
}

fn finalizer_warnings(finalizer: &str) -> Vec<String> {
    let shown = go_quote(finalizer);
    let mut warnings: Vec<String> = names::qualified_name(finalizer)
        .into_iter()
        .map(|message| format!("metadata.finalizers: {shown}: {message}"))
        .collect();
    if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer) {
        let with = if finalizer.contains('.') { " including a path (/)" } else { "" };
        warnings.push(format!(
            "metadata.finalizers: {shown}: prefer a domain-qualified finalizer name{with} to avoid accidental \
             conflicts with other finalizer writers"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finalizers_without_domain_are_warned_of() {
        assert_eq!(finalizer_warnings("example.com/x"), Vec::<String>::new());
        assert_eq!(finalizer_warnings("orphan"), Vec::<String>::new());
        assert_eq!(
            finalizer_warnings("mine"),
            [
                "metadata.finalizers: \"mine\": prefer a domain-qualified finalizer name to avoid accidental conflicts \
              with other finalizer writers"
            ]
        );
        assert_eq!(
            finalizer_warnings("x.y"),
            [
                "metadata.finalizers: \"x.y\": prefer a domain-qualified finalizer name including a path (/) to avoid \
              accidental conflicts with other finalizer writers"
            ]
        );
    }
}
