//! `ListOptions`, for list, watch and deletecollection.

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::selector::{FieldSelector, LabelSelector};
use portcullis_api::{ApiError, Result};

use super::query::Query;
use super::write::refuse;

/// `resourceVersionMatch`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RvMatch {
    /// The state at exactly this revision.
    Exact,
    /// This state or a newer one.
    NotOlderThan,
}

/// What a list or watch asks for.
pub(crate) struct ListOptions {
    pub(crate) labels: Option<LabelSelector>,
    pub(crate) fields: Option<FieldSelector>,
    pub(crate) bookmarks: bool,
    pub(crate) resource_version: String,
    pub(crate) rv_match: Option<RvMatch>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) limit: usize,
    pub(crate) cont: String,
    pub(crate) send_initial_events: Option<bool>,
}

impl ListOptions {
    /// Reads and checks the options; `watch` picks the rules.
    pub(crate) fn parse(query: &Query, watch: bool) -> Result<Self> {
        let options = Self {
            labels: selector(query.text("labelSelector"), LabelSelector::parse)?,
            fields: selector(query.text("fieldSelector"), FieldSelector::parse)?,
            bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
            resource_version: query.text("resourceVersion").to_owned(),
            rv_match: None,
            timeout_seconds: query.number("timeoutSeconds")?.map(|s| u64::try_from(s).unwrap_or(0)),
            limit: usize::try_from(query.number("limit")?.unwrap_or(0)).unwrap_or(0),
            cont: query.text("continue").to_owned(),
            send_initial_events: query.flag("sendInitialEvents"),
        };
        options.checked(query.text("resourceVersionMatch"), watch)
    }

    /// As upstream's server lists for itself, a page at a time: of a version that is named exactly that state.
    pub(crate) fn in_pages(mut self) -> Self {
        let named = !matches!(&*self.resource_version, "" | "0");
        self.rv_match = self.rv_match.or(named.then_some(RvMatch::Exact));
        self
    }

    fn checked(mut self, rv_match: &str, watch: bool) -> Result<Self> {
        let errors = if watch { self.watch_errors(rv_match) } else { self.list_errors(rv_match) };
        refuse("meta.k8s.io", "ListOptions", &errors)?;
        self.rv_match = match rv_match {
            "Exact" => Some(RvMatch::Exact),
            "NotOlderThan" => Some(RvMatch::NotOlderThan),
            _ => None,
        };
        Ok(self)
    }

    fn list_errors(&self, rv_match: &str) -> ErrorList {
        let mut errors = Vec::new();
        let path = Path::new("resourceVersionMatch");
        let mut forbid = |why: &str| errors.push(Error::forbidden(&path, why));
        if !rv_match.is_empty() {
            if self.resource_version.is_empty() {
                forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
            }
            if !self.cont.is_empty() {
                forbid("resourceVersionMatch is forbidden when continue is provided");
            }
            if !matches!(rv_match, "Exact" | "NotOlderThan") {
                errors.push(Error::not_supported(&path, rv_match, &["Exact", "NotOlderThan", ""]));
            }
            if rv_match == "Exact" && self.resource_version == "0" {
                let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                errors.push(Error::forbidden(&path, why));
            }
        }
        if self.send_initial_events.is_some() {
            let path = Path::new("sendInitialEvents");
            errors.push(Error::forbidden(&path, "sendInitialEvents is forbidden for list"));
        }
        errors
    }

    fn watch_errors(&self, rv_match: &str) -> ErrorList {
        let mut errors = Vec::new();
        let path = Path::new("resourceVersionMatch");
        let mut forbid = |why: &str| errors.push(Error::forbidden(&path, why));
        if self.send_initial_events.is_some() && rv_match != "NotOlderThan" {
            forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        let begins = rv_match.is_empty() && self.send_initial_events.is_none();
        if begins && matches!(&*self.resource_version, "" | "0") && !self.cont.is_empty() {
            // Such a watch begins with the present state, by default values that a token contradicts.
            forbid("resourceVersionMatch is forbidden when continue is provided");
        }
        if !rv_match.is_empty() {
            if self.send_initial_events.is_none() {
                forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
            }
            if rv_match != "NotOlderThan" {
                errors.push(Error::not_supported(&path, rv_match, &["NotOlderThan"]));
            }
            if !self.cont.is_empty() {
                let why = "resourceVersionMatch is forbidden when continue is provided";
                errors.push(Error::forbidden(&path, why));
            }
        }
        errors
    }
}

fn selector<T, E: std::fmt::Display>(
    text: &str,
    parse: impl FnOnce(&str) -> std::result::Result<T, E>,
) -> Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    parse(text).map(Some).map_err(|e| ApiError::bad_request(e.to_string()))
}
