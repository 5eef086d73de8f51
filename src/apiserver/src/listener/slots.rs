//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// The ceilings.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionCeilings {
    /// From everywhere.
    pub total: usize,
    /// From one IPv4 address or one IPv6 /64 network.
    pub per_address: usize,
}

impl Default for ConnectionCeilings {
    fn default() -> Self {
        Self { total: 10_000, per_address: 2_500 }
    }
}

/// The places. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    ceilings: ConnectionCeilings,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    pub(super) fn new(ceilings: ConnectionCeilings) -> Self {
        Self { ceilings, taken: Arc::default() }
    }

    /// Takes a place, if there is one.
    pub(super) fn take(&self, address: IpAddr) -> Option<Slot> {
        let address = counted_as(address);
        let mut taken = self.taken.lock();
        let there = taken.by_address.get(&address).copied().unwrap_or_default();
        if taken.total >= self.ceilings.total || there >= self.ceilings.per_address {
            return None;
        }
        taken.total += 1;
        taken.by_address.insert(address, there + 1);
        Some(Slot { taken: self.taken.clone(), address })
    }
}

/// A taken place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Slot {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.total = taken.total.saturating_sub(1);
        match taken.by_address.get_mut(&self.address) {
            Some(there) if *there > 1 => *there -= 1,
            _ => {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// One customer has one IPv4 address or one IPv6 /64.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_address() {
        let slots = Slots::new(ConnectionCeilings { total: 3, per_address: 2 });
        let a: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let first = slots.take(a).unwrap();
        let _second = slots.take(mapped).unwrap();
        assert!(slots.take(a).is_none(), "two from one address");
        let _third = slots.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(slots.take("192.0.2.2".parse().unwrap()).is_none(), "three in all");
        drop(first);
        assert!(slots.take(a).is_some());
    }

    #[test]
    fn an_ipv6_network_counts_once() {
        let slots = Slots::new(ConnectionCeilings { total: 9, per_address: 1 });
        let _one = slots.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(slots.take("2001:db8::2".parse().unwrap()).is_none());
        assert!(slots.take("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
