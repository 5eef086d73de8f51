//! `DenyServiceExternalIPs`: services take no address that was not given to them (CVE-2020-8554).
//! An option: not on by default, as upstream.

use portcullis_api::{Object, Result, Value};

use super::forbidden;
use crate::attributes::Attributes;
use crate::chain::Plugin;

pub(super) struct DenyServiceExternalIPs;

impl Plugin for DenyServiceExternalIPs {
    fn name(&self) -> &'static str {
        "DenyServiceExternalIPs"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.stores() && write.is("", "services")
    }

    fn validate(&self, write: &Attributes<'_>, service: Option<&Object>) -> Result<()> {
        let Some(service) = service else { return Ok(()) };
        let known = write.old.map_or(&[][..], addresses);
        if addresses(service).iter().all(|address| known.contains(address)) {
            return Ok(());
        }
        Err(forbidden(write, service.name(), "Use of external IPs is denied by admission control"))
    }
}

fn addresses(service: &Object) -> &[Value] {
    service.at(&["spec", "externalIPs"]).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::attributes::Operation;
    use crate::fake::{Cluster, Write};

    fn service(ips: &[&str]) -> Value {
        json!({ "metadata": { "name": "web" }, "spec": { "externalIPs": ips } })
    }

    #[test]
    fn a031_new_external_addresses_are_refused_and_old_ones_stay() {
        let create = || Write::of(Operation::Create, "services", "Service");
        let none = Cluster::default();
        create().judge(DenyServiceExternalIPs, &none, service(&[])).admitted();
        assert_eq!(
            create().judge(DenyServiceExternalIPs, &none, service(&["10.0.0.53"])).refused(),
            "services \"web\" is forbidden: Use of external IPs is denied by admission control"
        );
        let update = || create().change(service(&["10.0.0.53", "8.8.8.8"]));
        update().judge(DenyServiceExternalIPs, &none, service(&["8.8.8.8"])).admitted();
        update().judge(DenyServiceExternalIPs, &none, service(&["8.8.4.4"])).refused();
    }
}
