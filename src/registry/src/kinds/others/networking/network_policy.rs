//! Network policies.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, ip, names};

use crate::kinds::check::{At, items, one_of, opt_int, text, texts};
use crate::kinds::meta;
use crate::kinds::others::kind::Kind;
use crate::kinds::others::tree::part;

/// Network policies.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_subdomain, |new, errors| {
    spec(part(new, "spec"), &Leniency::default(), errors);
})
.change(|new, old, errors| spec(part(new, "spec"), &leniency(part(old, "spec")), errors))
.generation(&["spec"])
.warns(warnings);

const DIRECTIONS: [(&str, &str); 2] = [("ingress", "from"), ("egress", "to")];

/// What a policy may keep that a new one could not have.
#[derive(Default)]
struct Leniency<'a> {
    odd_selectors: bool,
    cidrs: Vec<&'a str>,
}

fn leniency(old: &Value) -> Leniency<'_> {
    let mut errors = ErrorList::new();
    meta::label_selector(old.get("podSelector"), At::root("selector"), &mut errors);
    let blocks = blocks(old).map(|(_, block)| block);
    let cidrs = blocks.flat_map(|block| std::iter::once(text(block, "cidr")).chain(texts(block, "except")));
    Leniency { odd_selectors: !errors.is_empty(), cidrs: cidrs.collect() }
}

/// All address blocks with the path of each.
fn blocks(spec: &Value) -> impl Iterator<Item = (String, &Value)> {
    DIRECTIONS.into_iter().flat_map(move |(direction, peers)| {
        items(spec, direction).iter().enumerate().flat_map(move |(i, rule)| {
            let peers = items(rule, peers).iter().enumerate().map(move |(j, peer)| (peers, j, peer));
            peers.filter_map(move |(peers, j, peer)| {
                Some((format!("spec.{direction}[{i}].{peers}[{j}].ipBlock"), peer.get("ipBlock")?))
            })
        })
    })
}

fn spec(spec: &Value, leniency: &Leniency<'_>, errors: &mut ErrorList) {
    let at = At::root("spec");
    meta::selector_with(spec.get("podSelector"), leniency.odd_selectors, at.child("podSelector"), errors);
    for (direction, peers) in DIRECTIONS {
        let at = at.child(direction);
        for (i, rule) in items(spec, direction).iter().enumerate() {
            let here = at.index(i);
            let ports_at = here.child("ports");
            for (i, port) in items(rule, "ports").iter().enumerate() {
                self::port(port, &ports_at.index(i), errors);
            }
            let peers_at = here.child(peers);
            for (i, peer) in items(rule, peers).iter().enumerate() {
                self::peer(peer, leniency, &peers_at.index(i), errors);
            }
        }
    }
    let at = at.child("policyTypes");
    let types = items(spec, "policyTypes");
    if types.len() > 2 {
        at.invalid(errors, spec.get("policyTypes"), "may not specify more than two policyTypes");
        return;
    }
    for (i, r#type) in texts(spec, "policyTypes").enumerate() {
        one_of(r#type, &["Ingress", "Egress"], at.index(i), errors);
    }
}

fn port(port: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(protocol) = port.get("protocol").and_then(Value::as_str) {
        one_of(protocol, &["TCP", "UDP", "SCTP"], at.child("protocol"), errors);
    }
    let end = opt_int(port, "endPort");
    let end_at = at.child("endPort");
    match (port.get("port"), end) {
        (None, Some(end)) => end_at.invalid(errors, end, "may not be specified when `port` is not specified"),
        (None, None) => {}
        (Some(Value::String(name)), end) => {
            if let Some(end) = end {
                end_at.invalid(errors, end, "may not be specified when `port` is non-numeric");
            }
            at.child("port").rule(errors, name, names::port_name);
        }
        (Some(number), end) => {
            let number = number.as_i64().unwrap_or_default();
            port_number(number, at.child("port"), errors);
            let Some(end) = end else { return };
            if end < number {
                end_at.invalid(errors, number, "must be greater than or equal to `port`");
            }
            port_number(end, end_at, errors);
        }
    }
}

fn port_number(number: i64, at: At<'_>, errors: &mut ErrorList) {
    for message in names::port_number(number) {
        at.invalid(errors, number, message);
    }
}

fn peer(peer: &Value, leniency: &Leniency<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let mut count = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = peer.get(field) {
            count += 1;
            meta::selector_with(Some(selector), leniency.odd_selectors, at.child(field), errors);
        }
    }
    let block = peer.get("ipBlock");
    if let Some(block) = block {
        count += 1;
        self::block(block, &leniency.cidrs, &at.child("ipBlock"), errors);
    }
    if count == 0 {
        at.required(errors, "must specify a peer");
    } else if count > 1 && block.is_some() {
        at.forbidden(errors, "may not specify both ipBlock and another peer");
    }
}

fn block(block: &Value, kept: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    let cidr = text(block, "cidr");
    if cidr.is_empty() {
        at.child("cidr").required(errors, "");
        return;
    }
    legacy_cidr(cidr, kept, at.child("cidr"), errors);
    let Some(whole) = ip::Cidr::parse(cidr) else { return };
    let at = at.child("except");
    for (i, except) in texts(block, "except").enumerate() {
        let here = at.index(i);
        legacy_cidr(except, kept, here, errors);
        let Some(part) = ip::Cidr::parse(except) else { continue };
        if !whole.contains(part.network()) || whole.prefix >= part.prefix {
            here.invalid(errors, except, "must be a strict subset of `cidr`");
        }
    }
}

fn legacy_cidr(cidr: &str, kept: &[&str], at: At<'_>, errors: &mut ErrorList) {
    if !kept.contains(&cidr) {
        at.rule(errors, cidr, ip::legacy_cidr);
    }
}

fn warnings(new: &Object, _old: Option<&Object>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (path, block) in blocks(part(new, "spec")) {
        warnings.extend(ip::cidr_warnings(&format!("{path}.cidr"), text(block, "cidr")));
        for (i, except) in texts(block, "except").enumerate() {
            warnings.extend(ip::cidr_warnings(&format!("{path}.except[{i}]"), except));
        }
    }
    warnings
}
