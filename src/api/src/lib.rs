//! What an object is: names, kinds, metadata, statuses, selectors, quantities.
//!
//! Everything above this crate speaks these types; this crate knows nothing of ours. A value that
//! could be malformed (a path, a selector, a name) is parsed here once and travels as a type.

pub mod attributes;
pub mod body;
pub mod field;
pub mod ip;
mod kind;
pub mod names;
mod object;
pub mod quantity;
pub mod quota;
pub mod re2;
pub mod resources;
pub mod selector;
mod status;
pub mod time;
pub mod tree;
mod user;
mod version;
pub mod warning;
pub mod wire;

pub use attributes::{RequestInfo, Verb};
pub use body::{Body, BodyError};
pub use kind::{GroupResource, GroupVersion, Gvk, Gvr, Scope};
pub use object::{Map, Object, Value};
pub use status::{ApiError, Cause, Reason, Result};
pub use user::{Extra, UserInfo};
pub use version::compare_versions;
