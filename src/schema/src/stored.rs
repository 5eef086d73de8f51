//! Values as other servers of the API store them.
//!
//! Upstream's write protobuf, and definitions of custom resources as JSON. Some kinds they store in a version that
//! is older than the one served, and fields that a default fills may be left out, since they fill it in again at
//! every read.
//!
//! ```text
//! protobuf  -> the kind stored, or the one with its fields that is served -> defaults
//! v1beta1 of a definition -> v1                                           -> defaults
//! ```

mod definition;
#[cfg(test)]
mod tests;

use portcullis_api::{Map, Object, Value};

use crate::decode::{DecodeError, FieldValidation};
use crate::{Kind, defaults, kind_named, protobuf};

/// Where definitions of custom resources are stored.
const DEFINITIONS: &str = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

/// Kinds that were stored in an older version with the very fields of the one that is served.
const SAME: [(&str, &str, &str, &[&str]); 4] = [
    (
        "admissionregistration.k8s.io",
        "v1beta1",
        "v1",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ],
    ),
    ("networking.k8s.io", "v1beta1", "v1", &["IPAddress", "ServiceCIDR"]),
    (
        "resource.k8s.io",
        "v1beta2",
        "v1",
        &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"],
    ),
    ("storage.k8s.io", "v1beta1", "v1", &["VolumeAttributesClass"]),
];

/// Reads a stored value that is not in the form this server stores; `None` if it is.
///
/// # Errors
/// When it is no value of a kind known here.
pub fn read_stored(key: &str, stored: &[u8]) -> Option<Result<Object, DecodeError>> {
    if stored.starts_with(protobuf::MAGIC) {
        return Some(protobuf::decode_stored(stored, served).map(|(kind, read)| settled(kind, read.object)));
    }
    if !key.starts_with(DEFINITIONS) || !definition::is_old(stored) {
        return None;
    }
    let map: Map<String, Value> = serde_json::from_slice(stored).ok()?;
    Some(read_definition(definition::upgraded(map)))
}

fn read_definition(map: Map<String, Value>) -> Result<Object, DecodeError> {
    let unknown = || DecodeError::Unrecognized { message: "definitions are not known".to_owned() };
    let kind = kind_named("apiextensions.k8s.io", "v1", "CustomResourceDefinition").ok_or_else(unknown)?;
    let read = kind.decode_tree(Value::Object(map), FieldValidation::Ignore)?;
    Ok(settled(kind, read.object))
}

/// The kind of these names, or the one that took its place.
fn served(group: &str, version: &str, name: &str) -> Option<&'static Kind> {
    let newer = || {
        let same =
            SAME.iter().find(|(of, old, _, names)| (*of, *old) == (group, version) && names.contains(&name));
        same.and_then(|(.., new, _)| kind_named(group, new, name))
    };
    kind_named(group, version, name).or_else(newer)
}

/// Fills in what the other server fills in at every read.
fn settled(kind: &Kind, mut object: Object) -> Object {
    defaults::apply(kind.gvk(), &mut object);
    kind.forget_empties(&mut object);
    object
}
