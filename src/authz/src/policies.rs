//! The objects that exist from the first start: the very files under `policies/bootstrap`.
//!
//! Auditors read those files; the binary embeds them. They are parsed once, when first asked for.

use std::sync::LazyLock;

use portcullis_api::{GroupVersion, Gvr, Map, Object, Value};

const RBAC: [&str; 5] = [
    include_str!("../../../policies/bootstrap/roles-users.yaml"),
    include_str!("../../../policies/bootstrap/roles-system.yaml"),
    include_str!("../../../policies/bootstrap/roles-controllers.yaml"),
    include_str!("../../../policies/bootstrap/roles-namespaced.yaml"),
    include_str!("../../../policies/bootstrap/bindings.yaml"),
];

const PLATFORM: [&str; 4] = [
    include_str!("../../../policies/bootstrap/namespaces.yaml"),
    include_str!("../../../policies/bootstrap/priority-classes.yaml"),
    include_str!("../../../policies/bootstrap/flow-control.yaml"),
    include_str!("../../../policies/bootstrap/api-services.yaml"),
];

/// The kinds these files hold, with their plurals.
const PLURALS: [(&str, &str); 9] = [
    ("APIService", "apiservices"),
    ("ClusterRole", "clusterroles"),
    ("ClusterRoleBinding", "clusterrolebindings"),
    ("FlowSchema", "flowschemas"),
    ("Namespace", "namespaces"),
    ("PriorityClass", "priorityclasses"),
    ("PriorityLevelConfiguration", "prioritylevelconfigurations"),
    ("Role", "roles"),
    ("RoleBinding", "rolebindings"),
];

/// The roles and bindings.
pub fn bootstrap_objects() -> &'static [(Gvr, Object)] {
    static OBJECTS: LazyLock<Vec<(Gvr, Object)>> = LazyLock::new(|| read(&RBAC));
    &OBJECTS
}

/// Everything else: namespaces, priority classes, flow control, API services.
pub fn platform_objects() -> &'static [(Gvr, Object)] {
    static OBJECTS: LazyLock<Vec<(Gvr, Object)>> = LazyLock::new(|| read(&PLATFORM));
    &OBJECTS
}

/// The roles and bindings, read anew: for a start-up that does not keep them.
pub fn read_bootstrap_objects() -> Vec<(Gvr, Object)> {
    read(&RBAC)
}

/// Everything else, read anew.
pub fn read_platform_objects() -> Vec<(Gvr, Object)> {
    read(&PLATFORM)
}

fn read(files: &[&str]) -> Vec<(Gvr, Object)> {
    files.iter().flat_map(|file| documents(file)).filter_map(with_resource).collect()
}

#[expect(clippy::expect_used, reason = "the files are part of the build and a test reads them all")]
fn documents(file: &str) -> Vec<Map<String, Value>> {
    serde_saphyr::from_multiple(file).expect("policy files are well-formed")
}

fn with_resource(map: Map<String, Value>) -> Option<(Gvr, Object)> {
    let object = Object::new(map);
    let version = GroupVersion::parse(object.api_version())?;
    let (_, plural) = PLURALS.iter().find(|(kind, _)| *kind == object.kind())?;
    Some((Gvr::new(version, *plural), object))
}

#[cfg(test)]
mod access_matrix;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rbac::aggregated_rules;

    #[test]
    fn every_document_of_every_file_is_read() {
        let count = |files: &[&str]| -> usize { files.iter().map(|f| f.matches("\n---\n").count()).sum() };
        assert_eq!(bootstrap_objects().len(), count(&RBAC));
        assert_eq!(platform_objects().len(), count(&PLATFORM));
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (resource, _) in bootstrap_objects().iter().chain(platform_objects()) {
            *kinds.entry(&resource.resource).or_default() += 1;
        }
        let expected = [
            ("apiservices", 21),
            ("clusterrolebindings", 50),
            ("clusterroles", 69),
            ("flowschemas", 11),
            ("namespaces", 4),
            ("priorityclasses", 2),
            ("prioritylevelconfigurations", 8),
            ("rolebindings", 7),
            ("roles", 7),
        ];
        assert_eq!(kinds, BTreeMap::from(expected));
    }

    #[test]
    fn aggregated_roles_hold_what_they_gather() {
        let roles =
            || bootstrap_objects().iter().filter(|(r, _)| &*r.resource == "clusterroles").map(|(_, o)| o);
        for role in roles().filter(|r| r.get("aggregationRule").is_some()) {
            assert_eq!(aggregated_rules(role, roles()), Ok(None), "{}", role.name());
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> =
            bootstrap_objects().iter().map(|(r, o)| (&*r.resource, o.namespace(), o.name())).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
