//! What every field of every built-in kind is: an arena of structs, read once from `data/types.tsv`.
//!
//! The table has one line for each struct (`@definition`, Go name, `atomic`), below it one line for each
//! field as it appears in JSON (structs that Go inlines are flattened), and at its end one line for each
//! named Go collection type (`=name`, underlying type).

mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

static TYPES: LazyLock<Types> = LazyLock::new(|| Types::parse(include_str!("../data/types.tsv")));

/// The types of all built-in kinds.
pub fn types() -> &'static Types {
    &TYPES
}

/// The arena of all structs.
pub struct Types {
    structs: Vec<Struct>,
    by_definition: HashMap<&'static str, StructId>,
    named: Vec<(&'static str, &'static str)>,
}

/// The place of a struct in [`Types`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StructId(u32);

impl StructId {
    /// The place as a number.
    pub(crate) fn index(self) -> u32 {
        self.0
    }
}

impl Types {
    /// The struct of an id.
    #[expect(clippy::indexing_slicing, reason = "only this arena makes ids, and it never shrinks")]
    pub fn get(&self, id: StructId) -> &Struct {
        &self.structs[id.0 as usize]
    }

    /// Finds a struct by its definition: `io.k8s.api.core.v1.PodSpec`.
    pub fn by_definition(&self, definition: &str) -> Option<StructId> {
        self.by_definition.get(definition).copied()
    }

    /// All structs, sorted by definition.
    pub fn structs(&self) -> impl Iterator<Item = (StructId, &Struct)> {
        self.structs.iter().zip(0..).map(|(schema, id)| (StructId(id), schema))
    }

    /// Go's name of a collection's elements, given Go's name of the collection.
    pub fn go_element(&self, go: &'static str) -> &'static str {
        if let Some(element) = go.strip_prefix("[]") {
            return element;
        }
        if let Some((_, element)) = go.strip_prefix("map[").and_then(|rest| rest.split_once(']')) {
            return element;
        }
        match self.named.iter().find(|(name, _)| *name == go) {
            Some((_, underlying)) => self.go_element(underlying),
            None => go,
        }
    }
}

/// A struct of upstream's Go types, with inlined structs flattened into it.
#[derive(Debug)]
pub struct Struct {
    /// The OpenAPI name: `io.k8s.api.core.v1.PodSpec`.
    pub definition: &'static str,
    /// The name in Go's error messages: `v1.PodSpec`.
    pub go_name: &'static str,
    /// Whether its fields have one owner together (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Whether protobuf has messages of their own for some fields that JSON inlines.
    pub inlines: bool,
    /// The fields, sorted by JSON name.
    pub fields: Box<[Field]>,
}

impl Struct {
    /// The field of a JSON name; names are case sensitive.
    pub fn field(&self, json: &str) -> Option<&Field> {
        self.fields.get(self.place(json)?)
    }

    /// Where the field of a JSON name is among [`Struct::fields`].
    pub fn place(&self, json: &str) -> Option<usize> {
        self.fields.binary_search_by(|field| field.json.cmp(json)).ok()
    }

    /// The fields in the order of Go's struct.
    pub fn in_go_order(&self) -> impl Iterator<Item = &Field> {
        let mut fields: Vec<&Field> = self.fields.iter().collect();
        fields.sort_unstable_by_key(|field| field.order);
        fields.into_iter()
    }

    /// The Go name without its package: `PodSpec`.
    pub fn short_name(&self) -> &'static str {
        self.go_name.rsplit('.').next().unwrap_or_default()
    }

    /// The names of fields a client must give.
    pub fn required(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().filter(|field| field.required).map(|field| field.json)
    }
}

/// One field of a struct as JSON has it.
#[derive(Debug)]
pub struct Field {
    /// The name in JSON.
    pub json: &'static str,
    /// What it holds.
    pub ty: Type,
    /// Go's name of the type, without a leading pointer: `map[string]string`, `v1.Protocol`.
    pub go: &'static str,
    /// Whether Go holds a pointer, so that absent and zero differ.
    pub pointer: bool,
    /// When Go leaves the field out.
    pub omit: Omit,
    /// The Go structs that JSON inlines around it, joined with dots; empty for none.
    pub inlined: &'static str,
    /// Its place in Go's struct, which is where it stands in what Go writes.
    pub order: u16,
    /// Its place in protobuf.
    pub proto: Proto,
    /// How apply merges the list or map.
    pub list: ListType,
    /// The keys of a [`ListType::Map`], in order.
    pub keys: Words,
    /// How a strategic merge patch treats it: `merge`, `retainKeys`, `replace`.
    pub patch_strategy: Words,
    /// The key a strategic merge patch merges a list of objects by; empty for none.
    pub patch_merge_key: &'static str,
    /// The default as JSON text that OpenAPI publishes.
    pub default: Option<&'static str>,
    /// The values OpenAPI lists, of the field or of its items.
    pub enum_values: Words,
    /// The default of the list's or map's items as JSON text.
    pub item_default: Option<&'static str>,
    /// Whether OpenAPI says it must be given.
    pub required: bool,
}

impl Field {
    /// Whether Go writes the field when it was not given: a zero value, `null` or an object of zeros.
    pub fn shown_when_absent(&self) -> bool {
        if self.pointer {
            return self.omit == Omit::Never;
        }
        match self.ty {
            Type::String | Type::Bool | Type::Int32 | Type::Int64 | Type::Float64 | Type::Bytes => {
                self.omit == Omit::Never
            }
            Type::List(_) | Type::Map(_) => self.omit == Omit::Never,
            _ => self.omit != Omit::Zero,
        }
    }
}

/// What a field, item or map value holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Type {
    /// A string, of whatever name.
    String,
    /// A boolean.
    Bool,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A floating point number.
    Float64,
    /// Bytes, in JSON as base64.
    Bytes,
    /// `metav1.Time`
    Time,
    /// `metav1.MicroTime`
    MicroTime,
    /// `metav1.Duration`
    Duration,
    /// `resource.Quantity`
    Quantity,
    /// `intstr.IntOrString`
    IntOrString,
    /// `runtime.RawExtension`: any JSON, kept as it is.
    RawObject,
    /// `apiextensions.JSON`: any JSON, kept as it is.
    Json,
    /// `metav1.FieldsV1`: a set of fields, kept as it is.
    FieldsV1,
    /// `JSONSchemaPropsOrBool`
    SchemaOrBool,
    /// `JSONSchemaPropsOrArray`
    SchemaOrArray,
    /// `JSONSchemaPropsOrStringArray`
    SchemaOrStrings,
    /// A struct.
    Struct(StructId),
    /// A list.
    List(Box<Type>),
    /// A map with string keys.
    Map(Box<Type>),
}

/// When Go leaves a field out of JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Omit {
    /// Never: a zero value is written.
    Never,
    /// `omitempty`: nil, "", 0, false and empty collections are left out; structs never are.
    Empty,
    /// The same, but to have been sent empty is a mistake of its own: what is empty is seen by validation.
    Kept,
    /// `omitzero`: also structs (and times) that are zero.
    Zero,
}

/// How server-side apply merges a field (`x-kubernetes-list-type`, `x-kubernetes-map-type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListType {
    /// Nothing is said: lists are atomic, maps and structs granular.
    Unset,
    /// Replaced as a whole.
    Atomic,
    /// A map or struct whose fields have owners of their own, even where its type is atomic.
    Granular,
    /// A list whose values are its keys.
    Set,
    /// A list of objects with key fields.
    Map,
}

/// The number of a field in protobuf.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Proto {
    /// The number in its message; 0 for a field that protobuf does not carry (`kind`, `apiVersion`).
    pub number: u8,
    /// The numbers of the messages around it that JSON inlines, outermost first; 0 for none.
    pub via: [u8; 2],
    /// Both, without the zeros.
    path: ([u8; 3], u8),
}

impl Proto {
    fn new(number: u8, via: [u8; 2]) -> Self {
        let path = match via {
            [0, _] => ([number, 0, 0], 1),
            [outer, 0] => ([outer, number, 0], 2),
            [outer, inner] => ([outer, inner, number], 3),
        };
        Self { number, via, path }
    }

    /// The numbers from the struct's own message down to the field.
    pub fn path(&self) -> &[u8] {
        self.path.0.get(..usize::from(self.path.1)).unwrap_or_default()
    }
}

/// Words of one cell of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Words(Option<(&'static str, char)>);

impl Words {
    /// The words in order.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        self.0.into_iter().flat_map(|(text, separator)| text.split(separator))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_none()
    }

    /// Whether this is one of them.
    pub fn contains(self, word: &str) -> bool {
        self.iter().any(|one| one == word)
    }
}

#[cfg(test)]
mod tests;
