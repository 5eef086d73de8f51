//! IP addresses and CIDR blocks as API fields accept them.
//!
//! Old fields once accepted leading zeros and IPv4-mapped IPv6 addresses; today they are refused
//! unless the object already held them, and forms that are merely not canonical get a warning.
//! New fields accept the canonical form only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::field::go_quote;

const NOT_AN_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NOT_A_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address block: the address as written and the length of its prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    /// The address before the slash.
    pub address: IpAddr,
    /// The length of the prefix.
    pub prefix: u8,
}

impl Cidr {
    /// Reads a block, leading zeros and mapped addresses included.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        if prefix.is_empty() || prefix.len() > 9 || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let prefix: u32 = prefix.parse().ok()?;
        let (width, address) = if address.contains(':') {
            (128, IpAddr::V6(parse_v6(address)?))
        } else {
            (32, IpAddr::V4(parse_v4(address)?))
        };
        (prefix <= width).then_some(Self { address, prefix: u8::try_from(prefix).ok()? })
    }

    /// Whether an address lies in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        let mine = self.network();
        Self { address, prefix: self.prefix }.network() == mine && address.is_ipv4() == mine.is_ipv4()
    }

    /// The first address of the block.
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        }
    }

    /// The block as Go writes an `IPNet`: the network in its shortest family.
    fn canonical(&self) -> String {
        let network = self.network();
        match (network, fold(network)) {
            (IpAddr::V6(_), IpAddr::V4(v4)) if self.prefix >= 96 => format!("{v4}/{}", self.prefix - 96),
            _ => format!("{network}/{}", self.prefix),
        }
    }

    fn is_mapped(&self) -> bool {
        self.address != fold(self.address)
    }
}

/// Reads an address as old fields did: leading zeros are ignored, mapped addresses become IPv4.
pub fn parse_sloppy(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        Some(fold(IpAddr::V6(parse_v6(text)?)))
    } else {
        Some(IpAddr::V4(parse_v4(text)?))
    }
}

/// What is wrong with an address in an old field.
pub fn legacy_address(value: &str) -> Vec<String> {
    let Some(_) = parse_sloppy(value) else { return vec![NOT_AN_IP.to_owned()] };
    match value.parse::<IpAddr>() {
        Err(_) => vec!["must not have leading 0s".to_owned()],
        Ok(address) if address != fold(address) => vec!["must not be an IPv4-mapped IPv6 address".to_owned()],
        Ok(_) => Vec::new(),
    }
}

/// What is wrong with an address in a new field: it must be canonical.
pub fn address(value: &str) -> Vec<String> {
    let messages = legacy_address(value);
    match parse_sloppy(value) {
        Some(address) if messages.is_empty() && address.to_string() != value => {
            vec![format!("must be in canonical form ({})", go_quote(&address.to_string()))]
        }
        _ => messages,
    }
}

/// What is wrong with a block in an old field.
pub fn legacy_cidr(value: &str) -> Vec<String> {
    let Some(cidr) = Cidr::parse(value) else { return vec![NOT_A_CIDR.to_owned()] };
    let message = if strict_cidr(value).is_none() {
        "must not have leading 0s in IP or prefix length"
    } else if cidr.is_mapped() {
        "must not have an IPv4-mapped IPv6 address"
    } else if cidr.address != cidr.network() {
        "must not have bits set beyond the prefix length"
    } else {
        return Vec::new();
    };
    vec![message.to_owned()]
}

/// What is wrong with a block in a new field: it must be canonical.
pub fn cidr(value: &str) -> Vec<String> {
    let messages = legacy_cidr(value);
    match Cidr::parse(value) {
        Some(cidr) if messages.is_empty() && cidr.canonical() != value => {
            vec![format!("must be in canonical form ({})", go_quote(&cidr.canonical()))]
        }
        _ => messages,
    }
}

/// What is wrong with the address of an interface, written with the length of its network's prefix.
pub fn interface_address(value: &str) -> Vec<String> {
    let Some(cidr) = Cidr::parse(value) else {
        return vec!["must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)".to_owned()];
    };
    let address = fold(cidr.address);
    let prefix = i16::from(cidr.prefix);
    let prefix = if address.is_ipv4() && prefix > 32 { prefix - 96 } else { prefix };
    let canonical = format!("{address}/{prefix}");
    if value == canonical {
        return Vec::new();
    }
    vec![format!("must be in canonical form ({})", go_quote(&canonical))]
}

/// The warning an accepted address of an old field gets.
pub fn address_warning(path: &str, value: &str) -> Option<String> {
    let sloppy = parse_sloppy(value)?;
    match value.parse::<IpAddr>() {
        Ok(address) if address == fold(address) => {
            (address.is_ipv6() && address.to_string() != value).then(|| {
                let (said, canonical) = (go_quote(value), go_quote(&address.to_string()));
                format!("{path}: IPv6 address {said} should be in RFC 5952 canonical format ({canonical})")
            })
        }
        _ => {
            let (said, right) = (go_quote(value), go_quote(&sloppy.to_string()));
            Some(format!("{path}: non-standard IP address {said} is invalid: use {right}"))
        }
    }
}

/// The warnings an accepted block of an old field gets.
pub fn cidr_warnings(path: &str, value: &str) -> Vec<String> {
    let Some(cidr) = Cidr::parse(value) else { return Vec::new() };
    let mut warnings = Vec::new();
    let said = go_quote(value);
    let canonical = go_quote(&cidr.canonical());
    if cidr.address != cidr.network() {
        let width = if cidr.address.is_ipv4() { 32 } else { 128 };
        let single = go_quote(&format!("{}/{width}", fold(cidr.address)));
        warnings.push(format!(
            "{path}: CIDR value {said} is ambiguous in this context (should be {canonical} or {single}?)"
        ));
    }
    if strict_cidr(value).is_none() || cidr.is_mapped() {
        warnings.push(format!("{path}: non-standard CIDR value {said} is invalid: use {canonical}"));
    }
    if warnings.is_empty() && cidr.address.is_ipv6() && canonical != said {
        warnings.push(format!(
            "{path}: IPv6 CIDR value {said} should be in RFC 5952 canonical format ({canonical})"
        ));
    }
    warnings
}

/// A mapped IPv6 address as the IPv4 address it means.
fn fold(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn strict_cidr(text: &str) -> Option<IpAddr> {
    let (address, prefix) = text.split_once('/')?;
    let zero_led = prefix.len() > 1 && prefix.starts_with('0');
    if zero_led { None } else { address.parse().ok() }
}

/// Four decimal octets; leading zeros are ignored.
fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 64 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// An IPv6 address; an embedded IPv4 part may have leading zeros.
fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (head, tail) = text.rsplit_once(':')?;
    if !tail.contains('.') {
        return None;
    }
    format!("{head}:{}", parse_v4(tail)?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_fields_name_what_is_ambiguous() {
        assert!(legacy_address("10.0.0.1").is_empty());
        assert!(legacy_address("FE80::1").is_empty());
        assert_eq!(legacy_address("10.0.0.01"), ["must not have leading 0s"]);
        assert_eq!(legacy_address("::ffff:1.2.3.4"), ["must not be an IPv4-mapped IPv6 address"]);
        assert_eq!(legacy_address("fe80::1%eth0"), [NOT_AN_IP]);
        assert_eq!(legacy_address("1.2.3"), [NOT_AN_IP]);
        assert_eq!(legacy_cidr("10.0.0.1/8"), ["must not have bits set beyond the prefix length"]);
        assert_eq!(legacy_cidr("10.0.0.0/08"), ["must not have leading 0s in IP or prefix length"]);
        assert_eq!(legacy_cidr("10.0.0.0/33"), [NOT_A_CIDR]);
        assert!(legacy_cidr("0.0.0.0/0").is_empty());
        assert!(legacy_cidr("2001:db8::/32").is_empty());
    }

    #[test]
    fn new_fields_want_the_canonical_form() {
        assert_eq!(address("FE80::1"), ["must be in canonical form (\"fe80::1\")"]);
        assert_eq!(cidr("2001:DB8::/32"), ["must be in canonical form (\"2001:db8::/32\")"]);
        assert!(cidr("10.0.0.0/8").is_empty());
    }

    #[test]
    fn accepted_oddities_are_warned_about() {
        assert_eq!(
            address_warning("spec.ip", "010.1.1.1").unwrap(),
            "spec.ip: non-standard IP address \"010.1.1.1\" is invalid: use \"10.1.1.1\""
        );
        assert_eq!(
            address_warning("spec.ip", "FE80::1").unwrap(),
            "spec.ip: IPv6 address \"FE80::1\" should be in RFC 5952 canonical format (\"fe80::1\")"
        );
        assert_eq!(cidr_warnings("p", "10.0.0.1/8").len(), 1);
        assert!(address_warning("p", "10.0.0.1").is_none());
    }

    proptest::proptest! {
        #[test]
        fn f042_nasty_addresses_never_panic(text in "[0-9a-fA-F:./%é]{0,60}") {
            let _ = (legacy_address(&text), address(&text), legacy_cidr(&text), cidr(&text));
            let _ = (address_warning("p", &text), cidr_warnings("p", &text));
        }
    }
}
