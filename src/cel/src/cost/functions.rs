//! What functions cost by the sizes of their arguments.

use super::estimate::{Arg, Estimator, extend, known};
use super::{CHECK, LIST, PATTERN, Range, TEXT};
use crate::syntax::ast::{Expr, Kind, Literal};
use crate::types::Type;

/// A call of one overload.
pub(super) struct Site<'s, 'e> {
    pub(super) function: &'s str,
    pub(super) overload: &'s str,
    pub(super) target: Option<&'s Arg<'e>>,
    pub(super) args: &'s [Arg<'e>],
}

/// A cost and the size of the result.
type Estimate = (Range, Option<Range>);

/// The longest pattern of a named format.
const FORMAT_PATTERN: f64 = 128.0;
/// The octets of an address.
const ADDRESS: Range = Range { min: 4, max: 16 };

/// What Kubernetes' estimator and the libraries say; nothing if it is none of theirs.
pub(super) fn library(known_sizes: &Estimator<'_>, site: &Site<'_, '_>) -> Option<Estimate> {
    lists(site).or_else(|| kubernetes(known_sizes, site))
}

fn kubernetes(estimator: &Estimator<'_>, site: &Site<'_, '_>) -> Option<Estimate> {
    let size =
        |arg: &Arg<'_>| arg.size.or_else(|| estimator.hinted(arg.path.as_ref())).unwrap_or(Range::UNKNOWN);
    nominal(site).or_else(|| texts(&size, site)).or_else(|| values(&size, site))
}

/// The size of an argument.
type SizeOf<'s> = dyn Fn(&Arg<'_>) -> Range + 's;

/// What costs the same for all arguments.
fn nominal(site: &Site<'_, '_>) -> Option<Estimate> {
    let cost = match site.function {
        "check" => CHECK,
        "ip" if site.overload == "cidr_ip" => 1,
        "serviceAccount"
        | "path"
        | "group"
        | "resource"
        | "subresource"
        | "namespace"
        | "name"
        | "allowed"
        | "reason"
        | "error"
        | "errored"
        | "masked"
        | "prefixLength"
        | "family"
        | "isUnspecified"
        | "isLoopback"
        | "isLinkLocalMulticast"
        | "isLinkLocalUnicast"
        | "isGlobalUnicast"
        | "format.named"
        | "sign"
        | "asInteger"
        | "isInteger"
        | "asApproximateFloat"
        | "isGreaterThan"
        | "isLessThan"
        | "compareTo"
        | "add"
        | "sub"
        | "major"
        | "minor"
        | "patch"
        | "getScheme"
        | "getHostname"
        | "getHost"
        | "getPort"
        | "getEscapedPath"
        | "getQuery" => 1,
        _ => return None,
    };
    Some((Range::fixed(cost), None))
}

/// What is done with text.
fn texts(size: &SizeOf<'_>, site: &Site<'_, '_>) -> Option<Estimate> {
    let first = site.args.first();
    match site.function {
        "url" => Some((size(first?).scale(TEXT), Some(size(first?)))),
        "lowerAscii" | "upperAscii" | "substring" | "trim" => {
            let length = size(site.target?);
            Some((length.scale(TEXT), Some(length)))
        }
        "replace" => {
            let [old, new, ..] = site.args else { return None };
            let length = size(site.target?);
            Some((length.scale(2.0 * TEXT), Some(replaced(length, size(old), size(new)))))
        }
        "split" => {
            let length = size(site.target?);
            let most = site.args.get(1).and_then(|arg| int(arg.expr?)).map_or(length.max, i64::cast_unsigned);
            Some((length.scale(2.0 * TEXT), Some(Range { min: 0, max: most })))
        }
        "join" => {
            let target = site.target?;
            let count = size(target);
            let mut length = element(target).map_or(Range::fixed(0), |element| count.times(size(&element)));
            if let Some(separator) = first {
                let between = Range { min: count.min.saturating_sub(1), max: count.max.saturating_sub(1) };
                length = length.plus(size(separator).times(between));
            }
            Some((length.scale(TEXT), Some(length)))
        }
        "find" | "findAll" => {
            let length = size(site.target?);
            let text = length.plus(Range::fixed(1)).scale(TEXT);
            let pattern = size(first?).scale(PATTERN);
            Some((text.times(pattern), Some(Range { min: 0, max: length.max })))
        }
        _ => None,
    }
}

/// What is done with lists, and with values that are read from text.
fn values(size: &SizeOf<'_>, site: &Site<'_, '_>) -> Option<Estimate> {
    let first = site.args.first();
    let cost = match site.function {
        "fieldSelector" | "labelSelector" => {
            let length = size(first?);
            Range::fixed(LIST).plus(length.scale(TEXT)).plus(length.scale(0.5).scale(50.0))
        }
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => {
            let target = site.target?;
            let count = size(target);
            match element(target) {
                None => count.scale(TEXT),
                Some(element) if matches!(element.kind, Type::String | Type::Bytes) => {
                    count.times(Range::fixed(1).plus(size(&element).scale(TEXT)))
                }
                Some(_) => count,
            }
        }
        "ip" | "cidr" | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver" => {
            size(first?).scale(TEXT)
        }
        "ip.isCanonical" => size(first?).scale(2.0 * TEXT),
        "containsIP" | "containsCIDR" => {
            let mut cost = ADDRESS.plus(ADDRESS).scale(TEXT);
            if site.function == "containsCIDR" {
                cost = cost.plus(ADDRESS.scale(TEXT)).plus(Range::fixed(1));
            }
            if site.overload.ends_with("_string") {
                cost = cost.plus(size(first?).scale(TEXT));
            }
            cost
        }
        "validate" => size(first?).scale(TEXT).scale(FORMAT_PATTERN * PATTERN),
        "_==_" => equality(site)?,
        _ => return None,
    };
    Some((cost, None))
}

/// The equality of values that a library made.
fn equality(site: &Site<'_, '_>) -> Option<Range> {
    let [one, other] = site.args else { return None };
    if one.kind != other.kind {
        return None;
    }
    match one.kind.name() {
        "net.IP" | "net.CIDR" | "kubernetes.Quantity" | "kubernetes.Semver" => Some(Range::fixed(1)),
        name if name.starts_with("kubernetes.authorization.") => Some(Range::fixed(1)),
        "kubernetes.NamedFormat" => Some(Range { min: 1, max: 64 }.scale(TEXT)),
        "kubernetes.URL" => Some(Range { min: 1, max: other.size.map_or(1, |size| size.max) }.scale(TEXT)),
        _ => None,
    }
}

/// The elements of a list as an argument.
fn element<'e>(list: &Arg<'e>) -> Option<Arg<'e>> {
    let kind = (*list.kind.parameters().first()?).clone();
    let path = list.path.clone().map(|path| extend(Some(path), "@items"));
    Some(Arg { expr: None, kind, path, size: None })
}

/// The size of a text after parts of it were replaced.
fn replaced(text: Range, old: Range, new: Range) -> Range {
    let count = |length: u64, part: u64| length.div_ceil(part.max(1));
    let (most, kept) = if old.min == 0 {
        (text.max.saturating_add(1), text.max)
    } else if new.max <= old.min {
        (0, text.max)
    } else {
        (count(text.max, old.min), 0)
    };
    let (least, kept_least) = if old.max == 0 {
        (text.min.saturating_add(1), text.min)
    } else if old.max <= new.min {
        (0, text.min)
    } else {
        (count(text.min, old.max), 0)
    };
    Range { min: least, max: most }.times(new).plus(Range { min: kept_least, max: kept })
}

/// The lists and sets extensions.
fn lists(site: &Site<'_, '_>) -> Option<Estimate> {
    let size = |arg: &Arg<'_>| known(arg);
    let made = |factor: f64, size: Range| {
        let cost = size.scale(factor).plus(Range::fixed(1)).plus(Range::fixed(LIST));
        Some((cost, Some(size)))
    };
    let literal = |arg: Option<&Arg<'_>>, otherwise: u64| {
        arg.and_then(|arg| int(arg.expr?)).map_or(otherwise, |value| u64::try_from(value).unwrap_or_default())
    };
    let overload = site.overload;
    match overload {
        "list_slice" => {
            let start = literal(site.args.first(), 0);
            let end = literal(site.args.get(1), size(site.target?).max);
            made(1.0, Range::fixed(end.wrapping_sub(start)))
        }
        "lists_range" => made(1.0, Range::fixed(literal(site.args.first(), u64::MAX))),
        "list_reverse" => made(1.0, size(site.target?)),
        "list_flatten" => made(1.0, size(site.target?)),
        "list_flatten_int" =>
        {
            #[expect(clippy::cast_precision_loss, reason = "as upstream")]
            made(literal(site.args.first(), u64::MAX) as f64, size(site.target?))
        }
        "list_distinct" => made(2.0, size(site.target?).times(size(site.target?))),
        "list_sets_contains_list" | "list_sets_intersects_list" | "list_sets_equivalent_list" => {
            let [one, other] = site.args else { return None };
            let factor = if overload.contains("equivalent") { 2.0 } else { 1.0 };
            Some((size(one).times(size(other)).scale(factor).plus(Range::fixed(1)), None))
        }
        _ if overload.ends_with("_sort") || overload.ends_with("_sortByAssociatedKeys") => {
            let by = if overload.ends_with("_sort") { site.target? } else { site.args.first()? };
            let text = overload.starts_with("list_string") || overload.starts_with("list_bytes");
            made(if text { 2.0 + TEXT } else { 2.0 }, size(by).times(size(by)))
        }
        _ => None,
    }
}

/// What the standard functions cost.
pub(super) fn standard(site: &Site<'_, '_>) -> Estimate {
    let plain = (Range::fixed(1), None);
    let [first, ..] = site.args else {
        return match (site.overload, site.target) {
            ("string_format", Some(target)) => (known(target).scale(TEXT), None),
            _ => plain,
        };
    };
    let size = known(first);
    match (site.overload, site.target, site.args) {
        ("string_to_bytes", _, [_]) => {
            (size.scale(TEXT), Some(Range { min: size.min, max: size.max.wrapping_mul(4) }))
        }
        ("bytes_to_string", _, [_]) => (size.scale(TEXT), Some(Range { min: size.min / 4, max: size.max })),
        ("strings_quote", _, [_]) => {
            let quoted =
                Range { min: size.min.wrapping_add(2), max: size.max.wrapping_mul(2).wrapping_add(2) };
            (size.scale(TEXT), Some(quoted))
        }
        ("string_format", Some(target), _) => (known(target).scale(TEXT), None),
        ("starts_with_string" | "ends_with_string", _, [_]) => (size.scale(TEXT), None),
        ("in_list", _, [_, list]) => (known(list), None),
        ("matches_string", Some(target), [_]) => {
            let text = known(target).plus(Range::fixed(1)).scale(TEXT);
            (text.times(size.scale(PATTERN)), None)
        }
        ("contains_string", Some(target), [_]) => (known(target).scale(TEXT).times(size.scale(TEXT)), None),
        (overload, _, [_, other]) if compares(overload) => {
            let most = size.max.min(known(other).max);
            (Range { min: u64::from(most > 0), max: most }.scale(TEXT), None)
        }
        _ => plain,
    }
}

/// Whether an overload walks over both its operands to compare them.
pub(super) fn compares(overload: &str) -> bool {
    matches!(
        overload,
        "equals"
            | "not_equals"
            | "less_string"
            | "less_bytes"
            | "less_equals_string"
            | "less_equals_bytes"
            | "greater_string"
            | "greater_bytes"
            | "greater_equals_string"
            | "greater_equals_bytes"
    )
}

fn int(expr: &Expr) -> Option<i64> {
    match expr.kind {
        Kind::Literal(Literal::Int(value)) => Some(value),
        _ => None,
    }
}
