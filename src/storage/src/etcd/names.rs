//! The store's keys as etcd has them: below `--etcd-prefix` in place of `/registry`.

use bytes::Bytes;

use crate::keys::{self, ROOT};
use crate::{Key, Range, StoreError};

/// What the store keeps for itself, below the root; never shown.
const OWN: &str = "portcullis.dev/";

/// Maps keys.
pub(super) struct Names {
    /// The root in etcd, with its slash.
    root: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        Self { root: if prefix.is_empty() { "/".to_owned() } else { format!("/{prefix}/") } }
    }

    /// All keys of the store, as etcd's interval.
    pub(super) fn all(&self) -> (Bytes, Bytes) {
        (self.root.clone().into(), keys::prefix_end(&self.root).into())
    }

    /// A key in etcd.
    pub(super) fn outer(&self, key: &str) -> Result<Bytes, StoreError> {
        let below = key.strip_prefix(ROOT).filter(|below| !below.is_empty());
        let below = below.ok_or_else(|| StoreError::Invalid(format!("{key:?} is not below {ROOT}")))?;
        Ok(format!("{}{below}", self.root).into())
    }

    /// A key of the store; `None` for what is not text or not its own.
    pub(super) fn inner(&self, key: &[u8]) -> Option<Key> {
        let below = std::str::from_utf8(key).ok()?.strip_prefix(&self.root)?;
        Some(format!("{ROOT}{below}").into())
    }

    /// An interval in etcd, cut to what is below the root.
    pub(super) fn interval(&self, range: &Range) -> (Bytes, Bytes) {
        let (first, last) = self.all();
        let start = match range.start.strip_prefix(ROOT) {
            Some(below) => format!("{}{below}", self.root).into(),
            None if range.start.as_str() < ROOT => first,
            None => last.clone(),
        };
        let end = match range.end.strip_prefix(ROOT) {
            Some(below) => format!("{}{below}", self.root).into(),
            None if !range.end.is_empty() && range.end.as_str() <= ROOT => start.clone(),
            None => last,
        };
        (start, end)
    }

    /// A key that only the store itself reads.
    pub(super) fn own(&self, what: &str) -> Bytes {
        format!("{}{OWN}{what}", self.root).into()
    }

    /// Whether a key of the store is one of those.
    pub(super) fn is_own(&self, key: &str) -> bool {
        key.strip_prefix(ROOT).is_some_and(|below| below.starts_with(OWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_prefix_takes_the_roots_place() {
        let names = Names::new("/cluster-a/");
        assert_eq!(names.outer("/registry/pods/a/b").unwrap(), "/cluster-a/pods/a/b");
        assert_eq!(&*names.inner(b"/cluster-a/pods/a/b").unwrap(), "/registry/pods/a/b");
        assert!(names.inner(b"/cluster-b/pods/a/b").is_none() && names.outer("/other/x").is_err());
        assert_eq!(names.all(), ("/cluster-a/".into(), "/cluster-a0".into()));
    }

    #[test]
    fn intervals_stay_below_the_root() {
        let names = Names::new("/registry");
        let all = names.all();
        assert_eq!(names.interval(&Range::default()), all);
        assert_eq!(names.interval(&Range::prefix("/registry/")), all);
        assert_eq!(names.interval(&Range::prefix("/registry/pods/")).1, "/registry/pods0");
        let before = names.interval(&Range { start: "/a".into(), end: "/b".into(), ..Range::default() });
        assert_eq!(before.0, before.1);
    }
}
