//! The functions of the environment and their overloads.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::types::{Type, parse_type, split};

/// One way to call a function.
#[derive(Debug)]
pub(crate) struct Overload {
    pub(crate) id: &'static str,
    pub(crate) member: bool,
    pub(crate) parameters: Vec<Type>,
    pub(crate) result: Type,
    /// Whether its types hold parameters.
    pub(crate) generic: bool,
}

static TABLE: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut table: HashMap<&str, Vec<Overload>> = HashMap::new();
    for line in include_str!("signatures.tsv").lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, overload)) = row(line) {
            table.entry(name).or_default().push(overload);
        }
    }
    table
});

fn row(line: &'static str) -> Option<(&'static str, Overload)> {
    let mut columns = line.split('\t');
    let (name, id, parameters, result) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
    let member = parameters.starts_with('.');
    let inner = parameters.trim_start_matches('.').strip_prefix('(')?.strip_suffix(')')?;
    let parameters: Vec<Type> = split(inner).into_iter().map(parse_type).collect();
    let result = parse_type(result);
    let generic = parameters.iter().chain([&result]).any(is_generic);
    Some((name, Overload { id, member, parameters, result, generic }))
}

fn is_generic(kind: &Type) -> bool {
    matches!(kind, Type::Param(_)) || kind.parameters().into_iter().any(is_generic)
}

/// The overloads of a function, if it exists.
pub(crate) fn overloads(function: &str) -> Option<(&'static str, &'static [Overload])> {
    TABLE.get_key_value(function).map(|(name, overloads)| (*name, overloads.as_slice()))
}

/// The names that stand for types.
pub(crate) fn type_named(name: &str) -> Option<Type> {
    let kind = match name {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "google.protobuf.Duration" => Type::Duration,
        "google.protobuf.Timestamp" => Type::Timestamp,
        "int" => Type::Int,
        "list" => Type::list(Type::Param("A".into())),
        "map" => Type::map(Type::Param("A".into()), Type::Param("B".into())),
        "null_type" => Type::Null,
        "string" => Type::String,
        "uint" => Type::Uint,
        "type" => return Some(Type::Type(Some(Type::Type(None).into()))),
        "net.IP" | "net.CIDR" => Type::Opaque(name.into(), [].into()),
        "optional_type" => Type::optional(Type::Param("V".into())),
        _ => return None,
    };
    Some(Type::Type(Some(kind.into())))
}
