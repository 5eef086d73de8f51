//! Bootstrap objects that depend on this server's own flags and keys: its service, where that leads, its
//! address range, and what servers beside it trust.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::{GroupVersion, Gvr, Object, Value};
use portcullis_pki::Pki;
use portcullis_registry::Registry;
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::Failure;
use super::options::ServeOptions;

/// How often it is seen to that they are there, as often as upstream does.
const AGAIN: Duration = Duration::from_secs(10);
/// Ports without services are looked for at the first time and then every ten minutes.
const STRAYS_EVERY: u64 = 60;
/// Who may name users in headers, to servers that this one forwards to.
const FRONT_PROXY: &str = "front-proxy-client";

/// What the server says of itself again and again: pods find the server through it.
pub(crate) struct Platform {
    /// Whatever other servers there are.
    objects: Vec<(Gvr, Object)>,
    address: Option<IpAddr>,
    port: u16,
    /// Whether other servers may share the store.
    shared: bool,
}

impl Platform {
    pub(crate) fn new(options: &ServeOptions, pki: &Pki) -> Result<Self, Failure> {
        let mut objects = service(options)?;
        objects.push(trust(pki)?);
        let shared = options.etcd_servers.as_ref().is_some_and(|servers| !servers.is_empty());
        Ok(Self { objects, address: advertised(options), port: port(options), shared })
    }

    /// What is there from the first moment on. Of several servers each first asks who else there is.
    pub(crate) fn first(&self) -> Result<Vec<(Gvr, Object)>, Failure> {
        let mut objects = self.objects.clone();
        if let Some(address) = self.address.filter(|_| !self.shared) {
            objects.extend(endpoints(&[address], self.port)?);
        }
        Ok(objects)
    }

    /// Puts everything back, for ever.
    pub(crate) async fn keep(self: Arc<Self>, registry: Arc<Registry>) {
        let mut timer = tokio::time::interval(AGAIN);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for times in 0_u64.. {
            timer.tick().await;
            if let Err(why) = self.put_back(&registry).await {
                tracing::warn!(why, "The server's own objects were not put back");
            }
            if times.is_multiple_of(STRAYS_EVERY)
                && let Err(error) = registry.release_strays().await
            {
                tracing::warn!(error = error.message(), "Ports without services are not given up");
            }
        }
    }

    async fn put_back(&self, registry: &Registry) -> Result<(), String> {
        let mut objects = self.objects.clone();
        if let Some(address) = self.address {
            let addresses = if self.shared {
                registry.announce(address).await.map_err(|error| error.message().to_owned())?
            } else {
                vec![address]
            };
            objects.extend(endpoints(&addresses, self.port).map_err(|failure| failure.to_string())?);
        }
        registry.bootstrap(objects).await.map_err(|error| error.message().to_owned())
    }

    /// Takes this server out of the endpoints, so that nobody new comes while it drains.
    pub(crate) async fn leave(&self, registry: &Registry) {
        let Some(address) = self.address.filter(|_| self.shared) else { return };
        let left = async {
            let others = registry.withdraw(address).await.map_err(|error| error.message().to_owned())?;
            if others.is_empty() {
                return Ok(());
            }
            let objects = endpoints(&others, self.port).map_err(|failure| failure.to_string())?;
            registry.bootstrap(objects.into()).await.map_err(|error| error.message().to_owned())
        };
        if let Err(why) = left.await {
            tracing::warn!(why, "The server is still listed; its record ends by itself");
        }
    }
}

fn port(options: &ServeOptions) -> u16 {
    options.secure_port.filter(|port| *port != 0).unwrap_or(6443)
}

/// The service range and the `kubernetes` service in it.
fn service(options: &ServeOptions) -> Result<Vec<(Gvr, Object)>, Failure> {
    let ranges = options.service_ranges()?;
    let first = Ipv4Addr::from(u32::from(ranges.addresses.network()).saturating_add(1));
    let port = port(options);
    Ok(vec![
        object(
            "networking.k8s.io",
            "servicecidrs",
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
                "metadata": { "name": "kubernetes" },
                "spec": { "cidrs": [ranges.addresses.to_string()] },
            }),
        )?,
        object(
            "",
            "services",
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {
                    "name": "kubernetes", "namespace": "default",
                    "labels": { "component": "apiserver", "provider": "kubernetes" },
                },
                "spec": {
                    "type": "ClusterIP", "clusterIP": first.to_string(), "clusterIPs": [first.to_string()],
                    "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
                    "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": port }],
                },
            }),
        )?,
    ])
}

/// Where pods reach the server: what was asked for, or the address it listens on, or the one this machine
/// has where it listens on all. A server on loopback is reached by nobody else.
fn advertised(options: &ServeOptions) -> Option<IpAddr> {
    let reachable = |address: &IpAddr| !address.is_loopback() && !address.is_unspecified();
    let bound = options.bind_address.filter(IpAddr::is_unspecified).and_then(|_| outward());
    options.advertise_address.or(options.bind_address.filter(reachable)).or(bound)
}

/// The address this machine would send from. Nothing is sent: the address is one of those kept for
/// documents.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().map(|address: SocketAddr| address.ip()).ok().filter(|address| !address.is_loopback())
}

fn endpoints(addresses: &[IpAddr], port: u16) -> Result<[(Gvr, Object); 2], Failure> {
    let address_type = if addresses.iter().all(IpAddr::is_ipv4) { "IPv4" } else { "IPv6" };
    let listed: Vec<Value> = addresses.iter().map(|address| json!({ "ip": address.to_string() })).collect();
    let each =
        |address: &IpAddr| json!({ "addresses": [address.to_string()], "conditions": { "ready": true } });
    let sliced: Vec<Value> = addresses.iter().map(each).collect();
    let ports = json!([{ "name": "https", "port": port, "protocol": "TCP" }]);
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" },
        },
        "subsets": [{ "addresses": listed, "ports": ports }],
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": { "kubernetes.io/service-name": "kubernetes" },
        },
        "addressType": address_type,
        "endpoints": sliced,
        "ports": ports,
    });
    Ok([object("", "endpoints", endpoints)?, object("discovery.k8s.io", "endpointslices", slice)?])
}

/// Whom servers that extend this one may believe: its clients' authority, and its own front proxy.
fn trust(pki: &Pki) -> Result<(Gvr, Object), Failure> {
    let authority = |name: &str| {
        pki.authority_pem(name).map_err(|error| Failure::caused("the authorities cannot be read", &error))
    };
    let names = |names: &[&str]| json!(names).to_string();
    let tree = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "extension-apiserver-authentication", "namespace": "kube-system" },
        "data": {
            "client-ca-file": authority("ca")?,
            "requestheader-allowed-names": names(&[FRONT_PROXY]),
            "requestheader-client-ca-file": authority("front-proxy-ca")?,
            "requestheader-extra-headers-prefix": names(&["X-Remote-Extra-"]),
            "requestheader-group-headers": names(&["X-Remote-Group"]),
            "requestheader-uid-headers": names(&["X-Remote-Uid"]),
            "requestheader-username-headers": names(&["X-Remote-User"]),
        },
    });
    object("", "configmaps", tree)
}

fn object(group: &str, resource: &str, tree: Value) -> Result<(Gvr, Object), Failure> {
    let Value::Object(map) = tree else { return Err(Failure::new("a bootstrap object is not an object")) };
    Ok((Gvr::new(GroupVersion::new(group, "v1"), resource), Object::new(map)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bind: Option<&str>, advertise: Option<&str>) -> Option<String> {
        let parsed = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let options = ServeOptions {
            bind_address: parsed(bind),
            advertise_address: parsed(advertise),
            ..ServeOptions::default()
        };
        advertised(&options).map(|address| address.to_string())
    }

    #[test]
    fn nobody_is_sent_to_loopback() {
        assert_eq!(told(None, None), None);
        assert_eq!(told(Some("127.0.0.1"), None), None);
        assert_eq!(told(Some("10.1.2.3"), None).as_deref(), Some("10.1.2.3"));
        assert_eq!(told(Some("127.0.0.1"), Some("10.1.2.3")).as_deref(), Some("10.1.2.3"));
        assert!(!told(Some("0.0.0.0"), None).is_some_and(|address| address.starts_with("127.")));
    }
}
