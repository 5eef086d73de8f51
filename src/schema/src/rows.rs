//! The built-in resources as data, read from `data/resources.tsv` and `data/columns.tsv`.
//!
//! Rows stand in the order in which discovery lists groups; within a group the preferred version is first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use portcullis_api::{GroupVersion, Gvk, Gvr, Scope};

/// A word of a row: read from the tables of this crate, or from a definition that a client stored.
pub type Word = Cow<'static, str>;

static ROWS: LazyLock<Rows> =
    LazyLock::new(|| Rows::read(include_str!("../data/resources.tsv"), include_str!("../data/columns.tsv")));

/// All built-in resources.
pub fn rows() -> &'static [Row] {
    &ROWS.rows
}

/// The built-in groups in discovery's order; the core group comes first.
pub fn groups() -> &'static [Group] {
    &ROWS.groups
}

/// Finds a resource of a group and version.
pub fn row(group: &str, version: &str, resource: &str) -> Option<&'static Row> {
    ROWS.rows.get(*ROWS.by_gvr.get(&(group, version, resource))?)
}

/// Finds a resource of a group, in the group's preferred version.
pub fn row_of_group(group: &str, resource: &str) -> Option<&'static Row> {
    ROWS.rows.get(*ROWS.by_group_resource.get(&(group, resource))?)
}

/// Finds the resource whose objects are of this kind.
pub fn row_of_kind(group: &str, version: &str, kind: &str) -> Option<&'static Row> {
    ROWS.rows.get(*ROWS.by_kind.get(&(group, version, kind))?)
}

/// One resource in one version.
#[derive(Clone, Debug)]
pub struct Row {
    /// Group, version and plural.
    pub gvr: Gvr,
    /// The kind of its objects.
    pub gvk: Gvk,
    /// The kind of a list of them.
    pub list_kind: String,
    /// The singular name.
    pub singular: Word,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
    /// Names that command lines accept: `po`.
    pub short_names: Box<[Word]>,
    /// Groups of resources it belongs to: `all`.
    pub categories: Box<[Word]>,
    /// What may be done, in discovery's words and order.
    pub verbs: Box<[&'static str]>,
    /// Its subresources, in discovery's order.
    pub subresources: Box<[Subresource]>,
    /// Where its objects are stored; `None` for a virtual resource.
    pub store: Option<Store>,
    /// The columns of its table.
    pub columns: Box<[Column]>,
    /// The fields a field selector may name.
    pub selectable: Box<[Word]>,
    /// What a user of a deprecated resource is warned of.
    pub deprecation: Option<Word>,
}

impl Row {
    /// Finds a subresource.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Whether a verb may be used, by its lower-case name.
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }

    /// Whether its objects live in namespaces.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}

/// Where and how objects of a resource are stored.
#[derive(Clone, Debug)]
pub struct Store {
    /// The keys' common start, without a last slash: `/registry/services/specs`.
    pub prefix: Word,
    /// The version objects are stored in; resources that share a prefix share this too.
    pub gv: GroupVersion,
}

/// A subresource: `pods/log`.
#[derive(Clone, Debug)]
pub struct Subresource {
    /// The name after the slash.
    pub name: &'static str,
    /// The kind of what is sent or received.
    pub gvk: Gvk,
    /// What may be done, in discovery's words and order.
    pub verbs: Box<[&'static str]>,
}

/// A column of a resource's table.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading.
    pub name: Word,
    /// The OpenAPI type of its cells.
    pub ty: Word,
    /// The OpenAPI format; may be empty.
    pub format: Word,
    /// 0 is always shown, more only in wide tables.
    pub priority: i32,
}

/// A built-in group and its versions.
#[derive(Debug)]
pub struct Group {
    /// The name; empty for the core group.
    pub name: Arc<str>,
    /// Its versions, the preferred one first.
    pub versions: Vec<GroupVersion>,
}

#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    groups: Vec<Group>,
    by_gvr: HashMap<(&'static str, &'static str, &'static str), usize>,
    by_kind: HashMap<(&'static str, &'static str, &'static str), usize>,
    by_group_resource: HashMap<(&'static str, &'static str), usize>,
}

impl Rows {
    fn read(resources: &'static str, columns: &'static str) -> Self {
        let mut rows = Self::default();
        let subresources = resources.lines().map(Line::split).filter(|line| line.resource.contains('/'));
        let subresources: Vec<_> = subresources.collect();
        let columns = columns_by_resource(columns);
        for line in resources.lines().map(Line::split).filter(|line| !line.resource.contains('/')) {
            let gv = rows.group_version(line.group, line.version);
            let at = rows.rows.len();
            rows.by_gvr.insert((line.group, line.version, line.resource), at);
            rows.by_kind.insert((line.group, line.version, line.kind), at);
            rows.by_group_resource.entry((line.group, line.resource)).or_insert(at);
            rows.rows.push(line.row(gv, &subresources, &columns));
        }
        rows
    }

    fn group_version(&mut self, group: &str, version: &str) -> GroupVersion {
        let known = self.groups.iter().position(|one| &*one.name == group);
        let at = known.unwrap_or_else(|| {
            self.groups.push(Group { name: group.into(), versions: Vec::new() });
            self.groups.len() - 1
        });
        let Some(group) = self.groups.get_mut(at) else { return GroupVersion::new(group, version) };
        if let Some(gv) = group.versions.iter().find(|gv| &*gv.version == version) {
            return gv.clone();
        }
        let gv = GroupVersion::new(group.name.clone(), version);
        group.versions.push(gv.clone());
        gv
    }
}

/// A line of the resource table.
struct Line {
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    kind: &'static str,
    singular: &'static str,
    scope: Scope,
    short_names: &'static str,
    categories: &'static str,
    verbs: &'static str,
    prefix: &'static str,
    stored_as: &'static str,
    selectable: &'static str,
    deprecation: &'static str,
}

impl Line {
    fn split(line: &'static str) -> Self {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        Self {
            group: cell(),
            version: cell(),
            resource: cell(),
            kind: cell(),
            singular: cell(),
            scope: if cell() == "Namespaced" { Scope::Namespaced } else { Scope::Cluster },
            short_names: cell(),
            categories: cell(),
            verbs: cell(),
            prefix: cell(),
            stored_as: cell(),
            selectable: cell(),
            deprecation: cell(),
        }
    }

    fn row(&self, gv: GroupVersion, subresources: &[Self], columns: &Columns) -> Row {
        let columns =
            columns.get(&(self.group, self.version, self.resource)).map(Vec::as_slice).unwrap_or_default();
        let store = GroupVersion::parse(self.stored_as).filter(|_| !self.prefix.is_empty());
        Row {
            gvr: Gvr::new(gv.clone(), self.resource),
            list_kind: format!("{}List", self.kind),
            singular: self.singular.into(),
            scope: self.scope,
            short_names: words(self.short_names),
            categories: words(self.categories),
            verbs: commas(self.verbs),
            subresources: subresources.iter().filter_map(|sub| sub.subresource_of(self, &gv)).collect(),
            store: store.map(|gv| Store { prefix: self.prefix.into(), gv }),
            columns: columns.into(),
            selectable: words(self.selectable),
            deprecation: (!self.deprecation.is_empty()).then_some(self.deprecation.into()),
            gvk: Gvk::new(gv, self.kind),
        }
    }

    fn subresource_of(&self, main: &Self, gv: &GroupVersion) -> Option<Subresource> {
        let name = self.resource.strip_prefix(main.resource)?.strip_prefix('/')?;
        let same_version = self.group == main.group && self.version == main.version;
        let gvk = match self.kind.rsplit_once('/') {
            Some((api_version, kind)) => Gvk::new(GroupVersion::parse(api_version)?, kind),
            None => Gvk::new(gv.clone(), self.kind),
        };
        same_version.then(|| Subresource { name, gvk, verbs: commas(self.verbs) })
    }
}

type Columns = HashMap<(&'static str, &'static str, &'static str), Vec<Column>>;

fn columns_by_resource(table: &'static str) -> Columns {
    let mut columns = Columns::new();
    for line in table.lines() {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        let resource = (cell(), cell(), cell());
        let (name, ty, format) = (cell().into(), cell().into(), cell().into());
        let column = Column { name, ty, format, priority: cell().parse().unwrap_or_default() };
        columns.entry(resource).or_default().push(column);
    }
    columns
}

fn words(cell: &'static str) -> Box<[Word]> {
    commas(cell).iter().map(|word| Word::from(*word)).collect()
}

fn commas(cell: &'static str) -> Box<[&'static str]> {
    cell.split(',').filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::kind;

    #[test]
    fn sixty_eight_resources_of_upstream_and_four_of_ours_of_which_eight_are_virtual() {
        assert_eq!(rows().len(), 68 + 4);
        assert_eq!(rows().iter().filter(|row| row.store.is_none()).count(), 8);
        assert_eq!(rows().iter().map(|row| row.subresources.len()).sum::<usize>(), 113 - 68);
        let columns: usize = rows().iter().map(|row| row.columns.len()).sum();
        assert_eq!(columns, include_str!("../data/columns.tsv").lines().count());
    }

    #[test]
    fn every_kind_a_row_names_is_known() {
        for row in rows() {
            assert!(kind(&row.gvk).is_some(), "{}", row.gvk);
            for sub in &row.subresources {
                assert!(kind(&sub.gvk).is_some(), "{}/{}", row.gvr.resource, sub.name);
            }
        }
    }

    #[test]
    fn a_row_has_all_its_facts() {
        let services = row("", "v1", "services").unwrap();
        assert_eq!(services.store.as_ref().unwrap().prefix, "/registry/services/specs");
        assert_eq!((&*services.short_names, &*services.singular), (&["svc".into()][..], "service"));
        assert!(services.is_namespaced() && services.allows("patch") && !services.allows("proxy"));
        let pods = row("", "v1", "pods").unwrap();
        assert_eq!(pods.subresource("eviction").unwrap().gvk.to_string(), "policy/v1, Kind=Eviction");
        assert_eq!(row_of_kind("apps", "v1", "Deployment").unwrap().subresources.len(), 2);
    }

    #[test]
    fn versions_that_share_a_store_agree_on_it() {
        let one = row("autoscaling", "v1", "horizontalpodautoscalers").unwrap().store.as_ref().unwrap();
        let two = row_of_group("autoscaling", "horizontalpodautoscalers").unwrap();
        assert_eq!(&*two.gvr.gv.version, "v2", "the preferred version");
        let two = two.store.as_ref().unwrap();
        assert_eq!((&one.prefix, &one.gv), (&two.prefix, &two.gv));
        let events = row("events.k8s.io", "v1", "events").unwrap().store.as_ref().unwrap();
        assert_eq!((&*events.prefix, events.gv.to_string()), ("/registry/events", "v1".to_owned()));
    }

    #[test]
    fn groups_come_in_discovery_order() {
        let names: Vec<_> = groups().iter().map(|group| &*group.name).collect();
        assert_eq!(names[..4], ["", "apiregistration.k8s.io", "apps", "events.k8s.io"]);
        assert_eq!(names.len(), 22);
        assert_eq!(names.last(), Some(&"identity.portcullis.io"));
    }
}
