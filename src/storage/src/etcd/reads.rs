//! Reads by quorum: one key, a range, a stretch of history.

use bytes::Bytes;

use super::Core;
use super::cluster::RANGE;
use super::feed;
use super::proto::{KeyValue as Stored, RangeRequest, RangeResponse};
use crate::{Change, History, KeyValue, Range, RangeResult, Revision, StoreError};

/// Keys asked for at once: a range of a million does not become one message.
const PAGE: i64 = 10_000;

impl Core {
    /// One key as of a revision, or now.
    pub(super) async fn get(&self, key: &str, at: Option<Revision>) -> Result<Option<KeyValue>, StoreError> {
        let question = RangeRequest {
            key: self.names.outer(key)?,
            revision: at.map_or(0, super::signed),
            ..Default::default()
        };
        let answer: RangeResponse = self.ask(question, at).await?;
        Ok(answer.kvs.into_iter().next().and_then(|kv| self.shown(kv)))
    }

    /// The keys of an interval, page by page at one revision.
    pub(super) async fn range(&self, range: &Range) -> Result<RangeResult, StoreError> {
        let (mut key, range_end) = self.names.interval(range);
        let wanted = i64::try_from(range.limit).unwrap_or(i64::MAX);
        let mut found = RangeResult { kvs: Vec::new(), revision: Revision::UNSET, more: false, count: 0 };
        if key >= range_end {
            found.revision = self.quorum_revision().await?;
            return Ok(found);
        }
        let mut revision = range.at;
        loop {
            let got = i64::try_from(found.kvs.len()).unwrap_or(i64::MAX);
            let limit = if wanted == 0 { PAGE } else { PAGE.min(wanted.saturating_sub(got)) };
            let (start, range_end) = (key.clone(), range_end.clone());
            let at = revision.map_or(0, super::signed);
            let question = RangeRequest { key: start, range_end, limit, revision: at, ..Default::default() };
            let answer: RangeResponse = self.ask(question, revision).await?;
            if found.revision.is_unset() {
                found.revision = range.at.unwrap_or_else(|| super::revision_of(answer.header.as_ref()));
                found.count = usize::try_from(answer.count).unwrap_or(usize::MAX);
                revision = Some(found.revision);
            }
            let last = answer.kvs.last().map(|kv| kv.key.clone());
            found.kvs.extend(answer.kvs.into_iter().filter_map(|kv| self.shown(kv)));
            let full = wanted > 0 && found.kvs.len() >= range.limit;
            let Some(last) = last.filter(|_| answer.more && !full) else {
                found.more = answer.more;
                return Ok(found);
            };
            key = after(&last);
        }
    }

    async fn ask(&self, question: RangeRequest, at: Option<Revision>) -> Result<RangeResponse, StoreError> {
        let answer = self.cluster.read(RANGE, "read", question).await;
        answer.map_err(|error| match (error, at) {
            (StoreError::Compacted { .. }, Some(asked)) => {
                StoreError::Compacted { asked, oldest: self.publisher.oldest().max(asked.next()) }
            }
            (StoreError::Future { .. }, Some(asked)) => {
                StoreError::Future { asked, current: self.publisher.current() }
            }
            (other, _) => other,
        })
    }

    /// A key and value as the store shows it; `None` for what is not of the store.
    pub(super) fn shown(&self, kv: Stored) -> Option<KeyValue> {
        let key = self.names.inner(&kv.key).filter(|key| !self.names.is_own(key))?;
        Some(KeyValue { key, value: kv.value, mod_revision: super::number(kv.mod_revision) })
    }

    /// Changes under a prefix after a revision: a watch of the past that ends where the feed is now.
    pub(super) async fn history(
        &self,
        prefix: &str,
        after: Revision,
        limit: usize,
    ) -> Result<History, StoreError> {
        let (reached, target) = (self.publisher.current(), self.last_change().await?);
        let mut changes: Vec<Change> = Vec::new();
        if target <= after {
            return Ok(History { changes, reached: reached.max(after) });
        }
        let (_requests, mut stream, _) = feed::open(self, after).await?;
        loop {
            let message = tokio::time::timeout(self.timeout, stream.message()).await;
            let message = message.map_err(|_| quiet())?;
            let message = message.map_err(|status| super::failure::refused("read its history", status))?;
            let message = message.ok_or_else(quiet)?;
            feed::refuse_cancelled(&message).map_err(|error| self.too_old(error, after))?;
            let newest = message.events.last().and_then(|event| event.kv.as_ref());
            let Some(newest) = newest.map(|kv| super::number(kv.mod_revision)) else { continue };
            let found = feed::changes(self, message.events.iter(), after);
            changes.extend(found.into_iter().filter(|change| change.key.starts_with(prefix)));
            if let Some(cut) = cut(&mut changes, limit.max(1)) {
                return Ok(History { changes, reached: cut });
            }
            if newest >= target {
                return Ok(History { changes, reached: newest.max(reached) });
            }
        }
    }

    /// The newest revision that changed one of our keys: a watch that has shown it has shown everything.
    async fn last_change(&self) -> Result<Revision, StoreError> {
        /// Changes may be lost again before the mark is seen.
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            match self.publisher.changed() {
                Revision::UNSET => {
                    let mark = self.mark().await?;
                    self.reach(mark).await?;
                }
                changed => return Ok(changed),
            }
        }
        Err(quiet())
    }

    fn too_old(&self, error: StoreError, asked: Revision) -> StoreError {
        match error {
            StoreError::Compacted { oldest, .. } => {
                self.publisher.compacted(oldest);
                StoreError::Compacted { asked, oldest }
            }
            other => other,
        }
    }
}

/// Cuts changes to about a limit, never inside a revision; returns the last revision kept if it cut.
fn cut(changes: &mut Vec<Change>, limit: usize) -> Option<Revision> {
    let last = changes.get(limit - 1)?.revision;
    let end = changes.iter().position(|change| change.revision > last)?;
    changes.truncate(end);
    Some(last)
}

fn quiet() -> StoreError {
    let reason = "the watch of its history went quiet".to_owned();
    StoreError::Unavailable { doing: "read its history", reason, source: None }
}

/// The first key after one.
fn after(key: &Bytes) -> Bytes {
    [key, &b"\0"[..]].concat().into()
}
