//! Lists: Kubernetes' functions and version 3 of the lists extension.

use std::cmp::Ordering;

use super::{Native, operators};
use crate::error::Fault;
use crate::meter::{MAKE, Meter, TOUCH};
use crate::value::{List, Val, compare, equal};

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "isSorted" => is_sorted,
        "sum" => sum,
        "min" => |args, meter| best(args, meter, "min", Ordering::Greater),
        "max" => |args, meter| best(args, meter, "max", Ordering::Less),
        "distinct" => distinct,
        "first" => |args, _| end(args, |_| 0),
        "last" => |args, _| end(args, |length| length.saturating_sub(1)),
        "flatten" => flatten,
        "lists.range" => range,
        "reverse" => reverse,
        "slice" => slice,
        "sort" => |args, meter| only_lists(args, "sort").and_then(|()| sort(args, meter)),
        "@sortByAssociatedKeys" => {
            |args, meter| only_lists(args, "@sortByAssociatedKeys").and_then(|()| sort_by(args, meter))
        }
        // Loops that make maps add to them in place.
        "cel.@mapInsert" => |_, _| Err(Fault::Arguments),
        _ => return None,
    })
}

/// The list that the first argument is; its elements are paid for.
fn list<'a, 'v>(args: &'a [Val<'v>], meter: &mut Meter) -> Result<&'a List<'v>, Fault> {
    match args {
        [Val::List(list), ..] => {
            meter.work_of(list.len(), TOUCH)?;
            Ok(list)
        }
        _ => Err(Fault::Arguments),
    }
}

fn made<'v>(values: Vec<Val<'v>>) -> Val<'v> {
    Val::list(values)
}

/// Whether a value has an order at all.
fn comparable(value: &Val<'_>) -> Result<(), Fault> {
    match value {
        Val::Double(number) if number.is_nan() => Ok(()),
        value => compare(value, value).map(|_| ()),
    }
}

fn is_sorted<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let mut before: Option<Val<'v>> = None;
    for value in list(args, meter)?.iter() {
        let value = value?;
        comparable(&value)?;
        if let Some(before) = &before
            && compare(before, &value) == Ok(Some(Ordering::Greater))
        {
            return Ok(Val::Bool(false));
        }
        before = Some(value);
    }
    Ok(Val::Bool(true))
}

fn sum<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let mut total: Option<Val<'v>> = None;
    for value in list(args, meter)?.iter() {
        let value = value?;
        if !matches!(value, Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::Duration(_)) {
            return Err(Fault::Arguments);
        }
        total = Some(match total {
            None => value,
            Some(total) => operators::add(&[total, value], meter)?,
        });
    }
    Ok(total.unwrap_or(Val::Int(0)))
}

fn best<'v>(args: &[Val<'v>], meter: &mut Meter, name: &str, worse: Ordering) -> Result<Val<'v>, Fault> {
    let mut best: Option<Val<'v>> = None;
    for value in list(args, meter)?.iter() {
        let value = value?;
        comparable(&value)?;
        best = Some(match best {
            // What cannot be compared with the best so far is not better.
            Some(best) if compare(&best, &value) != Ok(Some(worse)) => best,
            _ => value,
        });
    }
    best.ok_or_else(|| Fault::new(format!("{name} called on empty list")))
}

fn index<'v>(value: usize) -> Val<'v> {
    Val::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(super) fn index_of<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::List(list), sought] = args else { return Err(Fault::Arguments) };
    for (at, value) in list.iter().enumerate() {
        if equal(&value?, sought, meter)? {
            return Ok(index(at));
        }
    }
    Ok(Val::Int(-1))
}

pub(super) fn last_index_of<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::List(list), sought] = args else { return Err(Fault::Arguments) };
    let mut found = Val::Int(-1);
    for (at, value) in list.iter().enumerate() {
        if equal(&value?, sought, meter)? {
            found = index(at);
        }
    }
    Ok(found)
}

fn distinct<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let mut known: Vec<Val<'v>> = Vec::new();
    for value in list(args, meter)?.iter() {
        let value = value?;
        let mut seen = false;
        for other in &known {
            if equal(&value, other, meter)? {
                seen = true;
                break;
            }
        }
        if !seen {
            known.push(value);
        }
    }
    Ok(made(known))
}

fn end<'v>(args: &[Val<'v>], at: fn(usize) -> usize) -> Result<Val<'v>, Fault> {
    let [Val::List(list)] = args else { return Err(Fault::Arguments) };
    match list.get(at(list.len())) {
        Some(value) => Ok(Val::some(value?)),
        None => Ok(Val::Optional(None)),
    }
}

fn flatten<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let depth = match args {
        [Val::List(_)] => 1,
        [Val::List(_), Val::Int(depth)] => *depth,
        _ => return Err(Fault::Arguments),
    };
    if depth < 0 {
        return Err(Fault::new("level must be non-negative"));
    }
    let mut flat = Vec::new();
    flatten_into(list(args, meter)?, depth, &mut flat, meter)?;
    Ok(made(flat))
}

fn flatten_into<'v>(
    list: &List<'v>,
    depth: i64,
    flat: &mut Vec<Val<'v>>,
    meter: &mut Meter,
) -> Result<(), Fault> {
    for value in list.iter() {
        meter.work(MAKE)?;
        match value? {
            Val::List(inner) if depth > 0 => flatten_into(&inner, depth - 1, flat, meter)?,
            value => flat.push(value),
        }
    }
    Ok(())
}

fn range<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::Int(count)] = args else { return Err(Fault::Arguments) };
    meter.work(u64::try_from(*count).unwrap_or_default().saturating_mul(MAKE))?;
    Ok(made((0..*count).map(Val::Int).collect()))
}

fn reverse<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let list = list(args, meter)?;
    meter.work_of(list.len(), MAKE)?;
    let mut values: Vec<Val<'v>> = list.iter().collect::<Result<_, _>>()?;
    values.reverse();
    Ok(made(values))
}

fn slice<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::List(list), Val::Int(start), Val::Int(end)] = args else { return Err(Fault::Arguments) };
    let refuse = |why: &str| Err(Fault::new(format!("cannot slice({start}, {end}), {why}")));
    let (Ok(from), Ok(to)) = (usize::try_from(*start), usize::try_from(*end)) else {
        return refuse("negative indexes not supported");
    };
    if from > to {
        return refuse("start index must be less than or equal to end index");
    }
    if to > list.len() {
        return refuse(&format!("list is length {}", list.len()));
    }
    meter.work_of(to, TOUCH)?;
    meter.work_of(to - from, MAKE)?;
    Ok(made(list.iter().skip(from).take(to - from).collect::<Result<_, _>>()?))
}

/// What sorting says to what is no list.
fn only_lists(args: &[Val<'_>], name: &str) -> Result<(), Fault> {
    match args.first() {
        Some(Val::List(_)) => Ok(()),
        Some(Val::String(_)) => Err(Fault::Bare),
        _ => Err(Fault::new(format!("no such overload: {name}"))),
    }
}

fn sort<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let values: Vec<Val<'v>> = list(args, meter)?.iter().collect::<Result<_, _>>()?;
    sorted(values.iter().cloned().zip(values.clone()).collect(), meter)
}

fn sort_by<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::List(values), Val::List(keys)] = args else { return Err(Fault::Arguments) };
    let mut pairs = Vec::with_capacity(values.len());
    for (key, value) in keys.iter().zip(values.iter()) {
        pairs.push((key?, value?));
    }
    sorted(pairs, meter)
}

/// The values in the order of their keys, which must be of one type.
fn sorted<'v>(mut pairs: Vec<(Val<'v>, Val<'v>)>, meter: &mut Meter) -> Result<Val<'v>, Fault> {
    if let Some((first, _)) = pairs.first() {
        let kind = first.kind();
        if matches!(kind.name(), "list" | "map" | "null_type" | "type" | "optional_type")
            || compare(first, first).is_err()
        {
            return Err(Fault::new("list elements must be comparable"));
        }
        if pairs.iter().any(|(key, _)| key.kind().name() != kind.name()) {
            return Err(Fault::new("list elements must have the same type"));
        }
    }
    let steps = pairs.len().checked_ilog2().unwrap_or_default() + 1;
    let longest = pairs.iter().map(|(key, _)| key.size()).max().unwrap_or_default();
    meter.work_of(pairs.len(), u64::from(steps).saturating_mul(MAKE.saturating_add(longest / 8)))?;
    pairs.sort_by(|one, other| compare(&one.0, &other.0).ok().flatten().unwrap_or(Ordering::Equal));
    Ok(made(pairs.into_iter().map(|(_, value)| value).collect()))
}
