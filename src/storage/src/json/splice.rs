//! From the stored form of an object to the form that is served.
//!
//! Stored: apiVersion and kind first, metadata without resourceVersion. Served: neither apiVersion nor
//! kind, since the head of an answer names them, and metadata with the revision the object was
//! written at. The revision follows the uid, where upstream has it.

use std::ops::Range;

use super::JsonError;
use super::parts::Parts;
use super::scan::{Found, Member, members_of};
use super::view::View;
use crate::Revision;

const RESOURCE_VERSION: &[u8] = b"\"resourceVersion\":\"";

/// A stored object taken apart.
pub(crate) struct Object<'a> {
    /// How long it is.
    length: usize,
    /// The value of `apiVersion`.
    pub(crate) api_version: View<'a>,
    /// The value of `kind`.
    pub(crate) kind: View<'a>,
    members: Found<'a>,
    metadata: Found<'a>,
    /// The value of `metadata.labels`.
    pub(crate) labels: Option<View<'a>>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub(crate) deleting: bool,
}

/// The served form of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Spliced {
    /// The object.
    pub(crate) body: Vec<u8>,
    /// Where the digits of its revision are in it.
    pub(crate) revision: Range<usize>,
    /// Where the uid is in it, without quotes; empty if it has none.
    pub(crate) uid: Range<usize>,
}

impl<'a> Object<'a> {
    /// Finds what matters in a stored object.
    pub(crate) fn parse(stored: &'a [u8]) -> Result<Self, JsonError> {
        let members = members_of(stored).map_err(|_| JsonError::NotAnObject)?;
        let (Some(api_version), Some(kind)) =
            (value_of(&members, b"apiVersion"), value_of(&members, b"kind"))
        else {
            return Err(JsonError::NoTypeMeta);
        };
        let (api_version, kind) = (View::of_value(api_version), View::of_value(kind));
        let metadata = value_of(&members, b"metadata").ok_or(JsonError::NoMetadata)?;
        let metadata = members_of(metadata).map_err(|_| JsonError::NoMetadata)?;
        let labels = value_of(&metadata, b"labels").map(View::of_value);
        let deleting = value_of(&metadata, b"deletionTimestamp").is_some_and(|time| time != b"null");
        Ok(Self { length: stored.len(), api_version, kind, members, metadata, labels, deleting })
    }

    /// The object, to look further fields up.
    pub(crate) fn parts(&self) -> Parts<'a, '_> {
        Parts::of(&self.members)
    }

    /// Makes the served form as of `revision`.
    pub(crate) fn splice(&self, revision: Revision) -> Spliced {
        let mut digits = itoa::Buffer::new();
        let mut out = Builder {
            body: Vec::with_capacity(self.length),
            digits: digits.format(revision.0).as_bytes(),
            revision: 0..0,
            uid: 0..0,
        };
        out.body.push(b'{');
        for member in &self.members {
            match member.name {
                b"apiVersion" | b"kind" => {}
                b"metadata" => {
                    out.comma();
                    out.body.extend_from_slice(b"\"metadata\":");
                    out.metadata(&self.metadata);
                }
                _ => out.member(member.whole),
            }
        }
        out.body.push(b'}');
        out.body.shrink_to_fit();
        Spliced { body: out.body, revision: out.revision, uid: out.uid }
    }
}

struct Builder<'d> {
    body: Vec<u8>,
    digits: &'d [u8],
    revision: Range<usize>,
    uid: Range<usize>,
}

impl Builder<'_> {
    fn metadata(&mut self, members: &[Member<'_>]) {
        self.body.push(b'{');
        if members.iter().all(|member| member.name != b"uid") {
            self.resource_version();
        }
        for member in members {
            match member.name {
                b"resourceVersion" => {}
                b"uid" if self.uid.is_empty() => {
                    self.member(member.whole);
                    let end = self.body.len() - 1;
                    self.uid = end.saturating_sub(member.value.len().saturating_sub(2))..end;
                    self.resource_version();
                }
                _ => self.member(member.whole),
            }
        }
        self.body.push(b'}');
    }

    fn resource_version(&mut self) {
        if self.revision.is_empty() {
            self.comma();
            self.body.extend_from_slice(RESOURCE_VERSION);
            let start = self.body.len();
            self.body.extend_from_slice(self.digits);
            self.revision = start..self.body.len();
            self.body.push(b'"');
        }
    }

    fn member(&mut self, whole: &[u8]) {
        self.comma();
        self.body.extend_from_slice(whole);
    }

    fn comma(&mut self) {
        if self.body.last() != Some(&b'{') {
            self.body.push(b',');
        }
    }
}

fn value_of<'a>(members: &[Member<'a>], name: &[u8]) -> Option<&'a [u8]> {
    members.iter().find(|member| member.name == name).map(|member| member.value)
}
