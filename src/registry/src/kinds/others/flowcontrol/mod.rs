//! Flow schemas and priority levels.

mod flow_schema;
mod priority_level;

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use super::kind::{Kept, Status};
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, items, text};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "flowschemas", "", &flow_schema::KIND),
    (GROUP, "flowschemas", "status", &STATUS),
    (GROUP, "prioritylevelconfigurations", "", &priority_level::KIND),
    (GROUP, "prioritylevelconfigurations", "status", &STATUS),
];

static STATUS: Status =
    Status::new(|new: &Object, _, errors| status(part(new, "status"), errors)).keeps(Kept::AllMeta);

/// The rules for a status.
fn status(status: &Value, errors: &mut ErrorList) {
    let at = At::root("status");
    let at = at.child("conditions");
    let conditions = items(status, "conditions");
    for (i, condition) in conditions.iter().enumerate() {
        let here = at.index(i);
        let kind = text(condition, "type");
        if conditions.iter().take(i).any(|other| text(other, "type") == kind) {
            here.child("type").duplicate(errors, kind);
        }
        if kind.is_empty() {
            here.child("type").required(errors, "");
        }
    }
}
