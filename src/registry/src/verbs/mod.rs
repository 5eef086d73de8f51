//! The REST verbs, one file each.

pub(crate) mod components;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod deletecollection;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod patch;
pub(crate) mod put;
pub(crate) mod update;
pub(crate) mod watch;
