//! Addresses no call of ours may reach, whoever named them.
//!
//! Names and addresses of webhooks come from people who may write webhook configurations, not from
//! the operator of this machine: they must not become a way into what only this machine can reach,
//! such as a cloud's metadata service. The guard looks at the address that is dialled, after names are
//! resolved, so that a name which resolves differently the second time changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses an endpoint may be at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressGuard {
    /// The operator named the endpoint: everything but what is never a target.
    #[default]
    Operator,
    /// A user of the API named it: the same without this machine's own addresses unless the name is
    /// literally local, as upstream's webhooks allow.
    Api {
        /// Whether the configured host is `localhost` or a loopback address.
        local: bool,
    },
}

impl AddressGuard {
    /// Whether a call may go to this address.
    pub fn permits(self, address: IpAddr) -> bool {
        let address = plain(address);
        match self {
            _ if is_never_a_target(address) => false,
            Self::Operator => true,
            Self::Api { local } => local || !address.is_loopback(),
        }
    }
}

/// Whether nothing of ours is ever there: link-local (metadata services), unspecified, multicast, broadcast.
pub fn is_never_a_target(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(v4) => {
            let this_network = v4.octets().first() == Some(&0);
            v4.is_link_local() || this_network || v4.is_multicast() || v4 == Ipv4Addr::BROADCAST
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast() || v6 == AWS_METADATA
        }
    }
}

const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// An address as it is reached: an IPv4 address in IPv6 clothes is that IPv4 address, whether the kernel takes the
/// clothes off (`::ffff:0:0/96`) or a translator on the way does (NAT64, `64:ff9b::/96`).
fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
            }
            _ => IpAddr::V6(v6),
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a073_a_mapped_address_is_the_address_it_maps() {
        for text in ["::ffff:169.254.169.254", "169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::"]
        {
            let address = text.parse().unwrap();
            assert!(!AddressGuard::Operator.permits(address), "{text}");
            assert!(!AddressGuard::Api { local: true }.permits(address), "{text}");
        }
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        assert!(!AddressGuard::Api { local: false }.permits(mapped));
        assert!(AddressGuard::Api { local: true }.permits(mapped));
        assert!(AddressGuard::Operator.permits(mapped));
    }

    #[test]
    fn j037_an_address_is_judged_as_what_it_reaches() {
        for text in
            ["64:ff9b::a9fe:a9fe", "64:ff9b::169.254.169.254", "0.0.0.1", "0.255.0.1", "64:ff9b::", "ff02::1"]
        {
            assert!(!AddressGuard::Operator.permits(text.parse().unwrap()), "{text}");
        }
        let local: IpAddr = "64:ff9b::127.0.0.1".parse().unwrap();
        assert!(!AddressGuard::Api { local: false }.permits(local));
        // What is no address in one reading is none in any: nothing else is resolved to one here.
        for text in ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "127.0.0.01", "fe80::1%lo"] {
            assert!(text.parse::<IpAddr>().is_err(), "{text}");
        }
        assert!(AddressGuard::Api { local: false }.permits("64:ff9b::203.0.113.9".parse().unwrap()));
    }

    #[test]
    fn clusters_own_addresses_are_targets() {
        for text in ["10.96.0.10", "192.168.1.1", "fd12::1", "203.0.113.9"] {
            assert!(AddressGuard::Api { local: false }.permits(text.parse().unwrap()), "{text}");
        }
    }
}
