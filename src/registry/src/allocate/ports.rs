//! Node ports: one holder each, over all services.
//!
//! What this server has seen is in memory. What another server gives out at the same moment is not: beside
//! its service every new port is claimed by a key of its own, which only one transaction can make.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::{Object, Value};
use portcullis_storage::{Change, Key};
use rand::Rng as _;

pub(super) const SERVICES: &str = "/registry/services/specs/";
/// Where claims are.
pub(super) const CLAIMS: &str = "/registry/portcullis.dev-nodeports/";
const ATTEMPTS: usize = 512;

/// Who holds which port.
pub(super) struct NodePorts {
    range: RangeInclusive<u16>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    by_service: HashMap<Key, Vec<u16>>,
    used: HashSet<u16>,
    /// Given out, not yet seen committed.
    reserved: HashSet<u16>,
}

/// Ports given to a write in flight; they are free again when it is dropped, unless the write was
/// committed meanwhile.
#[derive(Default)]
pub(crate) struct Reservation {
    held: Option<Arc<Mutex<Held>>>,
    ports: Vec<u16>,
    /// Whether the write is a dry run, for which upstream does not ask about the range.
    trial: bool,
}

impl Reservation {
    /// The ports that were given.
    pub(super) fn ports(&self) -> &[u16] {
        &self.ports
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            let mut held = held.lock();
            for port in &self.ports {
                held.reserved.remove(port);
            }
        }
    }
}

impl NodePorts {
    pub(super) fn new(range: RangeInclusive<u16>) -> Self {
        Self { range, held: Arc::default() }
    }

    pub(super) fn observe(&self, change: &Change) {
        if !change.key.starts_with(SERVICES) {
            return;
        }
        let ports = change.value.as_ref().map(|value| stored_ports(value)).unwrap_or_default();
        let mut held = self.held.lock();
        for port in held.by_service.remove(&change.key).unwrap_or_default() {
            held.used.remove(&port);
        }
        if !ports.is_empty() {
            held.used.extend(ports.iter().copied());
            held.by_service.insert(change.key.clone(), ports);
        }
    }

    /// Gives a service the ports it needs and does not have yet.
    pub(super) fn claim(
        &self,
        service: &mut Object,
        old: Option<&Object>,
        trial: bool,
    ) -> Result<Reservation, ErrorList> {
        let had: HashSet<u16> = old.map(node_ports).unwrap_or_default().into_iter().collect();
        let mut reservation = Reservation { held: Some(self.held.clone()), ports: Vec::new(), trial };
        if !uses_node_ports(service) {
            if old.is_some_and(uses_node_ports) {
                clear_node_ports(service);
            }
            return Ok(reservation);
        }
        let allocates = service.str_at(&["spec", "type"]) != "LoadBalancer"
            || service.at(&["spec", "allocateLoadBalancerNodePorts"]) != Some(&Value::Bool(false));
        let mut held = self.held.lock();
        let mut errors = Vec::new();
        let mut given: HashMap<(u16, bool), Option<u64>> = HashMap::new();
        for (at, port) in ports_mut(service).iter_mut().enumerate() {
            let path = Path::new("spec").child("ports").index(at).child("nodePort");
            let is_udp = port.get("protocol").and_then(Value::as_str) == Some("UDP");
            let own = port.get("port").and_then(Value::as_u64);
            let asked = port.get("nodePort").and_then(Value::as_u64).unwrap_or(0);
            let number = match u16::try_from(asked) {
                Ok(0) if !allocates => continue,
                Ok(0) => self.free(&mut held, &mut reservation, &path),
                Ok(asked) if had.contains(&asked) => Ok(asked),
                // Two protocols share a port of the nodes if they share the service's.
                Ok(asked) if given.get(&(asked, !is_udp)).is_some_and(|other| *other == own) => Ok(asked),
                Ok(asked) => self.asked(&mut held, &mut reservation, asked, &path),
                Err(_) => continue,
            };
            match number {
                Ok(number) => {
                    given.insert((number, is_udp), own);
                    if let Some(map) = port.as_object_mut() {
                        map.insert("nodePort".into(), number.into());
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        self.claim_health_check(service, &had, &mut held, &mut reservation, &mut errors);
        drop(held);
        if errors.is_empty() { Ok(reservation) } else { Err(errors) }
    }

    fn claim_health_check(
        &self,
        service: &mut Object,
        had: &HashSet<u16>,
        held: &mut Held,
        reservation: &mut Reservation,
        errors: &mut ErrorList,
    ) {
        if !needs_health_check_port(service) {
            return;
        }
        let path = Path::new("spec").child("healthCheckNodePort");
        let asked = service.at(&["spec", "healthCheckNodePort"]).and_then(Value::as_u64).unwrap_or(0);
        let number = match u16::try_from(asked) {
            Ok(0) => self.free(held, reservation, &path),
            Ok(asked) if had.contains(&asked) => return,
            Ok(asked) => self.asked(held, reservation, asked, &path),
            Err(_) => return,
        };
        match number {
            Ok(number) => service.set_at(&["spec", "healthCheckNodePort"], number.into()),
            Err(error) => errors.push(error),
        }
    }

    fn free(&self, held: &mut Held, reservation: &mut Reservation, path: &Path) -> Result<u16, Error> {
        let mut rng = rand::rng();
        for _ in 0..ATTEMPTS {
            let port = rng.random_range(self.range.clone());
            if !held.used.contains(&port) && held.reserved.insert(port) {
                reservation.ports.push(port);
                return Ok(port);
            }
        }
        Err(Error::internal(path, "failed to allocate a nodePort: range is full"))
    }

    fn asked(
        &self,
        held: &mut Held,
        reservation: &mut Reservation,
        port: u16,
        path: &Path,
    ) -> Result<u16, Error> {
        let shown = i64::from(port);
        if !reservation.trial && !self.range.contains(&port) {
            let why = format!(
                "provided port is not in the valid range. The range of valid ports is {}-{}",
                self.range.start(),
                self.range.end()
            );
            return Err(Error::invalid(path, shown, why));
        }
        if held.used.contains(&port) || !held.reserved.insert(port) {
            return Err(Error::invalid(path, shown, "provided port is already allocated"));
        }
        reservation.ports.push(port);
        Ok(port)
    }
}

/// Whether the service's type opens ports on nodes.
pub(super) fn uses_node_ports(service: &Object) -> bool {
    matches!(service.str_at(&["spec", "type"]), "NodePort" | "LoadBalancer")
}

/// Whether the service has a health check port on nodes.
pub(super) fn needs_health_check_port(service: &Object) -> bool {
    service.str_at(&["spec", "type"]) == "LoadBalancer"
        && service.str_at(&["spec", "externalTrafficPolicy"]) == "Local"
}

/// Ports that an update leaves at zero keep the number they had.
pub(super) fn keep_node_ports(new: &mut Object, old: &Object) {
    let had: Vec<(Option<&Value>, Option<&Value>, &Value)> = ports(old)
        .iter()
        .filter_map(|port| Some((port.get("port"), port.get("protocol"), port.get("nodePort")?)))
        .collect();
    for port in ports_mut(new)
        .iter_mut()
        .filter(|port| port.get("nodePort").and_then(Value::as_u64).unwrap_or(0) == 0)
    {
        let same = had
            .iter()
            .find(|(number, protocol, _)| *number == port.get("port") && *protocol == port.get("protocol"));
        let kept = same.map(|(_, _, node_port)| (*node_port).clone());
        if let (Some(kept), Some(map)) = (kept, port.as_object_mut()) {
            map.insert("nodePort".into(), kept);
        }
    }
}

fn clear_node_ports(service: &mut Object) {
    for port in ports_mut(service).iter_mut().filter_map(Value::as_object_mut) {
        port.remove("nodePort");
    }
}

fn ports(service: &Object) -> &[Value] {
    service.at(&["spec", "ports"]).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn ports_mut(service: &mut Object) -> &mut [Value] {
    let spec = service.map_mut().get_mut("spec");
    let list = spec.and_then(|spec| spec.get_mut("ports")).and_then(Value::as_array_mut);
    list.map_or(&mut [], Vec::as_mut_slice)
}

/// The key that claims a port.
pub(super) fn claim_key(port: u16) -> Key {
    format!("{CLAIMS}{port}").into()
}

/// All ports on nodes that a service has.
pub(super) fn node_ports(service: &Object) -> Vec<u16> {
    let health = service.at(&["spec", "healthCheckNodePort"]);
    ports(service)
        .iter()
        .filter_map(|port| port.get("nodePort"))
        .chain(health)
        .filter_map(|number| u16::try_from(number.as_u64()?).ok())
        .filter(|number| *number != 0)
        .collect()
}

pub(super) fn stored_ports(value: &[u8]) -> Vec<u16> {
    serde_json::from_slice(value).map(|map| node_ports(&Object::new(map))).unwrap_or_default()
}
