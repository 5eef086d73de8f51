//! What a stored definition says, compiled.

use std::sync::Arc;

use portcullis_api::{GroupVersion, Gvk, Object, Scope, Value, compare_versions};
use portcullis_outbound::HookCaller;
use portcullis_schema::Word;
use portcullis_schema::custom::{CustomKind, Structural};
use portcullis_storage::Revision;
use sha2::{Digest as _, Sha256};

use super::columns::Columns;
use super::conversion::Conversion;
use super::names;
use super::scale::ScalePaths;
use crate::kinds::check::{flag, items, text, texts};

/// Tells whether two parts of definitions are the same without keeping them.
pub(super) type Digest = [u8; 32];

/// A definition whose objects are served.
pub(crate) struct Definition {
    /// `things.example.com`.
    pub(crate) name: String,
    /// The definition's own uid: one that is deleted and made again is another.
    pub(super) uid: String,
    pub(super) group: Arc<str>,
    pub(super) scope: Scope,
    /// The names it holds: `status.acceptedNames`.
    pub(super) names: Value,
    spec: Digest,
    keeps_unknown: bool,
    /// The versions that are served or stored.
    pub(super) versions: Vec<Arc<Version>>,
    storage: Arc<Version>,
    pub(super) conversion: Conversion,
    /// What was written later was written by these very rules.
    pub(super) since: Revision,
}

/// One version of it.
pub(crate) struct Version {
    pub(super) name: String,
    pub(super) served: bool,
    pub(crate) kind: Arc<CustomKind>,
    /// Of the schema as it stands in the definition.
    pub(super) schema: Digest,
    pub(super) has_status: bool,
    pub(super) scale: Option<ScalePaths>,
    pub(super) columns: Arc<Columns>,
    /// The dotted paths of fields that objects may be selected by.
    pub(super) selectable: Vec<String>,
    pub(super) deprecation: Option<String>,
}

impl Definition {
    /// Compiles a definition; schemas that did not change are taken over from what was compiled before.
    /// `now` is the revision after which objects are written by its rules.
    ///
    /// # Errors
    /// What cannot be compiled. Validation refuses such definitions, so that only older ones can have it.
    pub(super) fn compile(
        object: &Object,
        before: Option<&Self>,
        now: Revision,
        caller: &Arc<HookCaller>,
    ) -> Result<Self, String> {
        let spec = object.get("spec").cloned().unwrap_or_default();
        let names = names::accepted(object).clone();
        let before = before.filter(|before| before.uid == object.uid());
        let group: Arc<str> = text(&spec, "group").into();
        let mut versions = Vec::new();
        for version in items(&spec, "versions").iter().filter(|it| flag(it, "served") || flag(it, "storage"))
        {
            versions.push(Arc::new(Version::compile(version, &spec, &names, before)?));
        }
        let storage = items(&spec, "versions").iter().find(|version| flag(version, "storage"));
        let storage = storage.map_or("", |version| text(version, "name"));
        let storage = versions.iter().find(|version| version.name == storage).cloned();
        let storage = storage.ok_or_else(|| "it has no storage version".to_owned())?;
        let namespaced = text(&spec, "scope") == "Namespaced";
        Ok(Self {
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
            group,
            scope: if namespaced { Scope::Namespaced } else { Scope::Cluster },
            conversion: Conversion::read(&spec, caller),
            since: now,
            names,
            keeps_unknown: flag(&spec, "preserveUnknownFields"),
            spec: digest(&spec),
            versions,
            storage,
        })
    }

    /// Whether nothing that concerns its objects differs.
    pub(super) fn says_the_same_as(&self, object: &Object) -> bool {
        self.uid == object.uid()
            && Some(self.spec) == object.get("spec").map(digest)
            && self.names == *names::accepted(object)
    }

    /// The plural it is served under.
    pub(super) fn plural(&self) -> &str {
        text(&self.names, "plural")
    }

    /// What the keys of its objects start with, without a last slash.
    pub(crate) fn prefix(&self) -> String {
        format!("/registry/{}/{}", self.group, self.plural())
    }

    /// The version that objects are stored in.
    pub(crate) fn storage(&self) -> &Version {
        &self.storage
    }

    /// A version by its whole name: `example.com/v1`.
    pub(super) fn version(&self, api_version: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.kind.api_version() == api_version).map(AsRef::as_ref)
    }

    /// The selectable fields of all versions, each once.
    pub(crate) fn selectable(&self) -> Vec<Word> {
        let mut all: Vec<Word> = Vec::new();
        for field in self.versions.iter().flat_map(|version| &version.selectable) {
            if !all.iter().any(|known| known == field) {
                all.push(field.clone().into());
            }
        }
        all
    }
}

impl Version {
    fn compile(
        version: &Value,
        spec: &Value,
        names: &Value,
        before: Option<&Definition>,
    ) -> Result<Self, String> {
        let name = text(version, "name").to_owned();
        let gv = GroupVersion::new(text(spec, "group"), name.as_str());
        let gvk = Gvk::new(gv, text(names, "kind"));
        let schema = version.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null);
        let keeps_unknown = flag(spec, "preserveUnknownFields");
        let digest = digest(schema);
        let known = before.and_then(|before| before.version(&gvk.gv.to_string()));
        let known = known.filter(|known| {
            known.schema == digest
                && *known.kind.gvk() == gvk
                && before.is_some_and(|it| it.keeps_unknown == keeps_unknown)
        });
        let kind = match known {
            Some(known) => known.kind.clone(),
            None => {
                let compiled = Structural::compile(schema, keeps_unknown).map_err(|why| why.to_string())?;
                Arc::new(CustomKind::new(gvk, compiled))
            }
        };
        let subresources = version.get("subresources");
        let selectable = items(version, "selectableFields").iter().map(selectable).collect();
        Ok(Self {
            served: flag(version, "served"),
            kind,
            schema: digest,
            has_status: subresources.is_some_and(|subs| subs.get("status").is_some()),
            scale: subresources.and_then(|subs| subs.get("scale")).map(ScalePaths::read),
            columns: Arc::new(Columns::read(version)),
            selectable,
            deprecation: flag(version, "deprecated").then(|| deprecation(version, spec)),
            name,
        })
    }
}

fn selectable(field: &Value) -> String {
    let path = text(field, "jsonPath");
    path.strip_prefix('.').unwrap_or(path).to_owned()
}

fn digest(part: &Value) -> Digest {
    Sha256::digest(part.to_string()).into()
}

/// What users of a deprecated version are told.
fn deprecation(version: &Value, spec: &Value) -> String {
    if let Some(given) = version.get("deprecationWarning").and_then(Value::as_str) {
        return given.to_owned();
    }
    let (group, name) = (text(spec, "group"), text(version, "name"));
    let kind = spec.pointer("/names/kind").and_then(Value::as_str).unwrap_or_default();
    let newer = items(spec, "versions")
        .iter()
        .filter(|other| flag(other, "served") && !flag(other, "deprecated"))
        .map(|other| text(other, "name"))
        .filter(|other| compare_versions(name, other).is_lt())
        .max_by(|a, b| compare_versions(a, b));
    let instead = newer.map(|newer| format!("; use {group}/{newer} {kind}")).unwrap_or_default();
    format!("{group}/{name} {kind} is deprecated{instead}")
}

/// The words of a list of the definition's names.
pub(super) fn words(names: &Value, field: &str) -> Vec<String> {
    texts(names, field).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn users_of_an_old_version_are_pointed_to_the_newest() {
        let spec = json!({"group": "g.io", "names": {"kind": "Thing"}, "versions": [
            {"name": "v1beta1", "served": true, "deprecated": true},
            {"name": "v1", "served": true}, {"name": "v2", "served": true}, {"name": "v3", "served": false}]});
        let version = spec.pointer("/versions/0").unwrap();
        assert_eq!(deprecation(version, &spec), "g.io/v1beta1 Thing is deprecated; use g.io/v2 Thing");
        let last = json!({"name": "v9", "deprecated": true});
        assert_eq!(deprecation(&last, &spec), "g.io/v9 Thing is deprecated");
        let worded = json!({"name": "v1", "deprecated": true, "deprecationWarning": "go away"});
        assert_eq!(deprecation(&worded, &spec), "go away");
    }
}
