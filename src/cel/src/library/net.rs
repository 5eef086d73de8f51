//! Addresses and ranges of addresses, without zones and without IPv4 written as IPv6.

use std::fmt;
use std::net::IpAddr;

use super::Native;
use super::format::go_quoted;
use crate::error::Fault;
use crate::meter::Meter;
use crate::value::{Opaque, Val};

/// A range of addresses; the address may have bits behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.bits)
    }
}

impl Cidr {
    /// The octets that the prefix takes.
    pub(crate) fn size(self) -> u64 {
        u64::from(self.bits).div_ceil(8)
    }

    fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or_default();
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or_default();
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, bits: self.bits }
    }

    fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Self { address, bits: self.bits }.masked() == self.masked()
    }

    fn contains_range(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }
}

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "isIP" => |args, _| text(args, |text| Ok(Val::Bool(address(text).is_ok()))),
        "ip.isCanonical" => {
            |args, _| text(args, |text| address(text).map(|address| Val::Bool(address.to_string() == text)))
        }
        "family" => |args, _| one(args, |address| Val::Int(if address.is_ipv4() { 4 } else { 6 })),
        "isUnspecified" => |args, _| one(args, |address| Val::Bool(address.is_unspecified())),
        "isLoopback" => |args, _| one(args, |address| Val::Bool(address.is_loopback())),
        "isLinkLocalMulticast" => |args, _| one(args, |address| Val::Bool(is_link_local_multicast(address))),
        "isLinkLocalUnicast" => |args, _| one(args, |address| Val::Bool(is_link_local(address))),
        "isGlobalUnicast" => |args, _| one(args, |address| Val::Bool(is_global(address))),
        "cidr" => |args, _| text(args, |text| range(text).map(cidr)),
        "isCIDR" => |args, _| text(args, |text| Ok(Val::Bool(range(text).is_ok()))),
        "containsIP" => contains_ip,
        "containsCIDR" => contains_cidr,
        "prefixLength" => |args, _| of_range(args, |range| Val::Int(i64::from(range.bits))),
        "masked" => |args, _| of_range(args, |range| cidr(range.masked())),
        _ => return None,
    })
}

/// The address that a text spells, or that a range has.
pub(super) fn ip<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::String(text)] => address(text.as_str()).map(|address| Val::Opaque(Opaque::Ip(address))),
        [Val::Opaque(Opaque::Cidr(range))] => Ok(Val::Opaque(Opaque::Ip(range.address))),
        _ => Err(Fault::Arguments),
    }
}

fn cidr<'v>(range: Cidr) -> Val<'v> {
    Val::Opaque(Opaque::Cidr(range))
}

fn text<'v>(args: &[Val<'v>], read: impl FnOnce(&str) -> Result<Val<'v>, Fault>) -> Result<Val<'v>, Fault> {
    match args {
        [Val::String(text)] => read(text.as_str()),
        _ => Err(Fault::Arguments),
    }
}

fn one<'v>(args: &[Val<'v>], take: impl FnOnce(IpAddr) -> Val<'v>) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Ip(address))] => Ok(take(*address)),
        _ => Err(Fault::Arguments),
    }
}

fn of_range<'v>(args: &[Val<'v>], take: impl FnOnce(Cidr) -> Val<'v>) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Cidr(range))] => Ok(take(*range)),
        _ => Err(Fault::Arguments),
    }
}

fn contains_ip<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    let (range, address) = match args {
        [Val::Opaque(Opaque::Cidr(range)), Val::String(text)] => (range, address(text.as_str())?),
        [Val::Opaque(Opaque::Cidr(range)), Val::Opaque(Opaque::Ip(address))] => (range, *address),
        _ => return Err(Fault::Arguments),
    };
    Ok(Val::Bool(range.contains(address)))
}

fn contains_cidr<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    let (range, other) = match args {
        [Val::Opaque(Opaque::Cidr(one)), Val::String(text)] => (one, range(text.as_str())?),
        [Val::Opaque(Opaque::Cidr(one)), Val::Opaque(Opaque::Cidr(other))] => (one, *other),
        _ => return Err(Fault::Arguments),
    };
    Ok(Val::Bool(range.contains_range(other)))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80),
    }
}

fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        IpAddr::V6(address) => address.segments().first().is_some_and(|first| first & 0xff0f == 0xff02),
    }
}

fn is_global(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(broadcast
        || address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || is_link_local(address))
}

fn address(text: &str) -> Result<IpAddr, Fault> {
    let quoted = go_quoted(text);
    let (plain, zone) = text.split_once('%').map_or((text, false), |(plain, _)| (plain, true));
    let address: IpAddr = plain.parse().map_err(|_| {
        let why = why_not(text);
        Fault::new(format!(
            "IP Address {quoted} parse error during conversion from string: ParseAddr({quoted}): {why}"
        ))
    })?;
    if zone {
        return Err(Fault::new(format!("IP address {quoted} with zone value is not allowed")));
    }
    if is_mapped(address) {
        return Err(Fault::new(format!("IPv4-mapped IPv6 address {quoted} is not allowed")));
    }
    Ok(address)
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// What is wrong with a text that is no address.
fn why_not(text: &str) -> String {
    let at = |what: &str, rest: &str| format!("{what} (at {})", go_quoted(rest));
    let separator = text.find(['.', ':', '%']).and_then(|place| text.get(place..)?.chars().next());
    match separator {
        Some('.') => why_not_v4(text),
        Some(':') => {
            let bad = text.find(|char: char| !char.is_ascii_hexdigit() && !":.%".contains(char));
            match bad.and_then(|bad| text.get(bad..)) {
                Some(rest) => at("unexpected character, want colon", rest),
                None => "unable to parse IP".to_owned(),
            }
        }
        Some('%') => "missing IPv6 address".to_owned(),
        _ => "unable to parse IP".to_owned(),
    }
}

fn why_not_v4(text: &str) -> String {
    if let Some(bad) = text.find(|char: char| !char.is_ascii_digit() && char != '.') {
        return format!("unexpected character (at {})", go_quoted(text.get(bad..).unwrap_or_default()));
    }
    let parts: Vec<&str> = text.split('.').collect();
    for part in &parts {
        if part.is_empty() {
            let rest = text.find("..").and_then(|at| text.get(at + 1..)).unwrap_or(".");
            return format!("IPv4 field must have at least one digit (at {})", go_quoted(rest));
        }
        if part.len() > 1 && part.starts_with('0') {
            return "IPv4 field has octet with leading zero".to_owned();
        }
        if part.parse::<u8>().is_err() {
            return "IPv4 field has value >255".to_owned();
        }
    }
    if parts.len() < 4 { "IPv4 address too short" } else { "IPv4 address too long" }.to_owned()
}

fn range(text: &str) -> Result<Cidr, Fault> {
    let quoted = go_quoted(text);
    let refuse = |why: String| {
        let words = "network address parse error during conversion from string";
        Fault::new(format!("{words}: {words}: netip.ParsePrefix({quoted}): {why}"))
    };
    let (address, bits) = text.rsplit_once('/').ok_or_else(|| refuse("no '/'".to_owned()))?;
    let address: IpAddr = address
        .parse()
        .map_err(|_| refuse(format!("ParseAddr({}): {}", go_quoted(address), why_not(address))))?;
    let plain = !bits.is_empty() && bits.len() <= 3 && bits.chars().all(|char| char.is_ascii_digit());
    if !plain || bits.len() > 1 && bits.starts_with('0') {
        return Err(refuse(format!("bad bits after slash: {}", go_quoted(bits))));
    }
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= most);
    let bits = bits.ok_or_else(|| refuse("prefix length out of range".to_owned()))?;
    if is_mapped(address) {
        let words = "network address parse error during conversion from string";
        return Err(Fault::new(format!("{words}: IPv4-mapped IPv6 address {quoted} is not allowed")));
    }
    Ok(Cidr { address, bits })
}
