//! One kind: its names, its root struct, and the lookup from names to kinds.

use std::collections::HashMap;
use std::sync::LazyLock;

use portcullis_api::{GroupVersion, Gvk};

use crate::types::{Struct, StructId, types};

static KINDS: LazyLock<Kinds> = LazyLock::new(Kinds::read);

/// All kinds and where each is.
struct Kinds {
    kinds: Vec<Kind>,
    places: HashMap<(&'static str, &'static str, &'static str), usize>,
}

/// Kinds of `v1` that every group version also knows.
const EVERYWHERE: &[&str] =
    &["CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions"];

/// The compiled schema of one kind.
#[derive(Debug)]
pub struct Kind {
    gvk: Gvk,
    api_version: String,
    root: StructId,
}

/// Finds a built-in kind.
pub fn kind(gvk: &Gvk) -> Option<&'static Kind> {
    kind_named(&gvk.gv.group, &gvk.gv.version, &gvk.kind)
}

/// Finds a built-in kind by its names.
pub fn kind_named(group: &str, version: &str, kind: &str) -> Option<&'static Kind> {
    KINDS
        .get(group, version, kind)
        .or_else(|| is_everywhere(group, version, kind).then(|| KINDS.get("", "v1", kind)).flatten())
}

/// All built-in kinds.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.kinds.iter()
}

/// Whether a kind of `v1` is the same in this group version too.
pub(crate) fn is_everywhere(group: &str, version: &str, kind: &str) -> bool {
    EVERYWHERE.contains(&kind) && knows_group_version(group, version)
}

/// Whether any kind of this group and version is built in.
pub fn knows_group_version(group: &str, version: &str) -> bool {
    KINDS.kinds.iter().any(|kind| &*kind.gvk.gv.group == group && &*kind.gvk.gv.version == version)
}

impl Kind {
    /// Group, version and kind.
    pub fn gvk(&self) -> &Gvk {
        &self.gvk
    }

    /// The same schema under an older version of the group that an endpoint still takes.
    pub fn at_version(&self, version: &str) -> Self {
        let gvk = Gvk::new(GroupVersion::new(self.gvk.gv.group.clone(), version), self.gvk.kind.clone());
        Self { api_version: gvk.gv.to_string(), gvk, root: self.root }
    }

    /// What `apiVersion` says: `apps/v1`.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// What `kind` says.
    pub fn kind(&self) -> &str {
        &self.gvk.kind
    }

    /// The struct of a whole object.
    pub fn root(&self) -> StructId {
        self.root
    }

    /// The struct of a whole object, looked up.
    pub fn root_struct(&self) -> &'static Struct {
        types().get(self.root)
    }
}

impl Kinds {
    fn read() -> Self {
        let mut all = Self { kinds: Vec::new(), places: HashMap::new() };
        for line in include_str!("../data/kinds.tsv").lines() {
            all.places.extend(key(line).zip(Some(all.kinds.len())));
            all.kinds.extend(read(line));
        }
        all
    }

    fn get(&self, group: &str, version: &str, kind: &str) -> Option<&Kind> {
        self.kinds.get(*self.places.get(&(group, version, kind))?)
    }
}

fn key(line: &'static str) -> Option<(&'static str, &'static str, &'static str)> {
    let mut cells = line.split('\t');
    Some((cells.next()?, cells.next()?, cells.next()?))
}

fn read(line: &'static str) -> Option<Kind> {
    let (group, version, kind) = key(line)?;
    let gvk = Gvk::new(GroupVersion::new(group, version), kind);
    let root = types().by_definition(line.split('\t').next_back()?)?;
    Some(Kind { api_version: gvk.gv.to_string(), gvk, root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_kind() {
        assert_eq!(KINDS.kinds.len(), include_str!("../data/kinds.tsv").lines().count());
    }

    #[test]
    fn every_kind_is_where_its_names_say() {
        for one in kinds() {
            assert_eq!(kind(one.gvk()).unwrap().gvk(), one.gvk());
        }
    }

    #[test]
    fn kinds_are_found_by_their_names() {
        let deployment = kind_named("apps", "v1", "Deployment").unwrap();
        assert_eq!((deployment.api_version(), deployment.kind()), ("apps/v1", "Deployment"));
        assert_eq!(deployment.root_struct().definition, "io.k8s.api.apps.v1.Deployment");
        assert!(kind_named("apps", "v2", "Deployment").is_none());
    }

    #[test]
    fn options_are_known_in_every_group() {
        assert!(kind_named("apps", "v1", "DeleteOptions").is_some());
        assert!(kind_named("nonsense", "v1", "DeleteOptions").is_none());
        assert!(kind_named("apps", "v1", "Pod").is_none());
    }
}
