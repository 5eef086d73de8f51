//! Pod templates kept as objects of their own.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use super::super::check::At;
use super::super::meta;
use super::pod::{self, Options, drop_unserved_spec};
use crate::strategy::Strategy;

/// Pod templates.
pub(crate) struct PodTemplates;

impl Strategy for PodTemplates {
    fn prepare_create(&self, new: &mut Object) {
        new.metadata_mut().insert("generation".into(), 1.into());
        drop_unserved(new, &["template"]);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        drop_unserved(new, &["template"]);
        if new.get("template") != old.get("template") {
            let next = old.generation() + 1;
            new.metadata_mut().insert("generation".into(), next.into());
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        let template = new.get("template").unwrap_or(&Value::Null);
        pod::template(template, At::root("template"), Options::template(), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        let template = new.get("template").unwrap_or(&Value::Null);
        let options = Options::template().keeping(old.at(&["template", "spec"]));
        pod::template(template, At::root("template"), options, errors);
    }

    fn warnings(&self, new: &Object, old: Option<&Object>) -> Vec<String> {
        if old.is_some_and(|old| old.generation() == new.generation()) {
            return Vec::new();
        }
        let template = new.get("template").unwrap_or(&Value::Null);
        pod::template_warnings(template, None, At::root("template"))
    }
}

/// Drops fields that are not served from the template at a path.
pub(crate) fn drop_unserved(object: &mut Object, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    let template =
        rest.iter().try_fold(object.map_mut().get_mut(*first), |value, step| Some(value?.get_mut(*step)));
    let spec = template.flatten().and_then(|template| template.get_mut("spec")?.as_object_mut());
    if let Some(spec) = spec {
        drop_unserved_spec(spec);
    }
}
