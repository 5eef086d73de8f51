//! Defaults of the core group, and of the pod templates that other groups embed.

mod image;
mod objects;
mod pod;
mod pod_resources;
mod quantities;
mod service;
mod volume;

use super::Row;

pub(crate) use pod::pod_template;
pub(crate) use quantities::resource_list;
pub(crate) use volume::{claim_spec, persistent_volume_source};

/// A row for each kind that has defaults.
pub(crate) const DEFAULTS: &[Row] = &[
    ("", "v1", "Endpoints", objects::endpoints),
    ("", "v1", "LimitRange", objects::limit_range),
    ("", "v1", "Namespace", objects::namespace),
    ("", "v1", "Node", objects::node),
    ("", "v1", "PersistentVolume", objects::persistent_volume),
    ("", "v1", "PersistentVolumeClaim", objects::persistent_volume_claim),
    ("", "v1", "Pod", pod::pod),
    ("", "v1", "PodTemplate", objects::pod_template_object),
    ("", "v1", "ReplicationController", objects::replication_controller),
    ("", "v1", "ResourceQuota", objects::resource_quota),
    ("", "v1", "Secret", objects::secret),
    ("", "v1", "Service", service::service),
];
