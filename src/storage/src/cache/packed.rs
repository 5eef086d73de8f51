//! Short lists of strings in two allocations, since every cached object has some.

use std::fmt;

/// A list of strings.
#[derive(Clone, PartialEq, Eq, Default)]
struct Packed {
    text: Box<str>,
    ends: Box<[u32]>,
}

/// Builds a [`Packed`] list.
#[derive(Default)]
struct Packer {
    text: String,
    ends: Vec<u32>,
}

impl Packer {
    fn push(&mut self, item: &str) {
        self.text.push_str(item);
        // A list longer than 4 GiB cannot be: an entry's body is not.
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    fn finish(self) -> Packed {
        Packed { text: self.text.into(), ends: self.ends.into() }
    }
}

impl Packed {
    fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|index| self.get(index))
    }
}

/// An object's labels.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Labels(Packed);

impl Labels {
    /// Packs labels.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(labels: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut packer = Packer::default();
        for (key, value) in labels {
            packer.push(key.as_ref());
            packer.push(value.as_ref());
        }
        Self(packer.finish())
    }

    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// All labels, in stored order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).filter_map(|index| Some((self.0.get(2 * index)?, self.0.get(2 * index + 1)?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The values of an object's selectable fields, in the order its indexer gave them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields(Packed);

impl Fields {
    /// Packs field values.
    pub fn new<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut packer = Packer::default();
        for value in values {
            packer.push(value.as_ref());
        }
        Self(packer.finish())
    }

    /// The value of the n-th field; empty if the indexer gave none.
    pub fn get(&self, index: usize) -> &str {
        self.0.get(index).unwrap_or_default()
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_by_key() {
        let labels = Labels::new([("app", "web"), ("", "empty"), ("tier", "")]);
        assert_eq!(labels.get("app"), Some("web"));
        assert_eq!(labels.get(""), Some("empty"));
        assert_eq!(labels.get("tier"), Some(""));
        assert_eq!(labels.get("web"), None);
        assert_eq!(labels.len(), 3);
        assert!(Labels::default().is_empty());
    }

    #[test]
    fn fields_keep_their_places() {
        let fields = Fields::new(["", "node-1", "Running"]);
        assert_eq!((fields.get(0), fields.get(1), fields.get(2)), ("", "node-1", "Running"));
        assert_eq!(fields.get(3), "");
        assert_eq!(fields.iter().count(), 3);
    }
}
