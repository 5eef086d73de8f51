//! Defaults of the named API groups, one file each. Groups that are not here have none.

mod admissionregistration;
mod apiextensions;
mod apiregistration;
mod apps;
mod autoscaling;
mod batch;
mod discovery;
mod flowcontrol;
mod networking;
mod rbac;
mod resource;
mod scheduling;
mod storage;

use super::Row;

/// A row for each kind that has defaults.
pub(crate) const DEFAULTS: &[Row] = &[
    ("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy", admissionregistration::policy),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingAdmissionPolicyBinding",
        admissionregistration::policy_binding,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        admissionregistration::mutating_webhooks,
    ),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", admissionregistration::policy),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        admissionregistration::policy_binding,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        admissionregistration::validating_webhooks,
    ),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", apiextensions::custom_resource_definition),
    ("apiregistration.k8s.io", "v1", "APIService", apiregistration::api_service),
    ("apps", "v1", "DaemonSet", apps::daemon_set),
    ("apps", "v1", "Deployment", apps::deployment),
    ("apps", "v1", "ReplicaSet", apps::replica_set),
    ("apps", "v1", "StatefulSet", apps::stateful_set),
    ("autoscaling", "v1", "HorizontalPodAutoscaler", autoscaling::v1),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", autoscaling::v2),
    ("batch", "v1", "CronJob", batch::cron_job),
    ("batch", "v1", "Job", batch::job),
    ("discovery.k8s.io", "v1", "EndpointSlice", discovery::endpoint_slice),
    ("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", flowcontrol::flow_schema),
    ("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", flowcontrol::priority_level),
    ("networking.k8s.io", "v1", "IngressClass", networking::ingress_class),
    ("networking.k8s.io", "v1", "NetworkPolicy", networking::network_policy),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", rbac::binding),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", rbac::binding),
    ("resource.k8s.io", "v1", "ResourceClaim", resource::claim),
    ("resource.k8s.io", "v1", "ResourceClaimTemplate", resource::claim_template),
    ("resource.k8s.io", "v1", "ResourceSlice", resource::slice),
    ("scheduling.k8s.io", "v1", "PriorityClass", scheduling::priority_class),
    ("storage.k8s.io", "v1", "CSIDriver", storage::csi_driver),
    ("storage.k8s.io", "v1", "StorageClass", storage::storage_class),
    ("storage.k8s.io", "v1", "VolumeAttachment", storage::volume_attachment),
];

#[cfg(test)]
mod tests;
