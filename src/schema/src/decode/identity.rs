//! What a body says it is, and whether that is what the endpoint takes.
//!
//! Upstream reads `apiVersion` and `kind` first, with a reader that does not mind the case of the names,
//! creates the object they name and converts it to what the endpoint wants. Each step has its own error.

use portcullis_api::field::go_quote;
use portcullis_api::{GroupVersion, Value};

use super::DecodeError;
use super::at::At;
use super::json::Json;
use super::reader::{Members, Reader, Stop};
use super::source::{Source, Token};
use crate::kind::{Kind, is_everywhere, kind_named};
use crate::patch::word;

/// Go's name of the struct that holds the two fields.
const HOLDER: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// Kinds that upstream can decode but serves no more or not yet: group, version, kind.
const UNSERVED: &str = include_str!("../../data/unserved.tsv");

/// `apiVersion` and `kind` as they were given.
#[derive(Debug, Default)]
pub(super) struct Identity {
    api_version: String,
    kind: String,
    error: Option<String>,
}

/// Which of the two fields.
#[derive(Clone, Copy)]
pub(super) enum Name {
    ApiVersion,
    Kind,
}

impl Name {
    fn json(self) -> &'static str {
        match self {
            Self::ApiVersion => "apiVersion",
            Self::Kind => "kind",
        }
    }
}

/// `apiVersion` and `kind` of a tree; empty where it has none.
pub(crate) fn type_meta(value: &Value) -> Result<(&str, &str), DecodeError> {
    let refuse = |error: String| DecodeError::Unrecognized {
        message: format!("couldn't get version/kind; json parse error: {error}"),
    };
    if !value.is_object() && !value.is_null() {
        let word = word(value);
        return Err(refuse(format!("json: cannot unmarshal {word} into Go value of type {HOLDER}")));
    }
    let text = |name: Name| match value.get(name.json()) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => {
            let (word, name) = (word(other), name.json());
            Err(refuse(format!("json: cannot unmarshal {word} into Go struct field .{name} of type string")))
        }
    };
    Ok((text(Name::ApiVersion)?, text(Name::Kind)?))
}

impl Identity {
    /// What a tree says it is.
    pub(super) fn of(value: &Value) -> Self {
        let text = |name: Name| value.get(name.json()).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { api_version: text(Name::ApiVersion), kind: text(Name::Kind), error: None }
    }

    /// Reads past a whole text for the two fields.
    pub(super) fn scan(text: &str) -> Result<Self, Stop> {
        let mut reader = Reader::new(Json::new(text), false);
        let mut identity = Self::default();
        let token = reader.source.token()?;
        if !matches!(token, Token::Object) {
            return Ok(identity);
        }
        reader.enter()?;
        let mut first = true;
        while let Some(key) = reader.source.next_key(first)? {
            first = false;
            let token = reader.source.token()?;
            match Self::name(&key) {
                Some(name) => identity.take(&mut reader, name, token)?,
                None => reader.skip(token)?,
            }
        }
        reader.source.end()?;
        Ok(identity)
    }

    /// The field a key stands for here, whatever its case.
    pub(super) fn name(key: &str) -> Option<Name> {
        [Name::ApiVersion, Name::Kind].into_iter().find(|name| key.eq_ignore_ascii_case(name.json()))
    }

    /// Notes that the outermost value is no object.
    pub(super) fn not_an_object(&mut self, word: &str) {
        self.error = Some(format!("json: cannot unmarshal {word} into Go value of type {HOLDER}"));
    }

    /// Reads one of the two fields.
    pub(super) fn take<'a, S: Source<'a>>(
        &mut self,
        reader: &mut Reader<S>,
        name: Name,
        token: Token<'a>,
    ) -> Result<(), Stop> {
        match token {
            Token::String(text) => {
                let slot = match name {
                    Name::ApiVersion => &mut self.api_version,
                    Name::Kind => &mut self.kind,
                };
                *slot = text.into_owned();
            }
            Token::Null => {}
            token => {
                let (word, name) = (token.word(), name.json());
                self.error.get_or_insert_with(|| {
                    format!("json: cannot unmarshal {word} into Go struct field .{name} of type string")
                });
                reader.skip(token)?;
            }
        }
        Ok(())
    }

    /// Checks that a body is of the kind that is wanted; `data` is quoted where its version is missing.
    pub(super) fn check(&self, wanted: &Kind, data: &str) -> Result<(), DecodeError> {
        if let Some(error) = &self.error {
            let message = format!("couldn't get version/kind; json parse error: {error}");
            return Err(DecodeError::Unrecognized { message });
        }
        let gv = self.group_version(wanted)?;
        let kind = self.kind_or(wanted);
        if kind == wanted.kind() && (gv == wanted.gvk().gv || is_everywhere(&gv.group, &gv.version, kind)) {
            return Ok(());
        }
        let mishandled = |message| DecodeError::Mishandled {
            kind: kind.to_owned(),
            version: gv.version.as_ref().to_owned(),
            message,
        };
        if gv.version.is_empty() {
            return Err(mishandled(format!("Object 'apiVersion' is missing in '{data}'")));
        }
        match registered(&gv, kind, wanted) {
            Registered::SameType => Err(DecodeError::OtherVersion { found: gv.to_string() }),
            Registered::OtherType => {
                let internal = internal_type(wanted);
                let version = &gv.version;
                Err(mishandled(format!("converting ({version}.{kind}) to ({internal}): unknown conversion")))
            }
            Registered::Unknown => {
                let (kind, gv) = (go_quote(kind), go_quote(&gv.to_string()));
                let scheme = scheme(wanted);
                Err(mishandled(format!(
                    "no kind {kind} is registered for version {gv} in scheme \"{scheme}\""
                )))
            }
        }
    }

    fn kind_or<'s>(&'s self, wanted: &'s Kind) -> &'s str {
        if self.kind.is_empty() { wanted.kind() } else { &self.kind }
    }

    /// The group and version given, the wanted ones where they are not.
    fn group_version(&self, wanted: &Kind) -> Result<GroupVersion, DecodeError> {
        let default = &wanted.gvk().gv;
        let text = self.api_version.as_str();
        if text.is_empty() || text == "/" {
            return Ok(default.clone());
        }
        let Some(gv) = GroupVersion::parse(text) else {
            return Err(DecodeError::Unrecognized {
                message: format!("unexpected GroupVersion string: {text}"),
            });
        };
        if gv.version.is_empty() && gv.group == default.group { Ok(default.clone()) } else { Ok(gv) }
    }
}

impl Kind {
    /// The error for a body that says it is of this kind.
    pub(crate) fn mishandled(&self, message: String) -> DecodeError {
        let gvk = self.gvk();
        let (kind, version) = (gvk.kind.as_ref().to_owned(), gvk.gv.version.as_ref().to_owned());
        DecodeError::Mishandled { kind, version, message }
    }
}

impl<'a, S: Source<'a>> Reader<S> {
    /// Reads `apiVersion` or `kind` of the outermost object: for its identity, and for strictness as any field.
    pub(super) fn identity(
        &mut self,
        members: &mut Members,
        identity: &mut Identity,
        name: Name,
        key: &str,
    ) -> Result<(), Stop> {
        self.note(members, key, &At::ROOT);
        let token = self.source.token()?;
        identity.take(self, name, token)
    }
}

/// What upstream's scheme makes of a kind in an endpoint for another.
enum Registered {
    SameType,
    OtherType,
    Unknown,
}

fn registered(gv: &GroupVersion, kind: &str, wanted: &Kind) -> Registered {
    if scheme_of(&gv.group) != scheme(wanted) {
        return Registered::Unknown;
    }
    let item = kind.strip_suffix("List").unwrap_or(kind);
    let unserved = format!("{}\t{}\t{item}", gv.group, gv.version);
    let known =
        kind_named(&gv.group, &gv.version, item).is_some() || UNSERVED.lines().any(|line| line == unserved);
    match known {
        false => Registered::Unknown,
        true if kind == wanted.kind() && same_types(&gv.group, &wanted.gvk().gv.group) => {
            Registered::SameType
        }
        true => Registered::OtherType,
    }
}

/// Whether kinds of one name in these groups are one internal type.
fn same_types(one: &str, other: &str) -> bool {
    let pairs = [("extensions", "apps"), ("extensions", "networking.k8s.io"), ("events.k8s.io", "")];
    one == other || pairs.contains(&(one, other)) || pairs.contains(&(other, one))
}

/// The Go name of the internal type of a kind: `core.ConfigMap`.
fn internal_type(wanted: &Kind) -> String {
    let definition = wanted.root_struct().definition;
    let package = definition.rsplit('.').nth(2).unwrap_or_default();
    let package = if package == "events" { "core" } else { package };
    format!("{package}.{}", wanted.kind())
}

fn scheme(wanted: &Kind) -> &'static str {
    scheme_of(&wanted.gvk().gv.group)
}

/// Where upstream made the scheme that knows a group; its errors name the line.
fn scheme_of(group: &str) -> &'static str {
    match group {
        "apiextensions.k8s.io" => "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55",
        "apiregistration.k8s.io" => "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28",
        _ => "pkg/api/legacyscheme/scheme.go:30",
    }
}
