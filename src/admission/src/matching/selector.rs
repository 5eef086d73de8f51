//! Selectors over the labels of namespaces and objects.

use portcullis_api::selector::LabelSelector;
use portcullis_api::{ApiError, GroupResource, Object, Result, Value};

use crate::attributes::Attributes;

/// A selector, or why it is none.
#[derive(Debug)]
pub struct Selector(std::result::Result<LabelSelector, String>);

impl Selector {
    /// Reads a selector; none selects everything, as the default of the field does.
    pub fn read(selector: Option<&Value>) -> Self {
        match selector {
            None | Some(Value::Null) => Self(Ok(LabelSelector::everything())),
            given => Self(LabelSelector::from_object(given)),
        }
    }

    fn get(&self) -> Result<&LabelSelector> {
        self.0.as_ref().map_err(|why| ApiError::internal_said(why))
    }

    /// Whether the namespace of a write is selected. What has no namespace always is; a namespace that is
    /// written is looked at as it will be.
    pub(super) fn matches_namespace(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<bool> {
        let namespace = write.home();
        if namespace.is_empty() && !write.is_any_of("", "namespaces") {
            return Ok(true);
        }
        let selector = self.get()?;
        if selector.is_everything() {
            return Ok(true);
        }
        if write.is("", "namespaces") && write.stores() {
            return Ok(object.is_some_and(|object| selector.matches_object(object)));
        }
        let namespaces = GroupResource::new("", "namespaces");
        match write.reader.get(&namespaces, "", namespace) {
            Some(namespace) => Ok(selector.matches_object(&namespace)),
            None => Err(ApiError::not_found(&namespaces, namespace)),
        }
    }

    /// Whether the object is selected, as it is or as it was.
    pub(super) fn matches_object(&self, object: Option<&Object>, old: Option<&Object>) -> Result<bool> {
        let selector = self.get()?;
        if selector.is_everything() {
            return Ok(true);
        }
        // What has no metadata (the options of a stream) has no labels to be selected by.
        let selects = |object: &Object| object.metadata().is_some() && selector.matches_object(object);
        Ok([object, old].into_iter().flatten().any(selects))
    }
}
