//! Which fields the writes of an endpoint can set at all. The others leave its owners again.
//! (Upstream's pod endpoints `resize` and `ephemeralcontainers` own whatever they are sent.)

use super::set::FieldSet;

/// The fields that an endpoint sets: all but some and what is below those.
#[derive(Clone, Copy, Debug)]
pub struct Writable<'k> {
    but: &'k [&'k [&'k str]],
}

const STATUS: &[&str] = &["status"];
const SPEC: &[&str] = &["spec"];
const METADATA: &[&str] = &["metadata"];

/// Resources whose `status` endpoint does not set metadata either.
const WITHOUT_METADATA: &[&str] = &[
    "apiservices",
    "customresourcedefinitions",
    "flowschemas",
    "prioritylevelconfigurations",
    "resourceclaims",
    "servicecidrs",
    "validatingadmissionpolicies",
    "volumeattachments",
];

/// What an endpoint of a built-in resource sets.
pub fn writable(resource: &str, subresource: &str) -> Writable<'static> {
    match (resource, subresource) {
        ("pods", "status") => {
            Writable::all_but(&[SPEC, &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]])
        }
        ("deployments", "status") => Writable::all_but(&[SPEC, &["metadata", "labels"]]),
        ("certificatesigningrequests", "") => Writable::all_but(&[SPEC, STATUS]),
        ("certificatesigningrequests", "status") => Writable::all_but(&[SPEC, &["status", "conditions"]]),
        ("certificatesigningrequests", "approval") => Writable::all_but(&[SPEC, &["status", "certificate"]]),
        (resource, "status") if WITHOUT_METADATA.contains(&resource) => Writable::STATUS_ONLY,
        (_, "status") => Writable::all_but(&[SPEC]),
        (_, "" | "finalize") => Writable::all_but(&[STATUS]),
        _ => Writable::ALL,
    }
}

impl<'k> Writable<'k> {
    /// All but these fields.
    pub const fn all_but(but: &'k [&'k [&'k str]]) -> Self {
        Self { but }
    }

    /// Everything.
    pub const ALL: Writable<'static> = Writable::all_but(&[]);

    /// What the main endpoint of a custom resource with a status subresource sets.
    pub const ALL_BUT_STATUS: Writable<'static> = Writable::all_but(&[STATUS]);

    /// What the status endpoint of a custom resource sets.
    pub const STATUS_ONLY: Writable<'static> = Writable::all_but(&[METADATA, SPEC]);

    /// The part of a set that can be set.
    #[must_use]
    pub fn of<'a>(&self, set: FieldSet<'a>) -> FieldSet<'a> {
        self.but.iter().fold(set, |set, path| set.without_field(path))
    }
}
