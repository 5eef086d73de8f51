//! `CreateOptions`, `UpdateOptions`, `PatchOptions`.

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::{ApiError, Map, Result, Value};
use portcullis_schema::decode::FieldValidation;
use portcullis_schema::managed::validate_manager_name;
use portcullis_schema::patch::PatchType;

use super::query::Query;

/// The options common to create, update and patch.
#[derive(Debug)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) field_manager: String,
    pub(crate) field_validation: FieldValidation,
    pub(crate) force: bool,
    /// Whether the client named the field validation.
    pub(crate) validation_named: bool,
}

impl WriteOptions {
    /// The options of a create; `kind` is the options' own kind in error messages.
    pub(crate) fn of_create(query: &Query) -> Result<Self> {
        Self::parse(query, "CreateOptions", Vec::new())
    }

    /// The options of an update.
    pub(crate) fn of_update(query: &Query) -> Result<Self> {
        Self::parse(query, "UpdateOptions", Vec::new())
    }

    /// The options of a patch.
    pub(crate) fn of_patch(query: &Query, format: PatchType) -> Result<Self> {
        let mut errors = Vec::new();
        if format == PatchType::Apply {
            if query.text("fieldManager").is_empty() {
                errors.push(Error::required(&Path::new("fieldManager"), "is required for apply patch"));
            }
        } else if query.first("force").is_some() {
            errors.push(Error::forbidden(&Path::new("force"), "may not be specified for non-apply patch"));
        }
        Self::parse(query, "PatchOptions", errors)
    }

    fn parse(query: &Query, kind: &str, mut errors: ErrorList) -> Result<Self> {
        let field_manager = query.text("fieldManager").to_owned();
        errors.extend(validate_manager_name(&field_manager, &Path::new("fieldManager")));
        let dry_run = dry_run(query.all("dryRun"), &mut errors);
        let field_validation = field_validation(query.text("fieldValidation"), &mut errors);
        refuse("meta.k8s.io", kind, &errors)?;
        let force = query.flag("force").unwrap_or(false);
        let validation_named = !query.text("fieldValidation").is_empty();
        Ok(Self { dry_run, field_manager, field_validation, force, validation_named })
    }

    /// What the server writes by itself.
    pub(crate) fn own(field_manager: &str, dry_run: bool) -> Self {
        Self {
            dry_run,
            field_manager: field_manager.to_owned(),
            field_validation: FieldValidation::Ignore,
            force: false,
            validation_named: false,
        }
    }

    /// The options as an object of a kind (`CreateOptions`, `UpdateOptions`), as admission shows them: a
    /// patch has those of what it comes to.
    pub(crate) fn tree(&self, kind: &str) -> Value {
        let mut tree = options_tree(kind, self.dry_run);
        if !self.field_manager.is_empty() {
            tree.insert("fieldManager".to_owned(), self.field_manager.as_str().into());
        }
        if self.validation_named {
            let word = match self.field_validation {
                FieldValidation::Ignore => "Ignore",
                FieldValidation::Warn => "Warn",
                FieldValidation::Strict => "Strict",
            };
            tree.insert("fieldValidation".to_owned(), word.into());
        }
        tree.into()
    }
}

/// What all options begin with.
pub(super) fn options_tree(kind: &str, dry_run: bool) -> Map<String, Value> {
    let mut tree = Map::new();
    tree.insert("kind".to_owned(), kind.into());
    tree.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
    if dry_run {
        tree.insert("dryRun".to_owned(), vec!["All"].into());
    }
    tree
}

/// Turns collected errors into the 422 of an options kind.
pub(super) fn refuse(group: &str, kind: &str, errors: &ErrorList) -> Result<()> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(group, kind, "", errors)) }
}

/// Reads `dryRun`: `All` or nothing.
pub(super) fn dry_run<'a>(values: impl Iterator<Item = &'a str>, errors: &mut ErrorList) -> bool {
    let values: Vec<&str> = values.collect();
    if values.iter().any(|value| *value != "All") {
        let shown = serde_json::Value::from(values.clone());
        errors.push(Error::not_supported(&Path::new("dryRun"), &shown, &["All"]));
    }
    !values.is_empty()
}

fn field_validation(value: &str, errors: &mut ErrorList) -> FieldValidation {
    match value {
        "" | "Warn" => FieldValidation::Warn,
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        other => {
            let path = Path::new("fieldValidation");
            errors.push(Error::not_supported(&path, other, &["", "Ignore", "Strict", "Warn"]));
            FieldValidation::Strict
        }
    }
}
