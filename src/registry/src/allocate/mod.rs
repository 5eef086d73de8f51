//! Addresses and ports of services. What a service claims is committed in the transaction that stores
//! the service: an `IPAddress` object is both the record of a claim and the guard against a second one.

mod families;
mod ports;
mod strays;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use ipnet::Ipv4Net;
use portcullis_api::field::{Error, Path};
use portcullis_api::{ApiError, Object, Result, Value, time};
use portcullis_storage::{Change, Expect, Guard, Key, Op, Txn};
use rand::Rng as _;
use serde_json::json;

use crate::Registry;
use crate::call::Call;
use crate::kinds::core::service::addresses::related;
use ports::NodePorts;
pub(crate) use ports::Reservation;

const ADDRESSES: &str = "/registry/ipaddresses/";
const ATTEMPTS: usize = 256;
/// Addresses below this offset are left for services that ask for one (DNS, the API itself).
const STATIC_BAND: u32 = 256;

/// The ranges services are given addresses and ports from.
#[derive(Clone, Debug)]
pub struct ServiceRanges {
    /// `--service-cluster-ip-range`
    pub addresses: Ipv4Net,
    /// `--service-node-port-range`, both ends included.
    pub node_ports: std::ops::RangeInclusive<u16>,
}

impl Default for ServiceRanges {
    fn default() -> Self {
        let addresses = Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 16);
        Self { addresses, node_ports: 30000..=32767 }
    }
}

/// Hands out addresses and ports.
pub(crate) struct Allocator {
    ranges: ServiceRanges,
    ports: NodePorts,
}

/// What a write claims and gives up beside its object.
#[derive(Default)]
pub(crate) struct Claims {
    claimed: Vec<(Key, Bytes)>,
    released: Vec<Key>,
    ports: Reservation,
}

impl Claims {
    /// Adds guards and operations to the write's transaction. What is returned holds new ports until the
    /// write is seen.
    pub(crate) fn add_to(self, txn: &mut Txn) -> Reservation {
        for (key, value) in self.claimed {
            txn.guards.push(Guard { key: key.clone(), expect: Expect::Absent });
            txn.ops.push(Op::Put { key, value, ttl: None });
        }
        txn.ops.extend(self.released.into_iter().map(|key| Op::Delete { key }));
        self.ports
    }
}

impl Claims {
    /// Claims the ports that are new and gives up those that are not there any more.
    fn claim_ports(&mut self, new: &Object, old: Option<&Object>) {
        let held: BTreeSet<u16> = ports::node_ports(new).into_iter().collect();
        let had: BTreeSet<u16> = old.map(ports::node_ports).unwrap_or_default().into_iter().collect();
        let holder = json!({ "namespace": new.namespace(), "service": new.name() }).to_string();
        for port in self.ports.ports() {
            self.claimed.push((ports::claim_key(*port), holder.clone().into()));
        }
        self.released.extend(had.difference(&held).copied().map(ports::claim_key));
    }
}

impl Allocator {
    pub(crate) fn new(ranges: ServiceRanges) -> Self {
        Self { ports: NodePorts::new(ranges.node_ports.clone()), ranges }
    }

    /// Learns of ports from a committed change.
    pub(crate) fn observe(&self, change: &Change) {
        self.ports.observe(change);
    }
}

impl Registry {
    /// Completes a service with what the cluster assigns, before it is validated.
    pub(crate) fn allocate(&self, call: &Call<'_>, new: &mut Object, old: Option<&Object>) -> Result<Claims> {
        if !call.resource.is("", "services") || !call.target.subresource.is_empty() {
            return Ok(Claims::default());
        }
        if let Some(old) = old {
            families::keep_allocated(new, old);
        }
        families::sync_addresses(new, old);
        let mut errors = Vec::new();
        let old_spec = old.and_then(|old| old.get("spec"));
        related(new.get("spec").unwrap_or(&Value::Null), old_spec, &mut errors);
        if !errors.is_empty() {
            return Err(call.resource.invalid(new.name(), &errors));
        }
        let errors = families::init(new);
        if !errors.is_empty() {
            return Err(call.resource.invalid(new.name(), &errors));
        }
        let mut claims = Claims::default();
        self.claim_address(call, new, old, &mut claims)?;
        claims.ports = self
            .allocator
            .ports
            .claim(new, old, is_trial(call))
            .map_err(|errors| call.resource.invalid(new.name(), &errors))?;
        claims.claim_ports(new, old);
        Ok(claims)
    }

    /// What goes when a service goes.
    pub(crate) fn released(&self, call: &Call<'_>, last: &Object) -> Claims {
        let mut claims = Claims::default();
        if call.resource.is("", "services") {
            claims.released.extend(address_of(last).map(address_key));
            let ports: BTreeSet<u16> = ports::node_ports(last).into_iter().collect();
            claims.released.extend(ports.into_iter().map(ports::claim_key));
        }
        claims
    }

    fn claim_address(
        &self,
        call: &Call<'_>,
        new: &mut Object,
        old: Option<&Object>,
        claims: &mut Claims,
    ) -> Result<()> {
        let had = old.and_then(address_of);
        if !families::needs_address(new) {
            claims.released.extend(had.map(address_key));
            return Ok(());
        }
        let asked = new.str_at(&["spec", "clusterIP"]).to_owned();
        if had.is_some_and(|had| had.to_string() == asked) {
            return Ok(());
        }
        if new.name().is_empty() {
            return Err(self.nameless(call)?);
        }
        let address =
            if asked.is_empty() { self.free_address()? } else { self.asked_address(call, new, &asked)? };
        new.set_at(&["spec", "clusterIP"], address.to_string().into());
        new.set_at(&["spec", "clusterIPs"], json!([address.to_string()]));
        claims.claimed.push((address_key(address), address_object(address, new)?));
        claims.released.extend(had.map(address_key));
        Ok(())
    }

    /// An address is recorded under the name of its service.
    fn nameless(&self, call: &Call<'_>) -> Result<ApiError> {
        let why = format!(
            "failed to allocate IP: IPAddress.networking.k8s.io \"{}\" is invalid: spec.parentRef.name: Required value",
            self.free_address()?
        );
        let path = Path::new("spec").child("clusterIPs");
        Ok(call.resource.invalid("", &[Error::invalid(&path, json!([""]), why)]))
    }

    fn free_address(&self) -> Result<IpAddr> {
        let range = &self.allocator.ranges.addresses;
        let first = u32::from(range.network());
        let size = u32::from(range.broadcast()).saturating_sub(first);
        let band = if size > STATIC_BAND * 2 { STATIC_BAND } else { 1 };
        let mut rng = rand::rng();
        for _ in 0..ATTEMPTS {
            let address =
                IpAddr::V4(Ipv4Addr::from(first.saturating_add(rng.random_range(band..size.max(band + 1)))));
            if self.is_free(address)? {
                return Ok(address);
            }
        }
        Err(ApiError::internal_said("failed to allocate a serviceIP: range is full"))
    }

    fn asked_address(&self, call: &Call<'_>, new: &Object, asked: &str) -> Result<IpAddr> {
        let refuse = |why: String| {
            let path = Path::new("spec").child("clusterIPs");
            let shown = new.at(&["spec", "clusterIPs"]).cloned().unwrap_or_else(|| json!([asked]));
            let why = format!("failed to allocate IP {asked}: {why}");
            Err(call.resource.invalid(new.name(), &[Error::invalid(&path, &shown, why)]))
        };
        let Ok(address) = asked.parse::<IpAddr>() else { return refuse(format!("invalid IP {asked:?}")) };
        let range = &self.allocator.ranges.addresses;
        let inside = matches!(address, IpAddr::V4(v4) if range.contains(&v4) && v4 != range.network() && v4 != range.broadcast());
        if !inside {
            return refuse(format!(
                "the provided IP ({asked}) is not in the valid range. The range of valid IPs is {range}"
            ));
        }
        if !is_trial(call) && !self.is_free(address)? {
            return refuse("provided IP is already allocated".into());
        }
        Ok(address)
    }

    fn is_free(&self, address: IpAddr) -> Result<bool> {
        let Some(addresses) = self.resources().get("networking.k8s.io", "v1", "ipaddresses") else {
            return Err(ApiError::internal("the ipaddresses resource is not served"));
        };
        Ok(addresses.entry(&address_key(address))?.is_none())
    }
}

/// Whether nothing is stored in the end. Upstream then asks less of the addresses and ports that are wanted.
fn is_trial(call: &Call<'_>) -> bool {
    call.query.text("dryRun") == "All"
}

/// The address a stored service holds.
fn address_of(service: &Object) -> Option<IpAddr> {
    service.str_at(&["spec", "clusterIP"]).parse().ok()
}

fn address_key(address: IpAddr) -> Key {
    format!("{ADDRESSES}{address}").into()
}

fn address_object(address: IpAddr, service: &Object) -> Result<Bytes> {
    let object = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address.to_string(),
            "uid": uuid::Uuid::new_v4().to_string(),
            "creationTimestamp": time::now_rfc3339(),
            "labels": {
                "ipaddress.kubernetes.io/ip-family": "IPv4",
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": { "parentRef": {
            "resource": "services", "namespace": service.namespace(), "name": service.name(),
        } },
    });
    let Value::Object(map) = object else { return Err(ApiError::internal("an address is not an object")) };
    let kind = portcullis_schema::kind_named("networking.k8s.io", "v1", "IPAddress")
        .ok_or_else(|| ApiError::internal("the IPAddress kind is not built in"))?;
    crate::resource::encode(Object::new(map), &kind.into())
}
