//! Reads `data/types.tsv`.

use std::collections::HashMap;

use super::{Field, ListType, Omit, Proto, Struct, StructId, Type, Types, Words};

impl Types {
    /// Reads the table: one pass for the names, one for the fields that refer to them.
    pub(super) fn parse(table: &'static str) -> Self {
        let by_definition: HashMap<_, _> = table
            .lines()
            .filter_map(|line| line.strip_prefix('@'))
            .map(|line| line.split('\t').next().unwrap_or_default())
            .zip((0..).map(StructId))
            .collect();
        let mut types =
            Self { structs: Vec::with_capacity(by_definition.len()), by_definition, named: Vec::new() };
        let mut lines = table.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(line) = line.strip_prefix('@') {
                let fields = std::iter::from_fn(|| lines.next_if(|line| !line.starts_with(['@', '='])));
                let fields = fields.map(|line| field(line, &types.by_definition)).collect();
                types.structs.push(head(line, fields));
            } else if let Some(named) = line.strip_prefix('=') {
                types.named.extend(named.split_once('\t'));
            }
        }
        types
    }
}

fn head(line: &'static str, mut fields: Vec<Field>) -> Struct {
    for (order, field) in (0..).zip(&mut fields) {
        field.order = order;
    }
    fields.sort_unstable_by_key(|field| field.json);
    let mut cells = line.split('\t');
    let mut cell = || cells.next().unwrap_or_default();
    Struct {
        definition: cell(),
        go_name: cell(),
        atomic: cell() == "atomic",
        inlines: fields.iter().any(|field| field.proto.path().len() > 1),
        fields: fields.into_boxed_slice(),
    }
}

fn field(line: &'static str, known: &HashMap<&'static str, StructId>) -> Field {
    let mut cells = line.split('\t');
    let mut cell = || cells.next().unwrap_or_default();
    let (json, compact, go) = (cell(), cell(), cell());
    let (pointer, omit, place) = (cell() == "*", omit(cell()), cell());
    let (list, keys, patch_strategy, patch_merge_key) =
        (list(cell()), words(cell(), ','), words(cell(), ','), cell());
    let (default, enum_values, required) = (given(cell()), cell(), cell() == "!");
    let (item_enum, item_default, inlined) = (cell(), given(cell()), cell());
    // What has no place in protobuf is of Go's TypeMeta, which every kind inlines.
    let inlined = if place == "0" { "TypeMeta" } else { inlined };
    Field {
        json,
        ty: compact_type(compact, known),
        go: if go.is_empty() { compact } else { go },
        pointer,
        omit,
        inlined,
        order: 0,
        proto: proto(place),
        list,
        keys,
        patch_strategy,
        patch_merge_key,
        default,
        enum_values: words(if enum_values.is_empty() { item_enum } else { enum_values }, '|'),
        item_default,
        required,
    }
}

fn given(cell: &'static str) -> Option<&'static str> {
    (!cell.is_empty()).then_some(cell)
}

fn words(cell: &'static str, separator: char) -> Words {
    Words(given(cell).map(|text| (text, separator)))
}

fn omit(cell: &str) -> Omit {
    match cell.trim_end_matches('+') {
        "empty" => Omit::Empty,
        "kept" => Omit::Kept,
        "zero" => Omit::Zero,
        _ => Omit::Never,
    }
}

fn list(cell: &str) -> ListType {
    match cell {
        "atomic" => ListType::Atomic,
        "granular" => ListType::Granular,
        "set" => ListType::Set,
        "map" => ListType::Map,
        _ => ListType::Unset,
    }
}

fn proto(cell: &str) -> Proto {
    let mut numbers = cell.rsplit('.').map(|number| number.parse().unwrap_or_default());
    let number = numbers.next().unwrap_or_default();
    let via = match (numbers.next(), numbers.next()) {
        (None, _) => [0, 0],
        (Some(only), None) => [only, 0],
        (Some(inner), Some(outer)) => [outer, inner],
    };
    Proto::new(number, via)
}

fn compact_type(text: &str, known: &HashMap<&'static str, StructId>) -> Type {
    if let Some(item) = text.strip_prefix("[]") {
        return Type::List(Box::new(compact_type(item, known)));
    }
    if let Some(value) = text.strip_prefix("{}") {
        return Type::Map(Box::new(compact_type(value, known)));
    }
    if let Some(definition) = text.strip_prefix('#') {
        return known.get(definition).map_or(Type::Json, |id| Type::Struct(*id));
    }
    match text {
        "string" => Type::String,
        "bool" => Type::Bool,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "float64" => Type::Float64,
        "bytes" => Type::Bytes,
        "time" => Type::Time,
        "microtime" => Type::MicroTime,
        "duration" => Type::Duration,
        "quantity" => Type::Quantity,
        "intorstring" => Type::IntOrString,
        "raw" => Type::RawObject,
        "fieldsv1" => Type::FieldsV1,
        "schemaorbool" => Type::SchemaOrBool,
        "schemaorarray" => Type::SchemaOrArray,
        "schemaorstrings" => Type::SchemaOrStrings,
        _ => Type::Json,
    }
}
