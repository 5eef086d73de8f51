//! How stored custom objects are shown: by the present rules, in the version asked for.
//!
//! What was written by the present rules in a version that looks the same is shown as it is stored, byte
//! for byte. Everything else is read, brought up to date, converted and kept until it changes.

use std::sync::Arc;

use portcullis_api::{ApiError, Object, Result, Value};
use portcullis_storage::Entry;

use super::Serving;
use crate::resource::Resource;

impl Resource {
    /// Whether an entry can be shown as it is.
    pub(crate) fn shows(&self, entry: &Entry) -> bool {
        self.custom().is_none_or(|serving| serving.shows(entry))
    }

    /// An entry as this version shows it.
    ///
    /// # Errors
    /// When it cannot be converted.
    pub(crate) async fn shown(&self, entry: Arc<Entry>) -> Result<Arc<Entry>> {
        if self.shows(&entry) {
            return Ok(entry);
        }
        let mut shown = self.all_shown(vec![entry]).await?;
        shown.pop().ok_or_else(|| ApiError::internal("a converted object was lost"))
    }

    /// Entries as this version shows them, converted together.
    ///
    /// # Errors
    /// When one cannot be converted.
    pub(crate) async fn all_shown(&self, mut entries: Vec<Arc<Entry>>) -> Result<Vec<Arc<Entry>>> {
        let Some(serving) = self.custom() else { return Ok(entries) };
        let mut trees = Vec::new();
        let mut places = Vec::new();
        for (place, entry) in entries.iter_mut().enumerate().filter(|(_, entry)| !serving.shows(entry)) {
            match serving.kept(entry) {
                Some(known) => *entry = known,
                None => {
                    trees.push(stored_tree(serving, entry)?);
                    places.push(place);
                }
            }
        }
        if places.is_empty() {
            return Ok(entries);
        }
        serving.convert(&mut trees, self.kind.api_version()).await?;
        for (place, tree) in places.into_iter().zip(trees) {
            let Some(entry) = entries.get_mut(place) else { continue };
            *entry = self.remade(entry, tree)?;
            serving.keep(entry.clone());
        }
        Ok(entries)
    }

    /// An object as it is to be stored.
    ///
    /// # Errors
    /// When it cannot be converted.
    pub(crate) async fn to_storage(&self, object: Object) -> Result<Object> {
        let Some(serving) = self.custom() else { return Ok(object) };
        serving.converted(object, self.stored_kind().api_version()).await
    }

    fn remade(&self, entry: &Entry, tree: Object) -> Result<Arc<Entry>> {
        let bytes = crate::resource::encode(tree, &self.kind)?;
        let made = self.cache()?.remade(entry, &bytes);
        made.map(Arc::new).map_err(|why| ApiError::internal(format!("{}: {why}", entry.key())))
    }
}

/// The tree of an entry in the version it was stored in, brought up to date.
fn stored_tree(serving: &Serving, entry: &Entry) -> Result<Object> {
    let parsed: std::result::Result<Value, _> = serde_json::from_slice(entry.body());
    let Ok(Value::Object(map)) = parsed else {
        return Err(ApiError::internal(format!("the stored object {} is not readable", entry.key())));
    };
    let mut tree = Object::new(map);
    serving.refresh(&mut tree, &entry.stored_as().api_version)?;
    Ok(tree)
}
