//! Bootstrap objects that depend on this server's own flags and keys: its service, where that leads, its
//! address range, what servers beside it trust, and that it is there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_api::{GroupVersion, Gvr, Object, Value};
use portcullis_pki::Pki;
use portcullis_registry::Registry;
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::Failure;
use super::authentication::read;
use super::health::LastAttempt;
use super::identity::Identity;
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
    options: ServeOptions,
    pki: Arc<Pki>,
    identity: Identity,
    told: LastAttempt,
}

impl Platform {
    pub(crate) fn new(options: &ServeOptions, pki: &Arc<Pki>) -> Result<Self, Failure> {
        Ok(Self {
            objects: service(options)?,
            address: advertised(options),
            port: port(options),
            shared: options.etcd_servers.as_ref().is_some_and(|servers| !servers.is_empty()),
            options: options.clone(),
            pki: pki.clone(),
            identity: Identity::new(),
            told: LastAttempt::default(),
        })
    }

    /// Whether everything could be put back the last time.
    pub(crate) fn told(&self) -> &LastAttempt {
        &self.told
    }

    /// What is said whatever other servers there are. Files may have changed, and time goes on.
    fn said(&self) -> Result<Vec<(Gvr, Object)>, Failure> {
        let mut objects = self.objects.clone();
        objects.push(trust(&self.options, &self.pki)?);
        objects.push(object("coordination.k8s.io", "leases", self.identity.lease(Timestamp::now()))?);
        Ok(objects)
    }

    /// What is there from the first moment on. Of several servers each first asks who else there is.
    pub(crate) fn first(&self) -> Result<Vec<(Gvr, Object)>, Failure> {
        let mut objects = self.said()?;
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
            let failure = self.put_back(&registry).await.err();
            if let Some(why) = &failure {
                tracing::warn!(why, "The server's own objects were not put back");
            }
            self.told.was(failure);
            if times.is_multiple_of(STRAYS_EVERY)
                && let Err(error) = registry.release_strays().await
            {
                tracing::warn!(error = error.message(), "Ports without services are not given up");
            }
        }
    }

    async fn put_back(&self, registry: &Registry) -> Result<(), String> {
        let mut objects = self.said().map_err(|failure| failure.to_string())?;
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

/// Whom servers that extend this one may believe: its clients' authorities, its own front proxy, and those
/// that it believes itself.
fn trust(options: &ServeOptions, pki: &Pki) -> Result<(Gvr, Object), Failure> {
    let authorities = |own: &str, file: &Option<PathBuf>, flag: &str| {
        let own =
            pki.authority_pem(own).map_err(|e| Failure::caused("the authorities cannot be read", &e))?;
        match file {
            Some(path) => Ok(format!("{}\n{}", own.trim_end(), read(path, flag)?)),
            None => Ok(own.to_owned()),
        }
    };
    let names = |own: &str, given: &Option<Vec<String>>| {
        let others =
            given.iter().flatten().filter(|name| !name.eq_ignore_ascii_case(own) && !name.is_empty());
        let all: Vec<&str> = std::iter::once(own).chain(others.map(String::as_str)).collect();
        json!(all).to_string()
    };
    let proxies = &options.requestheader_client_ca_file;
    let tree = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "extension-apiserver-authentication", "namespace": "kube-system" },
        "data": {
            "client-ca-file": authorities("ca", &options.client_ca_file, "--client-ca-file")?,
            "requestheader-allowed-names": names(FRONT_PROXY, &options.requestheader_allowed_names),
            "requestheader-client-ca-file":
                authorities("front-proxy-ca", proxies, "--requestheader-client-ca-file")?,
            "requestheader-extra-headers-prefix":
                names("X-Remote-Extra-", &options.requestheader_extra_headers_prefix),
            "requestheader-group-headers": names("X-Remote-Group", &options.requestheader_group_headers),
            "requestheader-uid-headers": names("X-Remote-Uid", &options.requestheader_uid_headers),
            "requestheader-username-headers": names("X-Remote-User", &options.requestheader_username_headers),
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

    #[test]
    fn servers_beside_this_one_believe_whom_it_believes() {
        let folder = tempfile::tempdir().unwrap();
        let sites = portcullis_pki::Sites::default();
        let wanted = portcullis_pki::Options { sites, token_algorithm: None };
        let pki = Pki::open_or_issue(folder.path(), wanted).unwrap();
        let told = |options: &ServeOptions, field: &str| {
            trust(options, &pki).unwrap().1.at(&["data", field]).and_then(Value::as_str).unwrap().to_owned()
        };
        let plain = ServeOptions::default();
        assert_eq!(told(&plain, "client-ca-file"), pki.authority_pem("ca").unwrap());
        assert_eq!(told(&plain, "requestheader-username-headers"), r#"["X-Remote-User"]"#);
        let file = folder.path().join("others.crt");
        std::fs::write(&file, "another authority").unwrap();
        let given = |name: &str| Some(vec![name.to_owned()]);
        let options = ServeOptions {
            client_ca_file: Some(file.clone()),
            requestheader_client_ca_file: Some(file.clone()),
            requestheader_allowed_names: given("gateway"),
            requestheader_username_headers: given("x-remote-user"),
            requestheader_group_headers: given("X-Team"),
            ..ServeOptions::default()
        };
        for field in ["client-ca-file", "requestheader-client-ca-file"] {
            let pem = told(&options, field);
            assert!(pem.starts_with("-----BEGIN") && pem.ends_with("\nanother authority"), "{field}: {pem}");
        }
        assert_eq!(told(&options, "requestheader-allowed-names"), r#"["front-proxy-client","gateway"]"#);
        assert_eq!(told(&options, "requestheader-username-headers"), r#"["X-Remote-User"]"#);
        assert_eq!(told(&options, "requestheader-group-headers"), r#"["X-Remote-Group","X-Team"]"#);
        std::fs::remove_file(&file).unwrap();
        assert!(trust(&options, &pki).is_err());
    }
}
