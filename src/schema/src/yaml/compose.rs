//! Builds a tree from the events of a YAML text.
//!
//! Nothing recurses: open collections stand on a stack of bounded height. What aliases repeat is copied,
//! and paid for from a budget, so that a small text cannot become a large tree.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use portcullis_api::field::go_quote;
use portcullis_api::{Map, Value};

use super::{Yaml, scalar};
use crate::decode::MAX_DEPTH;

/// How many nodes and bytes of text anchors and aliases may copy.
const COPY_BUDGET: usize = 1 << 20;

/// The first document of a text.
pub(super) fn document(text: &str) -> Result<Yaml, String> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut composer = Composer {
        text,
        open: Vec::new(),
        anchors: HashMap::new(),
        budget: COPY_BUDGET,
        duplicates: Vec::new(),
    };
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| words(&error, text))?;
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            break;
        }
        if let Some(value) = composer.event(event, span)? {
            return Ok(composer.finish(value));
        }
    }
    Ok(composer.finish(Value::Null))
}

struct Composer<'t> {
    text: &'t str,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    budget: usize,
    duplicates: Vec<String>,
}

/// A complete value and how many levels it has.
#[derive(Clone)]
struct Node {
    value: Value,
    height: usize,
}

/// A collection that is being filled.
struct Open {
    anchor: usize,
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<Key>),
}

enum Key {
    Name(String),
    /// `<<`
    Merge,
}

impl Composer<'_> {
    fn finish(self, value: Value) -> Yaml {
        let duplicates = (!self.duplicates.is_empty())
            .then(|| format!("yaml: unmarshal errors:\n  {}", self.duplicates.join("\n  ")));
        Yaml { value, duplicates }
    }

    /// Takes an event; gives the value when the document is complete.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<Option<Value>, String> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), line),
            Event::SequenceStart(_, anchor, _) => self.enter(anchor, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.enter(anchor, Content::Map(Map::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.leave(line),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let name = span.slice(self.text).unwrap_or_default().trim_start_matches('*');
                let node = node.ok_or_else(|| format!("yaml: anchor '{name}' value contains itself"))?;
                self.pay(&node.value)?;
                if self.open.len() + node.height > MAX_DEPTH {
                    return Err("yaml: exceeded max depth".to_owned());
                }
                self.put(node, line)
            }
            _ => Ok(None),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<Option<Value>, String> {
        let awaits_key = matches!(self.open.last(), Some(Open { content: Content::Map(_, None), .. }));
        if awaits_key && style == ScalarStyle::Plain && tag.is_none() && text == "<<" {
            self.set_key(Key::Merge);
            return Ok(None);
        }
        let as_text =
            tag.map_or(style != ScalarStyle::Plain, |tag| tag.core_suffix().is_none_or(|kind| kind == "str"));
        let value = if as_text { Value::String(text.into_owned()) } else { scalar::resolve(&text)? };
        self.anchor(anchor, &value, 0)?;
        if awaits_key {
            self.set_key(Key::Name(key_name(value)?));
            return Ok(None);
        }
        self.put(Node { value, height: 0 }, line)
    }

    fn set_key(&mut self, key: Key) {
        if let Some(Open { content: Content::Map(_, slot), .. }) = self.open.last_mut() {
            *slot = Some(key);
        }
    }

    fn enter(&mut self, anchor: usize, content: Content) -> Result<Option<Value>, String> {
        if let Some(Open { content: Content::Map(_, None), .. }) = self.open.last() {
            return Err("yaml: invalid map key: a collection".to_owned());
        }
        self.open.push(Open { anchor, height: 1, content });
        if self.open.len() > MAX_DEPTH { Err("yaml: exceeded max depth".to_owned()) } else { Ok(None) }
    }

    fn leave(&mut self, line: usize) -> Result<Option<Value>, String> {
        let Some(open) = self.open.pop() else { return Ok(None) };
        let value = match open.content {
            Content::List(items) => Value::Array(items),
            Content::Map(map, _) => Value::Object(map),
        };
        self.anchor(open.anchor, &value, open.height)?;
        self.put(Node { value, height: open.height }, line)
    }

    /// Puts a complete value where it belongs; gives it back if it is the document.
    fn put(&mut self, node: Node, line: usize) -> Result<Option<Value>, String> {
        let Some(open) = self.open.last_mut() else { return Ok(Some(node.value)) };
        open.height = open.height.max(node.height + 1);
        match &mut open.content {
            Content::List(items) => items.push(node.value),
            Content::Map(map, key) => match key.take() {
                Some(Key::Name(name)) => {
                    if map.contains_key(&name) {
                        let name = go_quote(&name);
                        self.duplicates.push(format!("line {line}: key {name} already set in map"));
                    }
                    map.insert(name, node.value);
                }
                Some(Key::Merge) => merge(map, node.value)?,
                None => *key = Some(Key::Name(key_name(node.value)?)),
            },
        }
        Ok(None)
    }

    fn anchor(&mut self, anchor: usize, value: &Value, height: usize) -> Result<(), String> {
        if anchor != 0 {
            self.pay(value)?;
            self.anchors.insert(anchor, Node { value: value.clone(), height });
        }
        Ok(())
    }

    fn pay(&mut self, value: &Value) -> Result<(), String> {
        let left = self.budget.checked_sub(cost(value, self.budget));
        self.budget = left.ok_or("yaml: document contains excessive aliasing")?;
        Ok(())
    }
}

/// The nodes and bytes of a value; counting ends once it is over the limit.
fn cost(value: &Value, limit: usize) -> usize {
    let (mut cost, mut todo) = (0, vec![value]);
    while let Some(value) = todo.pop() {
        cost += 32;
        match value {
            Value::String(text) => cost += text.len(),
            Value::Array(items) => todo.extend(items),
            Value::Object(map) => {
                cost += map.keys().map(|key| key.len() + 32).sum::<usize>();
                todo.extend(map.values());
            }
            _ => {}
        }
        if cost > limit {
            break;
        }
    }
    cost
}

fn merge(map: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(more) => map.extend(more),
        // Of several, the first one wins.
        Value::Array(maps) => {
            for one in maps.into_iter().rev() {
                let Value::Object(more) = one else { return Err(MERGE.to_owned()) };
                map.extend(more);
            }
        }
        _ => return Err(MERGE.to_owned()),
    }
    Ok(())
}

const MERGE: &str = "yaml: map merge requires map or sequence of maps as the value";

/// A key as the text JSON needs.
fn key_name(key: Value) -> Result<String, String> {
    match key {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Err("unsupported map key of type: %!s(<nil>), key: <nil>".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("yaml: invalid map key: a collection".to_owned()),
    }
}

const NO_NODE: &str = "did not find expected node content";
const NO_MAPPING_SEPARATOR: &str = "did not find expected ',' or '}'";
const NO_SEQUENCE_SEPARATOR: &str = "did not find expected ',' or ']'";

/// A mistake in a text, in the words of libyaml's descendants. They name no line for the first one.
fn words(error: &ScanError, text: &str) -> String {
    if let Some(message) = unclosed(error, text) {
        // The end of a text counts as a line of its own.
        return format!("yaml: line {}: {message}", text.lines().count());
    }
    let line = error.marker().line();
    let (by_scanner, message) = problem(error);
    let line = if by_scanner { line } else { line.saturating_sub(1) };
    let shown = line > 1 || (!by_scanner && line > 0);
    let message = message.unwrap_or_else(|| match error.kind() {
        ErrorKind::UnknownAnchor => anchor_at(text, error),
        _ => error.info(),
    });
    if shown { format!("yaml: line {line}: {message}") } else { format!("yaml: {message}") }
}

/// What is missing where a text ends within a collection in flow style.
fn unclosed(error: &ScanError, text: &str) -> Option<&'static str> {
    let separator = match error.kind() {
        ErrorKind::UnclosedFlowCollection { open: '{' } | ErrorKind::UnexpectedEofFlowMapping => {
            NO_MAPPING_SEPARATOR
        }
        ErrorKind::UnclosedFlowCollection { .. } | ErrorKind::UnexpectedEofFlowSequence => {
            NO_SEQUENCE_SEPARATOR
        }
        _ => return None,
    };
    let written =
        text.lines().rev().map(|line| uncommented(line).trim_end()).find(|line| !line.is_empty())?;
    Some(if written.ends_with(['{', '[', ',', ':']) {
        "did not find expected node content"
    } else {
        separator
    })
}

fn uncommented(line: &str) -> &str {
    let begins =
        |at: usize| line.get(..at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']));
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| begins(*at));
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

fn anchor_at(text: &str, error: &ScanError) -> String {
    let rest = text
        .char_indices()
        .nth(error.marker().index())
        .and_then(|(at, _)| text.get(at..))
        .unwrap_or_default();
    let name =
        rest.trim_start_matches('*').split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    format!("unknown anchor '{}' referenced", name.take(1).next().unwrap_or_default())
}

/// Whether the scanner found the mistake (the parser otherwise), and its words for it.
fn problem(error: &ScanError) -> (bool, Option<String>) {
    let (by_scanner, message) = match error.kind() {
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            (true, "mapping values are not allowed in this context")
        }
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => {
            (true, "block sequence entries are not allowed in this context")
        }
        ErrorKind::MappingKeyNotAllowed => (true, "mapping keys are not allowed in this context"),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (true, "could not find expected ':'"),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::UnexpectedEof => {
            (true, "found unexpected end of stream")
        }
        ErrorKind::DocumentIndicatorInQuotedScalar => (true, "found unexpected document indicator"),
        ErrorKind::UnexpectedCharacter { .. }
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation => (true, "found character that cannot start any token"),
        ErrorKind::UnknownQuotedScalarEscape => (true, "found unknown escape character"),
        ErrorKind::RecursionLimitExceeded => (true, "exceeded max depth"),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::UnexpectedEofBlockMapping => {
            (false, "did not find expected key")
        }
        ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::UnexpectedEofBlockSequence => {
            (false, "did not find expected '-' indicator")
        }
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::MismatchedFlowCollectionEnd { open: '{', .. } => (false, NO_MAPPING_SEPARATOR),
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::MismatchedFlowCollectionEnd { .. } => {
            (false, NO_SEQUENCE_SEPARATOR)
        }
        ErrorKind::ExpectedNodeContent | ErrorKind::MisplacedFlowCollectionEnd => (false, NO_NODE),
        ErrorKind::ExpectedDocumentStart => (false, "did not find expected <document start>"),
        ErrorKind::UndeclaredTagHandle => (false, "found undefined tag handle"),
        _ => return (true, None),
    };
    (by_scanner, Some(message.to_owned()))
}
