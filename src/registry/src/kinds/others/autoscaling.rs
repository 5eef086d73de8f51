//! Horizontal pod autoscalers, in the stored form, version 2.

use super::kind::{Kind, Status, meta_change, no_rules};
use crate::kinds::Row;
use crate::kinds::meta;
use serde_json::json;

const RESOURCE: &str = "horizontalpodautoscalers";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] =
    &[("autoscaling", RESOURCE, "", &KIND), ("autoscaling", RESOURCE, "status", &STATUS)];

static KIND: Kind = Kind::namespaced(meta::dns_subdomain, no_rules)
    .status(|| json!({ "currentMetrics": null, "desiredReplicas": 0 }));
static STATUS: Status = Status::new(meta_change);
