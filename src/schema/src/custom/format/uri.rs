//! URIs as Go takes them for a request.

use std::net::Ipv6Addr;

/// `uri`
pub(super) fn check(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let Some((scheme, rest)) = scheme(text) else { return false };
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    if !rest.starts_with('/') {
        return !scheme.is_empty();
    }
    let Some(authority) = rest.strip_prefix("//").filter(|_| !scheme.is_empty()) else { return path(rest) };
    let (authority, rest) =
        authority.find('/').and_then(|slash| authority.split_at_checked(slash)).unwrap_or((authority, ""));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    is_user(user) && is_host(scheme, host) && path(rest)
}

/// The scheme, if there is one, and what follows; `None` where it is missing before a colon.
fn scheme(text: &str) -> Option<(&str, &str)> {
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if place > 0 => {}
            b':' if place == 0 => return None,
            b':' => return text.split_once(':'),
            _ => break,
        }
    }
    Some(("", text))
}

/// Percent signs are followed by two digits.
fn path(text: &str) -> bool {
    escapes(text, |_| true)
}

fn escapes(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        if *byte == b'%' {
            let (Some(high), Some(low)) = (hex(bytes.get(place + 1)), hex(bytes.get(place + 2))) else {
                return false;
            };
            if !allowed(u8::try_from(high * 16 + low).unwrap_or_default()) {
                return false;
            }
            place += 2;
        }
        place += 1;
    }
    true
}

fn is_user(user: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    user.bytes().all(known) && escapes(user, |_| true)
}

fn is_host(scheme: &str, host: &str) -> bool {
    match host.rfind('[') {
        Some(0) => return is_literal(host),
        Some(_) => return false,
        None => {}
    }
    let strict = matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https");
    let colon = if strict { host.find(':') } else { host.rfind(':') };
    let port = colon.and_then(|at| host.get(at..)).unwrap_or_default();
    is_port(port) && is_host_text(host)
}

/// An address in brackets, with a port perhaps.
fn is_literal(host: &str) -> bool {
    let Some((literal, port)) = host.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) else {
        return false;
    };
    let (address, zone) = literal.split_once("%25").map_or((literal, None), |(a, zone)| (a, Some(zone)));
    let zone_fits = zone.is_none_or(|zone| {
        let decoded = |byte: u8| byte == b'%' || byte == b' ' || is_host_byte(byte);
        let plain = |byte: u8| byte >= 0x80 || byte == b'%' || is_host_byte(byte);
        !zone.is_empty() && zone.bytes().all(plain) && escapes(zone, decoded)
    });
    is_port(port) && address.parse::<Ipv6Addr>().is_ok() && zone_fits
}

fn is_host_text(host: &str) -> bool {
    let plain = |byte: u8| byte >= 0x80 || byte == b'%' || is_host_byte(byte);
    // Only bytes outside ASCII may be escaped, and the percent sign.
    host.bytes().all(plain) && escapes(host, |byte| byte >= 0x80 || byte == b'%')
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

fn is_port(port: &str) -> bool {
    port.is_empty() || port.strip_prefix(':').is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()))
}
