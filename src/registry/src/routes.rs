//! Where a Service of the cluster can be reached by the server's own calls.
//!
//! The ready endpoints of the service are dialled themselves: the server need not be on a machine that knows
//! how to reach service addresses. A service without slices is dialled by its address.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use portcullis_api::{GroupResource, Object, Value};
use portcullis_outbound::ServiceRoutes;
use rand::seq::SliceRandom as _;

use crate::Registry;
use crate::admission::Reader as _;
use crate::kinds::check::{items, text};

const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Looks services up in the registry, as soon as there is one.
#[derive(Default)]
pub(crate) struct Routes(OnceLock<Weak<Registry>>);

impl Routes {
    /// Looks them up there from now on.
    pub(crate) fn follow(&self, registry: &Arc<Registry>) {
        // There is one registry.
        let _ = self.0.set(Arc::downgrade(registry));
    }
}

#[async_trait]
impl ServiceRoutes for Routes {
    async fn addresses(&self, namespace: &str, name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let registry = self.0.get().and_then(Weak::upgrade).ok_or("services are not known yet")?;
        let services = GroupResource::new("", "services");
        let service = registry.get(&services, namespace, name);
        let service = service.ok_or_else(|| format!("service {name:?} not found"))?;
        let spec = service.get("spec").unwrap_or(&Value::Null);
        if text(spec, "type") == "ExternalName" {
            return external(text(spec, "externalName"), port).await;
        }
        let wanted = |one: &&Value| one.get("port").and_then(Value::as_u64) == Some(u64::from(port));
        let found = items(spec, "ports").iter().find(wanted);
        let found = found.ok_or_else(|| format!("no service port {port} found for service {name:?}"))?;
        let mut addresses = endpoints(&registry, namespace, name, text(found, "name"));
        addresses.shuffle(&mut rand::rng());
        addresses.extend(cluster_address(spec, port));
        if addresses.is_empty() {
            Err(format!("no endpoints available for service {name:?}"))
        } else {
            Ok(addresses)
        }
    }
}

/// The name is somebody else's; what it resolves to is looked at before it is dialled.
async fn external(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((host, port)).await;
    found.map(Iterator::collect).map_err(|_| format!("lookup {host}: no such host"))
}

fn cluster_address(spec: &Value, port: u16) -> Option<SocketAddr> {
    text(spec, "clusterIP").parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port))
}

/// The ready endpoints of a port.
fn endpoints(registry: &Registry, namespace: &str, service: &str, port: &str) -> Vec<SocketAddr> {
    let slices = registry.list(&GroupResource::new("discovery.k8s.io", "endpointslices"), namespace);
    let of_service =
        |slice: &&Arc<Object>| slice.labels().any(|(key, value)| key == SERVICE_NAME && value == service);
    slices.iter().filter(of_service).flat_map(|slice| ready(slice, port)).collect()
}

fn ready(slice: &Object, port: &str) -> Vec<SocketAddr> {
    let list = |field: &str| slice.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let number = list("ports").iter().find(|one| text(one, "name") == port);
    let number = number.and_then(|one| one.get("port")).and_then(Value::as_u64);
    let Some(number) = number.and_then(|number| u16::try_from(number).ok()) else { return Vec::new() };
    let is_ready = |one: &&Value| one.pointer("/conditions/ready") != Some(&Value::Bool(false));
    let addresses = list("endpoints")
        .iter()
        .filter(is_ready)
        .filter_map(|one| one.pointer("/addresses/0")?.as_str()?.parse::<IpAddr>().ok());
    addresses.map(|address| SocketAddr::new(address, number)).collect()
}
