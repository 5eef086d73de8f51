//! A kind as a value: what is regular about strategies is said in fields, only rules are functions.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use crate::kinds::core::drop_unserved;
use crate::kinds::meta::{self, NameRule};
use crate::strategy::Strategy;

/// Rules about one object, after those of its metadata.
pub(super) type Rules = fn(&Object, &mut ErrorList);
/// Rules about a change: the new object and the old one.
pub(super) type ChangeRules = fn(&Object, &Object, &mut ErrorList);
/// Warnings about a write.
pub(super) type Warnings = fn(&Object, Option<&Object>) -> Vec<String>;

/// The strategy of a main resource.
pub(super) struct Kind {
    namespaced: bool,
    /// `None` leaves the metadata to the generic rules.
    name: Option<NameRule>,
    rules: Rules,
    change: Change,
    status: Option<fn() -> Value>,
    generation: &'static [&'static str],
    first_generation: bool,
    /// Where the template of pods stands.
    template: &'static [&'static str],
    prepare_create: fn(&mut Object),
    prepare_update: fn(&mut Object, &Object),
    warnings: Warnings,
    create_on_update: bool,
    unconditional_update: bool,
    orphans: bool,
    reset: &'static [&'static [&'static str]],
}

/// What is checked when an object changes.
#[derive(Clone, Copy)]
enum Change {
    /// The change of metadata, then these rules.
    Changed(ChangeRules),
    /// Everything a new object must fulfil, then the change of metadata, then these rules.
    NewAndChanged(ChangeRules),
    /// These rules alone.
    Only(ChangeRules),
}

impl Kind {
    /// A kind whose objects live in namespaces.
    pub(super) const fn namespaced(name: NameRule, rules: Rules) -> Self {
        Self::new(true, Some(name), rules)
    }

    /// A kind whose objects belong to the cluster.
    pub(super) const fn cluster(name: NameRule, rules: Rules) -> Self {
        Self::new(false, Some(name), rules)
    }

    /// A kind that leaves its metadata to the generic rules.
    pub(super) const fn unchecked_meta(rules: Rules) -> Self {
        Self::new(true, None, rules)
    }

    const fn new(namespaced: bool, name: Option<NameRule>, rules: Rules) -> Self {
        Self {
            namespaced,
            name,
            rules,
            change: Change::NewAndChanged(no_change_rules),
            status: None,
            generation: &[],
            first_generation: false,
            template: &[],
            prepare_create: |_| {},
            prepare_update: |_, _| {},
            warnings: |_, _| Vec::new(),
            create_on_update: false,
            unconditional_update: true,
            orphans: false,
            reset: &[],
        }
    }

    /// A change is checked by the rules for metadata and these.
    pub(super) const fn change(mut self, rules: ChangeRules) -> Self {
        self.change = Change::Changed(rules);
        self
    }

    /// A change is checked by the rules for new objects, those for metadata, and these.
    pub(super) const fn new_and_change(mut self, rules: ChangeRules) -> Self {
        self.change = Change::NewAndChanged(rules);
        self
    }

    /// A change is checked by these rules only.
    pub(super) const fn only_change(mut self, rules: ChangeRules) -> Self {
        self.change = Change::Only(rules);
        self
    }

    /// The kind has a status of its own endpoint; `empty` is what a new object starts with.
    pub(super) const fn status(mut self, empty: fn() -> Value) -> Self {
        self.status = Some(empty);
        self.reset = &[&["status"]];
        self
    }

    /// Generations are counted, one more whenever one of these fields changes.
    pub(super) const fn generation(mut self, fields: &'static [&'static str]) -> Self {
        self.generation = fields;
        self.first_generation = true;
        self
    }

    /// Generations are counted from the first change on.
    pub(super) const fn generation_of_changes(mut self, fields: &'static [&'static str]) -> Self {
        self.generation = fields;
        self
    }

    /// The kind holds a template of pods there; it keeps what is served only.
    pub(super) const fn template(mut self, path: &'static [&'static str]) -> Self {
        self.template = path;
        self
    }

    /// What else happens to a new object, after its status and generation are set.
    pub(super) const fn on_create(mut self, prepare: fn(&mut Object)) -> Self {
        self.prepare_create = prepare;
        self
    }

    /// What else happens to a changed object, before its generation is counted.
    pub(super) const fn on_update(mut self, prepare: fn(&mut Object, &Object)) -> Self {
        self.prepare_update = prepare;
        self
    }

    /// Warnings for the client.
    pub(super) const fn warns(mut self, warnings: Warnings) -> Self {
        self.warnings = warnings;
        self
    }

    /// PUT creates what is missing.
    pub(super) const fn creates_on_update(mut self) -> Self {
        self.create_on_update = true;
        self
    }

    /// Updates must name the version they are built on.
    pub(super) const fn needs_version(mut self) -> Self {
        self.unconditional_update = false;
        self
    }

    /// Dependents are orphaned unless the caller says otherwise.
    pub(super) const fn orphans(mut self) -> Self {
        self.orphans = true;
        self
    }

    /// Fields that leave the managed fields of whoever writes them.
    pub(super) const fn resets(mut self, fields: &'static [&'static [&'static str]]) -> Self {
        self.reset = fields;
        self
    }

    fn count_generation(&self, new: &mut Object, old: &Object) {
        if self.generation.iter().any(|field| differs(new, old, field)) {
            set_generation(new, old.generation().saturating_add(1));
        }
    }
}

impl Strategy for Kind {
    fn prepare_create(&self, new: &mut Object) {
        if let Some(empty) = self.status {
            new.map_mut().insert("status".into(), empty());
        }
        if self.first_generation {
            set_generation(new, 1);
        }
        drop_unserved(new, self.template);
        (self.prepare_create)(new);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        if self.status.is_some() {
            keep(new, old, "status");
        }
        drop_unserved(new, self.template);
        (self.prepare_update)(new, old);
        self.count_generation(new, old);
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        if let Some(name) = self.name {
            meta::object_meta(new, self.namespaced, name, errors);
        }
        (self.rules)(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        match self.change {
            Change::Changed(rules) => {
                meta::object_meta_update(new, old, errors);
                rules(new, old, errors);
            }
            Change::NewAndChanged(rules) => {
                self.validate(new, errors);
                meta::object_meta_update(new, old, errors);
                rules(new, old, errors);
            }
            Change::Only(rules) => rules(new, old, errors),
        }
    }

    fn warnings(&self, new: &Object, old: Option<&Object>) -> Vec<String> {
        (self.warnings)(new, old)
    }

    fn allow_create_on_update(&self) -> bool {
        self.create_on_update
    }

    fn allow_unconditional_update(&self) -> bool {
        self.unconditional_update
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        self.reset
    }

    fn orphans_by_default(&self) -> bool {
        self.orphans
    }
}

/// The strategy of a status endpoint (or of another part of an object that has one).
pub(super) struct Status {
    kept: Kept,
    rules: ChangeRules,
    prepare: fn(&mut Object, &Object),
    warnings: Warnings,
    unconditional_update: bool,
    reset: &'static [&'static [&'static str]],
}

/// What a write to the status leaves as it was, beside everything that is not the status.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// No metadata.
    Nothing,
    /// The labels.
    Labels,
    /// What people write into metadata.
    Meta,
    /// All metadata but the managed fields.
    AllMeta,
}

impl Status {
    /// The status of a kind, with the rules for a change.
    pub(super) const fn new(rules: ChangeRules) -> Self {
        Self {
            kept: Kept::Nothing,
            rules,
            prepare: |_, _| {},
            warnings: |_, _| Vec::new(),
            unconditional_update: true,
            reset: &[&["spec"]],
        }
    }

    /// Metadata that a write to the status cannot change.
    pub(super) const fn keeps(mut self, kept: Kept) -> Self {
        self.kept = kept;
        self.reset = match kept {
            Kept::Nothing => &[&["spec"]],
            Kept::Labels => &[&["spec"], &["metadata", "labels"]],
            Kept::Meta | Kept::AllMeta => &[&["metadata"], &["spec"]],
        };
        self
    }

    /// Updates must name the version they are built on.
    pub(super) const fn needs_version(mut self) -> Self {
        self.unconditional_update = false;
        self
    }

    /// What else happens before the check.
    pub(super) const fn on_update(mut self, prepare: fn(&mut Object, &Object)) -> Self {
        self.prepare = prepare;
        self
    }

    /// Warnings for the client.
    pub(super) const fn warns(mut self, warnings: Warnings) -> Self {
        self.warnings = warnings;
        self
    }

    /// Fields that leave the managed fields of whoever writes them.
    pub(super) const fn resets(mut self, fields: &'static [&'static [&'static str]]) -> Self {
        self.reset = fields;
        self
    }
}

impl Strategy for Status {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        let fields = new.map().keys().chain(old.map().keys());
        let others: Vec<String> = fields
            .filter(|f| !matches!(f.as_str(), "apiVersion" | "kind" | "metadata" | "status"))
            .cloned()
            .collect();
        for field in others {
            keep(new, old, &field);
        }
        keep_meta(new, old, self.kept);
        (self.prepare)(new, old);
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        (self.rules)(new, old, errors);
    }

    fn warnings(&self, new: &Object, old: Option<&Object>) -> Vec<String> {
        (self.warnings)(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        self.unconditional_update
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        self.reset
    }
}

/// No rules for a change beyond those of the metadata.
pub(super) fn no_change_rules(_new: &Object, _old: &Object, _errors: &mut ErrorList) {}

/// The rules for a change of metadata alone.
pub(super) fn meta_change(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
}

/// No rules at all.
pub(super) fn nothing(_new: &Object, _old: &Object, _errors: &mut ErrorList) {}

/// A status without counters.
pub(super) fn empty() -> Value {
    Value::Object(portcullis_api::Map::new())
}

/// Puts a top-level field back to what it was.
pub(super) fn keep(new: &mut Object, old: &Object, field: &str) {
    match old.get(field) {
        Some(value) => new.map_mut().insert(field.to_owned(), value.clone()),
        None => new.map_mut().remove(field),
    };
}

/// Whether a top-level field changed; `annotations` stands for those of the metadata.
pub(super) fn differs(new: &Object, old: &Object, field: &str) -> bool {
    match field {
        "annotations" | "labels" => {
            let of = |object: &'_ Object| -> Option<Value> { object.at(&["metadata", field]).cloned() };
            of(new) != of(old)
        }
        _ => new.get(field) != old.get(field),
    }
}

fn keep_meta(new: &mut Object, old: &Object, kept: Kept) {
    const WRITTEN: [&str; 6] =
        ["deletionTimestamp", "generation", "labels", "annotations", "finalizers", "ownerReferences"];
    let fields: &[&str] = match kept {
        Kept::Nothing => &[],
        Kept::Labels => &["labels"],
        Kept::Meta => &WRITTEN,
        Kept::AllMeta => {
            let managed = new.metadata_mut().remove("managedFields");
            keep(new, old, "metadata");
            new.metadata_mut().remove("managedFields");
            if let Some(managed) = managed {
                new.metadata_mut().insert("managedFields".into(), managed);
            }
            return;
        }
    };
    for field in fields {
        match old.metadata().and_then(|meta| meta.get(*field)) {
            Some(value) => new.metadata_mut().insert((*field).to_owned(), value.clone()),
            None => new.metadata_mut().remove(*field),
        };
    }
}

/// Sets the generation.
pub(super) fn set_generation(object: &mut Object, generation: i64) {
    object.metadata_mut().insert("generation".into(), generation.into());
}
