//! Reading everything a store holds, without holding it.

use crate::{KeyValue, Range, Revision, Store, StoreError};

/// Bytes of values that a page should have, about.
const PAGE_BYTES: usize = 4 << 20;
const FIRST_PAGE: usize = 200;
const LARGEST_PAGE: usize = 10_000;

/// The keys of a store in order, page by page. Pages are as large as the values before let expect.
pub struct Pages<'s> {
    store: &'s dyn Store,
    range: Option<Range>,
    /// Whether all pages are of the first one's revision.
    still: bool,
    revision: Revision,
    keys: usize,
    limit: usize,
}

impl<'s> Pages<'s> {
    /// Everything at the revision of the first page. Give the engine itself, without a codec.
    pub fn at_once(store: &'s dyn Store) -> Self {
        Self { still: true, ..Self::as_they_are(store) }
    }

    /// Everything, each page as it is when it is read.
    pub fn as_they_are(store: &'s dyn Store) -> Self {
        let range = Some(Range::default());
        Self { store, range, still: false, revision: Revision::UNSET, keys: 0, limit: FIRST_PAGE }
    }

    /// The revision of the last page.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many keys there were when the first page was read.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// The next page; empty after the last one.
    ///
    /// # Errors
    /// When the store cannot be read, or has forgotten the revision meanwhile.
    pub async fn next(&mut self) -> Result<Vec<KeyValue>, StoreError> {
        let Some(range) = self.range.take() else { return Ok(Vec::new()) };
        let first = range.start.is_empty();
        let page = self.store.range(Range { uncounted: !first, ..range.limit(self.limit) }).await?;
        if first {
            self.keys = page.count;
        }
        self.revision = page.revision;
        self.expect(&page.kvs);
        if let Some(last) = page.kvs.last().filter(|_| page.more) {
            let start = format!("{}\0", last.key);
            self.range = Some(Range { start, at: self.still.then_some(page.revision), ..Range::default() });
        }
        Ok(page.kvs)
    }

    /// Makes the next page as large as this one lets expect.
    fn expect(&mut self, page: &[KeyValue]) {
        let bytes: usize = page.iter().map(|kv| kv.value.len()).sum();
        let each = (bytes / page.len().max(1)).max(1);
        self.limit = (PAGE_BYTES / each).clamp(1, LARGEST_PAGE);
    }
}

impl std::fmt::Debug for Pages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("revision", &self.revision).finish_non_exhaustive()
    }
}
