//! How a kind wants its fields patched.

use portcullis_api::field::go_quote;

use super::{Failure, Outcome};
use crate::types::{Field, Struct, StructId, Type, types};

/// The type that a patch is being applied to.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// A struct.
    Struct(&'static Struct),
    /// A list, and what it holds.
    List(&'static Type),
    /// Anything without declared fields, by Go's word for it.
    Other(&'static str),
}

/// How lists and objects of a field are patched.
#[derive(Clone, Copy, Default)]
pub(super) struct Strategy {
    word: &'static str,
    /// The key that items of a list are merged by; empty for none.
    pub(super) merge_key: &'static str,
}

impl Strategy {
    fn of(field: &'static Field) -> Self {
        let word = field.patch_strategy.iter().find(|word| *word != "retainKeys").unwrap_or_default();
        Self { word, merge_key: field.patch_merge_key }
    }

    /// Whether lists are merged.
    pub(super) fn merges(self) -> bool {
        self.word == "merge"
    }

    /// Whether objects are replaced.
    pub(super) fn replaces(self) -> bool {
        self.word == "replace"
    }
}

impl Target {
    pub(super) fn of_struct(id: StructId) -> Self {
        Self::Struct(types().get(id))
    }

    fn of(ty: &'static Type) -> Self {
        match ty {
            Type::Struct(id) => Self::of_struct(*id),
            Type::List(item) => Self::List(item),
            Type::Map(_) => Self::Other("map"),
            Type::String => Self::Other("string"),
            Type::Bool => Self::Other("bool"),
            Type::Int32 => Self::Other("int32"),
            Type::Int64 => Self::Other("int64"),
            Type::Float64 => Self::Other("float64"),
            Type::Bytes => Self::Other("slice"),
            _ => Self::Other("struct"),
        }
    }

    /// A field that holds an object.
    pub(super) fn field(self, key: &str) -> Outcome<(Self, Strategy)> {
        let schema = match self {
            Self::Struct(schema) => schema,
            Self::Other("struct") => return Err(unknown_field("RawExtension", key)),
            other => {
                let kind = other.kind();
                return Err(Failure::Other(format!(
                    "merging an object in json but data type is not struct, instead is: {kind}"
                )));
            }
        };
        let any_case = || schema.fields.iter().find(|field| field.json.eq_ignore_ascii_case(key));
        let field =
            schema.field(key).or_else(any_case).ok_or_else(|| unknown_field(schema.short_name(), key))?;
        Ok((Self::of(&field.ty), Strategy::of(field)))
    }

    /// A field that holds a list: the type of its items.
    pub(super) fn list(self, key: &str) -> Outcome<(Self, Strategy)> {
        let (found, strategy) = self.field(key)?;
        match found {
            Self::List(Type::List(_)) => Err(Failure::Other("unexpected slice of slice".to_owned())),
            Self::List(item) => Ok((Self::of(item), strategy)),
            Self::Struct(_) | Self::Other(_) => {
                Err(Failure::Other(format!("expected slice or array type, but got: {}", self.kind())))
            }
        }
    }

    /// Go's word for the type.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Struct(_) => "struct",
            Self::List(_) => "slice",
            Self::Other(word) => word,
        }
    }
}

fn unknown_field(schema: &str, key: &str) -> Failure {
    let key = go_quote(key);
    Failure::Other(format!("unable to find api field in struct {schema} for the json field {key}"))
}
