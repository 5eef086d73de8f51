//! Upstream's `AuthorizationConfiguration` file.
//!
//! It is checked whole: every mistake is told, with its path, in upstream's words and order. What this server cannot do is
//! a mistake too.

mod webhook;

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::names;
use serde::Deserialize;

use self::webhook::Written;
use super::modes::{ALL, Mode, WEBHOOK};
use super::plan::Place;
use crate::decision::aggregate;

const VERSIONS: [&str; 3] =
    ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"];
const KIND: &str = "AuthorizationConfiguration";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    #[serde(default)]
    authorizers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    webhook: Option<Written>,
}

/// The authorizers in their order.
///
/// # Errors
/// All that is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<Place>, String> {
    let configuration: Configuration = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if configuration.kind != KIND || !VERSIONS.contains(&&*configuration.api_version) {
        return Err(format!(
            "apiVersion must be {} and kind {KIND}",
            VERSIONS.first().copied().unwrap_or_default()
        ));
    }
    let mut errors = Vec::new();
    let places = configuration.places(&mut errors);
    if errors.is_empty() {
        // As upstream, names are looked at last: what is built in goes by one name only.
        let wrong: Vec<String> = configuration.authorizers.iter().filter_map(Entry::misnamed).collect();
        return if wrong.is_empty() { Ok(places) } else { Err(aggregate(wrong.iter())) };
    }
    Err(aggregate(errors.iter()))
}

impl Configuration {
    fn places(&self, errors: &mut ErrorList) -> Vec<Place> {
        let list = Path::new("authorizers");
        if self.authorizers.is_empty() {
            errors.push(Error::required(&list, "at least one authorization mode must be defined"));
        }
        let (mut places, mut kinds, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (place, entry) in self.authorizers.iter().enumerate() {
            let path = list.index(place);
            if !entry.check_kind(&path, &kinds, errors) {
                continue;
            }
            kinds.push(&*entry.kind);
            entry.check_name(&path, &names, errors);
            names.push(&*entry.name);
            places.extend(entry.place(&path, errors));
        }
        places
    }
}

impl Entry {
    fn check_kind(&self, path: &Path, before: &[&str], errors: &mut ErrorList) -> bool {
        let path = path.child("type");
        if self.kind.is_empty() {
            errors.push(Error::required(&path, ""));
        } else if Mode::of(&self.kind).is_none() && self.kind != WEBHOOK {
            let mut known: Vec<&str> = ALL.iter().map(|mode| mode.as_str()).chain([WEBHOOK]).collect();
            known.sort_unstable();
            errors.push(Error::not_supported(&path, self.kind.as_str(), &known));
        } else if self.kind != WEBHOOK && before.contains(&&*self.kind) {
            errors.push(Error::duplicate(&path, self.kind.as_str()));
        } else {
            return true;
        }
        false
    }

    fn check_name(&self, path: &Path, before: &[&str], errors: &mut ErrorList) {
        let path = path.child("name");
        if self.name.is_empty() {
            errors.push(Error::required(&path, ""));
        } else if before.contains(&&*self.name) {
            errors.push(Error::duplicate(&path, self.name.as_str()));
        } else {
            let why = names::dns1123_subdomain(&self.name).join(", ");
            if !why.is_empty() {
                let why = format!("authorizer name is invalid: {why}");
                errors.push(Error::invalid(&path, self.name.as_str(), why));
            }
        }
    }

    fn place(&self, path: &Path, errors: &mut ErrorList) -> Option<Place> {
        match (Mode::of(&self.kind), &self.webhook) {
            (None, None) => {
                errors.push(Error::required(&path.child("webhook"), "required when type=Webhook"));
                None
            }
            (None, Some(written)) => written.read(&self.name, path, errors).map(Place::Webhook),
            (Some(_), Some(_)) => {
                let why = "may only be specified when type=Webhook";
                errors.push(Error::invalid(&path.child("webhook"), "non-null", why));
                None
            }
            (Some(mode), None) => Some(Place::Ours(mode)),
        }
    }

    fn misnamed(&self) -> Option<String> {
        let mode = Mode::of(&self.kind)?;
        let (wanted, name) = (mode.as_str().to_lowercase(), &self.name);
        (*name != wanted)
            .then(|| format!("expected name {wanted} for authorizer {} instead of {name}", mode.as_str()))
    }
}
