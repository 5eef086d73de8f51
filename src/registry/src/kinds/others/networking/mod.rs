//! Ingresses, network policies and the addresses of services.

mod address;
mod ingress;
mod ingress_class;
mod network_policy;

use crate::kinds::Row;

const GROUP: &str = "networking.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "ingressclasses", "", &ingress_class::KIND),
    (GROUP, "ingresses", "", &ingress::KIND),
    (GROUP, "ingresses", "status", &ingress::STATUS),
    (GROUP, "ipaddresses", "", &address::IP_ADDRESS),
    (GROUP, "networkpolicies", "", &network_policy::KIND),
    (GROUP, "servicecidrs", "", &address::SERVICE_CIDR),
    (GROUP, "servicecidrs", "status", &address::SERVICE_CIDR_STATUS),
];
