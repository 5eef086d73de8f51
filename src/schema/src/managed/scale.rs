//! Owners of `spec.replicas` seen from the `scale` subresource, and carried back to the main resource.

use std::borrow::Cow;

use portcullis_api::Value;

use super::element::Element;
use super::entries::{Entry, ManagedFields};
use super::set::FieldSet;

const SCALE_VERSION: &str = "autoscaling/v1";
const REPLICAS_IN_SCALE: &[&[&str]] = &[&["spec", "replicas"]];

/// Maps owners between a resource and its `Scale`.
pub struct ScaleOwners<'a> {
    /// `metadata.managedFields` of the resource.
    pub parent: &'a [Value],
    /// The resource's `apiVersion`.
    pub api_version: &'a str,
    /// For each version of the resource the path of its replicas; none where it has no such path.
    pub replicas: &'a [(&'a str, Option<&'a [&'a str]>)],
}

impl ScaleOwners<'_> {
    /// The `managedFields` of the `Scale`: those who own the replicas.
    pub fn to_scale(&self) -> Result<Option<Value>, String> {
        let parent = ManagedFields::decode(self.parent)?;
        let owns = |entry: &Entry<'_>| {
            self.path(&entry.api_version).flatten().is_some_and(|path| entry.set.has(&elements(path)))
        };
        let entries = parent.entries.into_iter().filter(owns).map(|entry| Entry {
            api_version: Cow::Borrowed(SCALE_VERSION),
            set: FieldSet::of_names(REPLICAS_IN_SCALE),
            ..entry
        });
        Ok(ManagedFields { entries: entries.collect() }.encode())
    }

    /// The `managedFields` of the resource after a write through `scale` left its own.
    pub fn to_parent(&self, scale: &[Value]) -> Result<Option<Value>, String> {
        let parent = ManagedFields::decode(self.parent)?;
        let mut scale = ManagedFields::decode(scale)?;
        let mut out = ManagedFields::default();
        for mut entry in parent.entries {
            let Some(path) = self.path(&entry.api_version) else { continue };
            let Some(path) = path.map(elements).filter(|path| entry.set.has(path)) else {
                out.entries.push(entry);
                continue;
            };
            match scale.entries.iter().position(|other| other.is_same_as(&entry)) {
                Some(at) => {
                    scale.entries.swap_remove(at);
                }
                None => entry.set = entry.set.difference(&one(path).into_owned()),
            }
            out.entries.push(entry);
        }
        out.drop_empty();
        let own = self.path(self.api_version).flatten().unwrap_or_default();
        let in_scale = elements(&["spec", "replicas"]);
        out.entries.extend(scale.entries.into_iter().filter(|entry| entry.set.has(&in_scale)).map(|entry| {
            Entry {
                api_version: Cow::Borrowed(self.api_version),
                set: one(elements(own)),
                time: Cow::Borrowed(""),
                ..entry
            }
        }));
        Ok(out.encode())
    }

    /// `None` for an unknown version.
    fn path(&self, api_version: &str) -> Option<Option<&[&str]>> {
        self.replicas.iter().find(|(version, _)| *version == api_version).map(|(_, path)| *path)
    }
}

fn elements<'a>(path: &'a [&'a str]) -> Vec<Element<'a>> {
    path.iter().map(|name| Element::field(name)).collect()
}

fn one(path: Vec<Element<'_>>) -> FieldSet<'_> {
    let mut set = FieldSet::new();
    set.insert(path);
    set
}
