//! Policies from files: what is an RBAC object or a namespace by its kind, what is a policy file by its kind or name.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_api::{GroupResource, Gvr, Object, Value};
use serde_saphyr::Spanned;

use super::document::Document;
use super::lint::settings;
use crate::authorities::Authorities;
use crate::chain::Chain;
use crate::files::{NamespaceLabels, PolicyFiles, Rule, parse_abac, parse_rules, roomy};
use crate::node::NodeAuthorizer;
use crate::policies;
use crate::rbac::{GROUP, RbacIndex};

/// Largest file.
const MAX_FILE: u64 = 64 << 20;
/// Where objects stand that were read from a server.
pub const SERVER: &str = "(server)";
const KINDS: [(&str, &str); 4] = [
    ("Role", "roles"),
    ("ClusterRole", "clusterroles"),
    ("RoleBinding", "rolebindings"),
    ("ClusterRoleBinding", "clusterrolebindings"),
];

/// Why files cannot be studied.
#[derive(Debug)]
pub struct StudyError(String);

impl fmt::Display for StudyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StudyError {}

/// An object and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) resource: GroupResource,
    pub(super) object: Object,
    pub(super) file: Arc<str>,
    pub(super) line: u64,
}

/// A set of policies.
#[derive(Debug, Default)]
pub struct Studied {
    pub(super) objects: Vec<Placed>,
    pub(super) rules: Vec<Arc<Rule>>,
    namespaces: Vec<Object>,
    /// Definitions of custom resources, for their scope.
    definitions: Vec<Object>,
    /// Configurations of a server.
    pub(super) settings: Vec<Placed>,
}

impl Studied {
    /// Reads files, and directories with all that is below them.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub fn read(paths: &[PathBuf]) -> Result<Self, StudyError> {
        let mut studied = Self::default();
        for path in paths {
            studied.add(path, 0)?;
        }
        Ok(studied)
    }

    fn add(&mut self, path: &Path, depth: usize) -> Result<(), StudyError> {
        let fail = |why: &dyn fmt::Display| StudyError(format!("{}: {why}", path.display()));
        if path.is_dir() {
            if depth > 16 {
                return Err(fail(&"directories are nested too deeply"));
            }
            let entries = std::fs::read_dir(path).map_err(|error| fail(&error))?;
            let mut below: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            below.sort();
            return below
                .iter()
                .filter(|path| path.is_dir() || is_policy(path))
                .try_for_each(|p| self.add(p, depth + 1));
        }
        let size = std::fs::metadata(path).map_err(|error| fail(&error))?.len();
        if size > MAX_FILE {
            return Err(fail(&"the file is larger than 64 MiB"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fail(&error))?;
        self.add_text(&path.display().to_string(), &text)
    }

    /// Adds a file by its name and text.
    ///
    /// # Errors
    /// Where and why it cannot be read.
    pub fn add_text(&mut self, name: &str, text: &str) -> Result<(), StudyError> {
        let told = |error: crate::files::LoadError| StudyError(error.to_string());
        if name.ends_with(".jsonl") || name.ends_with(".abac") {
            self.rules.extend(parse_abac(name, text).map_err(told)?.into_iter().map(Arc::new));
            return Ok(());
        }
        if text.lines().any(|line| line.trim_end() == "kind: PolicyRules") {
            self.rules.extend(parse_rules(name, text).map_err(told)?.into_iter().map(Arc::new));
            return Ok(());
        }
        let documents: Vec<Spanned<Document>> = serde_saphyr::from_multiple_with_options(text, roomy())
            .map_err(|error| StudyError(format!("{name}: {error}")))?;
        let file = Arc::from(name);
        for document in documents {
            self.add_document(document, &file);
        }
        Ok(())
    }

    /// Adds objects that a server lists, and the policy files it reads.
    ///
    /// # Errors
    /// What of them cannot be read.
    pub fn of_server(lists: Vec<Value>, sources: &Value) -> Result<Self, StudyError> {
        let mut studied = Self::default();
        let server: Arc<str> = Arc::from(SERVER);
        for list in lists {
            let Value::Object(mut list) = list else { continue };
            let Some(Value::Array(items)) = list.remove("items") else { continue };
            let list = Object::new(list);
            for item in items {
                studied.add_item(&list, item, &server, 0);
            }
        }
        let text = |file: &Value, field: &str| {
            file.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for file in sources.get("files").and_then(Value::as_array).into_iter().flatten() {
            let (name, rules) = (text(file, "file"), text(file, "text"));
            let parsed = match text(file, "format").as_str() {
                "attributes" => parse_abac(&name, &rules),
                _ => parse_rules(&name, &rules),
            };
            let parsed = parsed.map_err(|error| StudyError(error.to_string()))?;
            studied.rules.extend(parsed.into_iter().map(Arc::new));
        }
        Ok(studied)
    }

    /// What a server would have if these files were applied to it: its objects where no file has one of the same
    /// name, its policy files where none has the same name.
    #[must_use]
    pub fn over(mut self, server: Self) -> Self {
        let place = |placed: &Placed| {
            let Placed { resource, object, .. } = placed;
            (resource.resource.to_string(), object.namespace().to_owned(), object.name().to_owned())
        };
        let known: BTreeSet<_> = self.objects.iter().map(place).collect();
        self.objects.extend(server.objects.into_iter().filter(|placed| !known.contains(&place(placed))));
        let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let files: BTreeSet<String> = self.rules.iter().map(|rule| base(&rule.origin.file)).collect();
        self.rules.extend(server.rules.into_iter().filter(|rule| !files.contains(&base(&rule.origin.file))));
        for (own, others) in
            [(&mut self.namespaces, server.namespaces), (&mut self.definitions, server.definitions)]
        {
            let names: BTreeSet<String> = own.iter().map(|object| object.name().to_owned()).collect();
            own.extend(others.into_iter().filter(|object| !names.contains(object.name())));
        }
        self
    }

    fn add_document(&mut self, document: Spanned<Document>, file: &Arc<str>) {
        let (line, Document { members, items }) = (document.referenced.line(), document.value);
        let object = Object::new(members);
        if !object.kind().ends_with("List") {
            self.add_object(object, file, line);
            return;
        }
        for item in items {
            self.add_item(&object, item.value, file, item.referenced.line());
        }
    }

    /// Adds an object of a list. A list of a kind says the kind for its items.
    fn add_item(&mut self, list: &Object, item: Value, file: &Arc<str>, line: u64) {
        let Value::Object(mut item) = item else { return };
        let kind = || list.kind().trim_end_matches("List").into();
        item.entry("kind").or_insert_with(kind);
        item.entry("apiVersion").or_insert_with(|| list.api_version().into());
        let object = Object::new(item);
        if !object.kind().ends_with("List") {
            self.add_object(object, file, line);
        }
    }

    fn add_object(&mut self, object: Object, file: &Arc<str>, line: u64) {
        if settings::KINDS.contains(&object.kind()) {
            let resource = GroupResource::new("", "");
            self.settings.push(Placed { resource, object, file: Arc::clone(file), line });
            return;
        }
        if object.kind() == "CustomResourceDefinition" {
            self.definitions.push(object);
            return;
        }
        if object.kind() == "Namespace" && object.api_version() == "v1" {
            self.namespaces.push(object);
            return;
        }
        let rbac = object.api_version().strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'));
        let Some((_, plural)) = KINDS.iter().find(|(kind, _)| rbac && *kind == object.kind()) else { return };
        let resource = GroupResource::new(GROUP, *plural);
        self.objects.push(Placed { resource, object, file: Arc::clone(file), line });
    }

    /// How many roles, bindings and rules of policy files there are.
    pub fn counts(&self) -> (usize, usize, usize) {
        let roles = self.objects.iter().filter(|placed| placed.resource.resource.ends_with("roles")).count();
        (roles, self.objects.len().saturating_sub(roles), self.rules.len())
    }

    /// The namespaces that anything names, in order.
    pub fn namespaces(&self) -> Vec<String> {
        let of_objects = self.objects.iter().map(|placed| placed.object.namespace().to_owned());
        let own = self.namespaces.iter().map(|namespace| namespace.name().to_owned());
        let all: BTreeSet<String> = of_objects.chain(own).filter(|name| !name.is_empty()).collect();
        all.into_iter().collect()
    }

    /// Whether both know the same namespaces, with the same labels, and the same definitions.
    pub(super) fn has_same_places(&self, other: &Self) -> bool {
        let same = |one: &[Object], other: &[Object]| {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.map() == other.map())
        };
        same(&self.namespaces, &other.namespaces) && same(&self.definitions, &other.definitions)
    }

    /// The namespaces that are objects themselves.
    pub(super) fn own_namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().map(Object::name)
    }

    /// The label of a namespace.
    pub fn label_of(&self, namespace: &str, key: &str) -> Option<&str> {
        let object = self.namespaces.iter().find(|object| object.name() == namespace)?;
        object.metadata()?.get("labels")?.get(key)?.as_str()
    }

    /// The files that were read, in order.
    pub fn files(&self) -> Vec<String> {
        let of_objects = self.objects.iter().map(|placed| placed.file.to_string());
        let of_rules = self.rules.iter().map(|rule| rule.origin.file.to_string());
        let settings = self.settings.iter().map(|placed| placed.file.to_string());
        let all: BTreeSet<String> = of_objects.chain(of_rules).chain(settings).collect();
        all.into_iter().collect()
    }

    /// Adds the objects that every cluster has, where the files do not say otherwise.
    #[must_use]
    pub fn with_bootstrap(self) -> Self {
        let file: Arc<str> = Arc::from("(bootstrap)");
        let placed = |(gvr, object): &(Gvr, Object)| Placed {
            resource: gvr.group_resource(),
            object: object.clone(),
            file: Arc::clone(&file),
            line: 0,
        };
        let objects = policies::bootstrap_objects().iter().map(placed).collect();
        self.over(Self { objects, ..Self::default() })
    }

    /// The authorizers that a server with these policies would have: policy files, Node, RBAC.
    pub fn authorities(&self) -> Authorities {
        self.authorities_with(self.rules.clone())
    }

    pub(super) fn authorities_with(&self, rules: Vec<Arc<Rule>>) -> Authorities {
        let (rbac, nodes, labels) = (RbacIndex::new(), NodeAuthorizer::new(), NamespaceLabels::new());
        for placed in &self.objects {
            rbac.upsert(&placed.resource, &placed.object);
        }
        for namespace in &self.namespaces {
            let body = serde_json::to_vec(namespace.map()).unwrap_or_default();
            labels.observe(namespace.name(), Some(&body));
        }
        for definition in &self.definitions {
            let body = serde_json::to_vec(definition.map()).unwrap_or_default();
            labels.observe_definition(definition.name(), Some(&body));
        }
        let files = PolicyFiles::of_shared("PolicyFiles", rules, labels.clone());
        let chain =
            Chain::new().guard(files.refusals()).then(nodes.clone()).then(files.clone()).then(rbac.clone());
        Authorities::of(chain, rbac, nodes, labels, vec![files])
    }
}

fn is_policy(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json" | "jsonl" | "abac"))
}
