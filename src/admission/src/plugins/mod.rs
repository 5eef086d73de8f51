//! The built-in plugins, one file each, in upstream's order.
//!
//! To add one: a file with a unit struct that implements [`Plugin`], and its line in [`built_in`] at
//! the place upstream's order gives it.

use crate::chain::Plugin;

/// Every plugin that is on by default, in upstream's order.
pub fn built_in() -> Vec<Box<dyn Plugin>> {
    Vec::new()
}
