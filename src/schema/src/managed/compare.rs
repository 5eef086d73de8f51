//! What a change of an object touches.

use std::sync::LazyLock;

use portcullis_api::{Map, Value};

use super::element::Element;
use super::set::{FieldSet, Node};
use super::shape::{ListShape, MapShape, ShapeRef};
use super::walk::{BadEntry, View, entry_element, field_shape};
use super::writable::Writable;

/// The fields a change touches.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Changes<'a> {
    /// Fields that are new or have another value.
    pub changed: FieldSet<'a>,
    /// Fields that are gone.
    pub removed: FieldSet<'a>,
}

/// Compares two versions of an object.
pub fn compare<'a>(shape: ShapeRef<'a>, old: &'a Value, new: &'a Value) -> Result<Changes<'a>, BadEntry> {
    Ok(Diff::of(shape, Some(old), Some(new))?.below)
}

/// Compares two versions of an object given as maps.
pub(super) fn compare_maps<'a>(
    shape: ShapeRef<'a>,
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
) -> Result<Changes<'a>, BadEntry> {
    let map = match View::of(shape.get(), None, None) {
        View::Map(map) => Some(map),
        _ => None,
    };
    Ok(Diff::fields(shape, map, old, new)?.below)
}

impl Changes<'_> {
    /// The changes of fields that an endpoint can set.
    #[must_use]
    pub fn within(self, writable: Writable<'_>) -> Self {
        Self { changed: writable.of(self.changed), removed: writable.of(self.removed) }
    }
}

/// What changed at and below one node.
#[derive(Default)]
struct Diff<'a> {
    changed: bool,
    removed: bool,
    below: Changes<'a>,
}

impl<'a> Diff<'a> {
    fn of(shape: ShapeRef<'a>, old: Option<&'a Value>, new: Option<&'a Value>) -> Result<Self, BadEntry> {
        let mut diff = match View::of(shape.get(), old, new) {
            View::Leaf => return Ok(Self::leaf(old, new)),
            View::List(list) => {
                let (was, is) = (items(old), items(new));
                if was.is_empty() && is.is_empty() {
                    return Ok(Self::leaf(old, new));
                }
                Self::entries(shape, list, was, is)?
            }
            View::Map(map) => match Self::map(shape, Some(map), old, new)? {
                Some(diff) => diff,
                None => return Ok(Self::leaf(old, new)),
            },
            View::Deduced => match Self::map(shape, None, old, new)? {
                Some(mut diff) => {
                    diff.changed = is_another_kind(old, new);
                    diff
                }
                None => return Ok(Self::leaf(old, new)),
            },
        };
        diff.changed |= old.is_none();
        diff.removed |= new.is_none();
        Ok(diff)
    }

    fn leaf(old: Option<&Value>, new: Option<&Value>) -> Self {
        match (old, new) {
            (Some(_), None) => Self { removed: true, ..Self::default() },
            (old, new) => Self { changed: old != new, ..Self::default() },
        }
    }

    /// `None` when both are empty, which makes a leaf of them.
    fn map(
        shape: ShapeRef<'a>,
        map: Option<&'a MapShape>,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Result<Option<Self>, BadEntry> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        let was = old.and_then(Value::as_object).unwrap_or(&*NONE);
        let is = new.and_then(Value::as_object).unwrap_or(&*NONE);
        if was.is_empty() && is.is_empty() {
            return Ok(None);
        }
        Self::fields(shape, map, was, is).map(Some)
    }

    fn fields(
        shape: ShapeRef<'a>,
        map: Option<&'a MapShape>,
        was: &'a Map<String, Value>,
        is: &'a Map<String, Value>,
    ) -> Result<Self, BadEntry> {
        let mut diff = Self::default();
        let mut before = was.iter().peekable();
        for (name, new) in is {
            while let Some((gone, old)) = before.next_if(|(gone, _)| *gone < name) {
                diff.field(shape, map, gone, Some(old), None)?;
            }
            let old = before.next_if(|(same, _)| *same == name).map(|(_, old)| old);
            diff.field(shape, map, name, old, Some(new))?;
        }
        for (gone, old) in before {
            diff.field(shape, map, gone, Some(old), None)?;
        }
        Ok(diff)
    }

    fn field(
        &mut self,
        shape: ShapeRef<'a>,
        map: Option<&'a MapShape>,
        name: &'a str,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Result<(), BadEntry> {
        let (_, Some(shape)) = field_shape(shape, map, name) else {
            return Err(format!(".{name}: field not declared in schema"));
        };
        self.push(Element::field(name), Self::of(shape, old, new)?);
        Ok(())
    }

    fn push(&mut self, element: Element<'a>, diff: Self) {
        let gone = diff.removed || !diff.below.removed.is_empty();
        let new = diff.changed || !diff.below.changed.is_empty();
        if gone && new {
            self.below.removed.push(Node::new(element.clone(), diff.removed, diff.below.removed));
            self.below.changed.push(Node::new(element, diff.changed, diff.below.changed));
        } else if gone {
            self.below.removed.push(Node::new(element, diff.removed, diff.below.removed));
        } else if new {
            self.below.changed.push(Node::new(element, diff.changed, diff.below.changed));
        }
    }

    /// Compares entry by entry; the order of entries does not matter.
    fn entries(
        shape: ShapeRef<'a>,
        list: &'a ListShape,
        was: &'a [Value],
        is: &'a [Value],
    ) -> Result<Self, BadEntry> {
        let item = shape.at(list.item);
        let mut diff = Self::default();
        if was == is {
            return Ok(diff);
        }
        let (was, is) = (sorted(list, was)?, sorted(list, is)?);
        let mut before = was.chunk_by(|a, b| a.0 == b.0).peekable();
        for new in is.chunk_by(|a, b| a.0 == b.0) {
            let Some((element, _)) = new.first() else { continue };
            while let Some(old) = before.next_if(|old| old.first().is_some_and(|(gone, _)| gone < element)) {
                diff.entry(item, old, &[])?;
            }
            let old = before.next_if(|old| old.first().is_some_and(|(same, _)| same == element));
            diff.entry(item, old.unwrap_or_default(), new)?;
        }
        for old in before {
            diff.entry(item, old, &[])?;
        }
        Ok(diff)
    }

    /// Compares what one step leads to. An entry that is there twice has no fields of its own: it is
    /// compared as a whole.
    fn entry(
        &mut self,
        item: ShapeRef<'a>,
        was: &[(Element<'a>, &'a Value)],
        is: &[(Element<'a>, &'a Value)],
    ) -> Result<(), BadEntry> {
        let Some((element, _)) = is.first().or(was.first()) else { return Ok(()) };
        let only = |entries: &[(Element<'a>, &'a Value)]| entries.first().map(|(_, value)| *value);
        let mut diff = match (was.len(), is.len()) {
            (0 | 1, 0 | 1) => Self::of(item, only(was), only(is))?,
            (2.., 2..) => {
                let same = was.len() == is.len() && was.iter().zip(is).all(|(a, b)| a.1 == b.1);
                Self { changed: !same, ..Self::default() }
            }
            (2.., 0) | (0, 2..) => Self::default(),
            (2.., 1) => Self::of(item, None, only(is))?,
            (1, 2..) => Self::of(item, only(was), None)?,
        };
        diff.removed |= was.len() > 1 && is.len() < 2;
        diff.changed |= is.len() > 1 && was.len() < 2;
        self.push(element.clone(), diff);
        Ok(())
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The entries by their steps; entries with the same step stay in their order.
fn sorted<'a>(list: &'a ListShape, items: &'a [Value]) -> Result<Vec<(Element<'a>, &'a Value)>, BadEntry> {
    let element = |(at, item): (usize, &'a Value)| {
        let element = entry_element(list, item).map_err(|why| format!("element {at}: {why}"))?;
        Ok((element, item))
    };
    let mut entries = items.iter().enumerate().map(element).collect::<Result<Vec<_>, BadEntry>>()?;
    if !entries.is_sorted_by(|a, b| a.0 <= b.0) {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(entries)
}

/// Whether any JSON became an object from something else or the other way round.
fn is_another_kind(old: Option<&Value>, new: Option<&Value>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) if !old.is_null() && !new.is_null() => old.is_object() != new.is_object(),
        _ => false,
    }
}
