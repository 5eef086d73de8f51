//! What a call costs by the arguments it was given.

use super::functions::compares;
use super::range::scale;
use super::{CHECK, LIST, PATTERN, TEXT};
use crate::error::Fault;
use crate::meter::{Meter, TOUCH};
use crate::value::{Opaque, Val};

/// How the cost of a function follows from its arguments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// The same for all.
    Fixed(u64),
    /// A selector is read.
    Selector,
    /// Everything in the first argument is visited.
    Traversal,
    /// By the size of the first argument.
    First(f64),
    /// By the size of the result.
    Result(f64),
    /// By the sizes of the text and the pattern.
    Pattern,
    /// A range of addresses is compared with an address or a range, maybe read from text.
    Contains { range: bool, text: bool },
    /// Text is matched with a named format.
    Validate,
    /// By the size of the second argument.
    Second,
    /// By the smaller of two.
    Smaller,
    /// By both.
    Both,
    /// By the product of both.
    Product,
    /// A list of this size is made.
    Made,
    /// A list is flattened.
    Flatten,
    /// Each element of the list at this place is compared with each.
    Squared { second: bool },
    /// Each element of one is compared with each of the other.
    Sets(u64),
}

impl Rule {
    /// The rule of a function; its overload, if there is only one it can be.
    pub(crate) fn of(function: &str, overload: Option<&str>) -> Self {
        Self::of_list(overload).or_else(|| Self::of_library(function, overload)).unwrap_or_else(|| {
            match overload.unwrap_or_default() {
                "starts_with_string" | "ends_with_string" | "string_to_bytes" | "bytes_to_string"
                | "strings_quote" | "string_format" => Self::First(TEXT),
                "in_list" => Self::Second,
                "add_string" | "add_bytes" => Self::Both,
                "matches_string" => Self::Pattern,
                "contains_string" => Self::Product,
                other if compares(other) => Self::Smaller,
                _ => Self::Fixed(1),
            }
        })
    }

    fn of_list(overload: Option<&str>) -> Option<Self> {
        Some(match overload? {
            "list_slice" | "lists_range" | "list_reverse" => Self::Made,
            "list_flatten" | "list_flatten_int" => Self::Flatten,
            "list_distinct" => Self::Squared { second: false },
            "list_sets_contains_list" | "list_sets_intersects_list" => Self::Sets(1),
            "list_sets_equivalent_list" => Self::Sets(2),
            other if other.ends_with("_sort") => Self::Squared { second: false },
            other if other.ends_with("_sortByAssociatedKeys") => Self::Squared { second: true },
            _ => return None,
        })
    }

    fn of_library(function: &str, overload: Option<&str>) -> Option<Self> {
        let text = overload.is_some_and(|overload| overload.ends_with("_string"));
        Some(match function {
            "check" => Self::Fixed(CHECK),
            "fieldSelector" | "labelSelector" => Self::Selector,
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => Self::Traversal,
            "url"
            | "lowerAscii"
            | "upperAscii"
            | "substring"
            | "trim"
            | "jsonpatch.escapeKey"
            | "cidr"
            | "isIP"
            | "isCIDR"
            | "quantity"
            | "isQuantity"
            | "semver"
            | "isSemver" => Self::First(TEXT),
            "ip" if overload != Some("cidr_ip") => Self::First(TEXT),
            "replace" | "split" | "ip.isCanonical" => Self::First(2.0 * TEXT),
            "join" => Self::Result(2.0 * TEXT),
            "find" | "findAll" => Self::Pattern,
            "containsIP" => Self::Contains { range: false, text },
            "containsCIDR" => Self::Contains { range: true, text },
            "validate" => Self::Validate,
            _ => return None,
        })
    }

    /// Whether the result must be known.
    pub(crate) fn needs_result(self) -> bool {
        matches!(self, Self::Result(_) | Self::Made)
    }

    /// The cost of a call.
    pub(crate) fn cost(
        self,
        args: &[Val<'_>],
        result: Option<&Val<'_>>,
        meter: &mut Meter,
    ) -> Result<u64, Fault> {
        let size = |index: usize| args.get(index).map_or(1, Val::size);
        let of_result = result.map_or(1, Val::size);
        Ok(match self {
            Self::Fixed(cost) => cost,
            Self::Selector => {
                let length = size(1);
                LIST + scale(length, TEXT) + scale(scale(length, 0.5), 50.0)
            }
            Self::Traversal => args.first().map_or(Ok(0), |value| traversal(value, meter))?,
            Self::First(factor) => scale(size(0), factor),
            Self::Result(factor) => scale(of_result, factor),
            Self::Pattern => scale(size(0).saturating_add(1), TEXT).saturating_mul(scale(size(1), PATTERN)),
            Self::Contains { range, text } => {
                let base = scale(size(0).saturating_mul(2), TEXT);
                let masked = if range { scale(size(0), TEXT) + 1 } else { 0 };
                base + masked + if text { scale(size(1), TEXT) } else { 0 }
            }
            Self::Validate => match args.first() {
                Some(Val::Opaque(Opaque::Format(format))) => {
                    scale(size(1).saturating_add(1), TEXT).saturating_mul(scale(format.pattern_size, PATTERN))
                }
                _ => 1,
            },
            Self::Second => size(1),
            Self::Smaller if matches!(args.first(), Some(Val::Opaque(_))) => 1,
            Self::Smaller => scale(size(0).min(size(1)), TEXT),
            Self::Both => scale(size(0).saturating_add(size(1)), TEXT),
            Self::Product => scale(size(0), TEXT).saturating_mul(scale(size(1), TEXT)),
            Self::Made => of_result.saturating_add(1 + LIST),
            Self::Flatten => {
                let depth = match args.get(1) {
                    Some(Val::Int(depth)) => u64::try_from(*depth).unwrap_or_default(),
                    _ => 1,
                };
                depth.saturating_mul(size(0)).saturating_add(1 + LIST)
            }
            Self::Squared { second } => squared(args.get(usize::from(second)))?,
            Self::Sets(factor) => size(0).saturating_mul(size(1)).saturating_mul(factor).saturating_add(1),
        })
    }
}

fn squared(list: Option<&Val<'_>>) -> Result<u64, Fault> {
    let Some(Val::List(list)) = list else { return Ok(1) };
    let text = match list.get(0) {
        Some(first) => matches!(first?, Val::String(_) | Val::Bytes(_)),
        None => false,
    };
    let size = u64::try_from(list.len()).unwrap_or(u64::MAX);
    let pairs = size.saturating_mul(size);
    let tenths = pairs.saturating_mul(if text { 21 } else { 20 });
    Ok((tenths / 10).saturating_add(1 + LIST))
}

/// Everything in a value, text by its length.
fn traversal(value: &Val<'_>, meter: &mut Meter) -> Result<u64, Fault> {
    meter.work(TOUCH)?;
    let tenth = |length: usize| u64::try_from(length / 10).unwrap_or(u64::MAX);
    Ok(match value {
        Val::String(text) => tenth(text.as_str().len()),
        Val::Bytes(bytes) => tenth(bytes.len()),
        Val::List(list) => {
            let mut cost = 0_u64;
            for element in list.iter() {
                cost = cost.saturating_add(traversal(&element?, meter)?);
            }
            cost
        }
        Val::Map(map) => {
            let mut cost = 0_u64;
            for key in map.keys() {
                cost = cost.saturating_add(traversal(&key, meter)?);
                if let Some(value) = map.find(&key) {
                    cost = cost.saturating_add(traversal(&value?, meter)?);
                }
            }
            cost
        }
        _ => 1,
    })
}
