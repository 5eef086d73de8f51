//! Where objects live: a revisioned key-value store, and the cache that every read and watch is
//! served from.
//!
//! A write is a [`Txn`]: guards, operations and at most one outbox record that become durable together
//! at one [`Revision`], or not at all. [`Store`] is the engine's contract, with etcd's semantics;
//! [`Embedded`] is the engine of a single machine, [`Etcd`] that of several API servers; [`Coded`] encrypts
//! above either. Above any engine, [`Caches`] keeps one
//! [`ResourceCache`] per resource: an ordered map of ready-made JSON bodies with constant-time
//! snapshots, and a ring of recent events that all watchers share.
//!
//! ```text
//!  commit(Txn) -> queue -> one writer: guards, rows, one durable commit
//!                              -> caches, observers (inline, in revision order)
//!                              -> watchers woken -> the caller is answered
//! ```

mod cache;
mod coded;
mod dump;
mod embedded;
mod encryption;
mod error;
mod etcd;
mod json;
pub mod keys;
mod reseal;
mod revision;
mod store;
mod watch;

pub use cache::{
    Caches, Entry, Event, EventType, Events, Fields, FrameKey, Indexer, Labels, NoFields, Observed, Resource,
    ResourceCache, RingLimits, Snapshot, Trait, TypeMeta, WatchError, WatchStart, Watcher, held_bytes,
};
pub use coded::{Codec, CodecError, Coded, Foreign, Plain};
pub use dump::{Decoder, Digest, DumpError, DumpFile, Pages, Saving, Summary, summary};
pub use embedded::{Embedded, Options};
pub use encryption::{Encryption, LiveEncryption, OwnKey, Placed, check_config, check_envelope};
pub use error::StoreError;
pub use etcd::{Etcd, EtcdOptions, EtcdTls};
pub use json::{JsonError, Parts, View};
pub use reseal::{Resealed, reseal};
pub use revision::Revision;
pub use store::{
    Change, CommitOutcome, Expect, Guard, History, Key, KeyValue, Observer, Op, OutboxRecord, Range,
    RangeResult, Store, Txn,
};
pub use watch::StoreWatch;
