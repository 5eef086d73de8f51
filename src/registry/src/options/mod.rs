//! The query parameters and option bodies of each verb, decoded and checked in upstream's words.

mod delete;
mod list;
mod query;
mod write;

pub(crate) use delete::{DeleteOptions, Propagation, no_such_options};
pub(crate) use list::{ListOptions, RvMatch};
pub(crate) use query::Query;
pub(crate) use write::WriteOptions;
