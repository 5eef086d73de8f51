//! Merging an applied configuration into a live object: nothing is removed, and where both have a leaf
//! the configuration's wins. Lists that the configuration does not reorder keep the live order.

use std::collections::VecDeque;
use std::sync::LazyLock;

use portcullis_api::{Map, Value};

use super::element::Element;
use super::shape::{ListShape, MapShape, ShapeRef};
use super::walk::{BadEntry, View, entry_element, field_shape};

/// Merges `config` into `live`.
pub fn merge(shape: ShapeRef<'_>, live: &Value, config: &Value) -> Result<Value, BadEntry> {
    Ok(both(shape, Some(live), Some(config))?.unwrap_or(Value::Null))
}

fn both(
    shape: ShapeRef<'_>,
    live: Option<&Value>,
    config: Option<&Value>,
) -> Result<Option<Value>, BadEntry> {
    let winner = || config.or(live).cloned();
    let (Some(live_value), Some(config_value)) = (live, config) else { return Ok(winner()) };
    Ok(match View::of(shape.get(), live, config) {
        View::Leaf => winner(),
        View::List(list) => {
            let items = |value: &'_ Value| value.as_array().is_none_or(Vec::is_empty);
            if items(live_value) && items(config_value) {
                return Ok(winner());
            }
            lists(shape, list, slice(live_value), slice(config_value))?
        }
        View::Map(map) => maps(shape, Some(map), live_value, config_value)?,
        // An object takes the place of anything else and the other way round.
        View::Deduced if live_value.is_object() && !config_value.is_object() && !config_value.is_null() => {
            winner()
        }
        View::Deduced => maps(shape, None, live_value, config_value)?,
    })
}

fn slice(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn maps(
    shape: ShapeRef<'_>,
    map: Option<&MapShape>,
    live: &Value,
    config: &Value,
) -> Result<Option<Value>, BadEntry> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    let left = live.as_object().unwrap_or(&*NONE);
    let right = config.as_object().unwrap_or(&*NONE);
    if left.is_empty() && right.is_empty() {
        return Ok(Some(config.clone()));
    }
    let mut out = Map::new();
    let only_config = right
        .iter()
        .filter(|(name, _)| !left.contains_key(*name))
        .map(|(name, value)| (name, None, Some(value)));
    let shared = left.iter().map(|(name, value)| (name, Some(value), right.get(name)));
    for (name, was, is) in shared.chain(only_config) {
        let (_, Some(below)) = field_shape(shape, map, name) else {
            return Err(format!(".{name}: field not declared in schema"));
        };
        if let Some(value) = both(below, was, is)? {
            out.insert(name.clone(), value);
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

fn lists(
    shape: ShapeRef<'_>,
    list: &ListShape,
    live: &[Value],
    config: &[Value],
) -> Result<Option<Value>, BadEntry> {
    let merge = ListMerge {
        item: shape.at(list.item),
        live: Side::of(list, live, true)?,
        config: Side::of(list, config, false)?,
    };
    let out = merge.run()?;
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

/// The entries of one side in their order, and which of them are there twice.
struct Side<'a> {
    entries: Vec<(Element<'a>, &'a Value)>,
    /// Places in `entries`, sorted by element.
    index: Vec<usize>,
}

/// What stands for an entry that is there more than once: nothing is merged with it.
static TWICE: Value = Value::Null;

impl<'a> Side<'a> {
    fn of(list: &'a ListShape, items: &'a [Value], duplicates: bool) -> Result<Self, BadEntry> {
        let mut entries = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            entries.push((entry_element(list, item).map_err(|why| format!("element {at}: {why}"))?, item));
        }
        let mut index: Vec<usize> = (0..entries.len()).collect();
        index.sort_by(|a, b| entries.get(*a).map(|e| &e.0).cmp(&entries.get(*b).map(|e| &e.0)));
        let side = Self { entries, index };
        if !duplicates
            && let Some((element, _)) = side.entries.iter().find(|(element, _)| side.count(element) > 1)
        {
            return Err(format!("duplicate entries for key {element}"));
        }
        Ok(side)
    }

    fn places(&self, element: &Element<'_>) -> &[usize] {
        let element_at = |at: &usize| self.entries.get(*at).map(|entry| &entry.0);
        let from = self.index.partition_point(|at| element_at(at).is_some_and(|one| one < element));
        let rest = self.index.get(from..).unwrap_or_default();
        let to = rest.partition_point(|at| element_at(at).is_some_and(|one| one == element));
        rest.get(..to).unwrap_or_default()
    }

    fn count(&self, element: &Element<'_>) -> usize {
        self.places(element).len()
    }

    fn has(&self, element: &Element<'_>) -> bool {
        self.count(element) > 0
    }

    /// The one value of an element.
    fn value(&self, element: &Element<'_>) -> Option<&'a Value> {
        match self.places(element) {
            [] => None,
            [at] => self.entries.get(*at).map(|entry| entry.1),
            _ => Some(&TWICE),
        }
    }
}

struct ListMerge<'a> {
    item: ShapeRef<'a>,
    live: Side<'a>,
    config: Side<'a>,
}

impl<'a> ListMerge<'a> {
    /// Walks both lists side by side. Entries in both come in the configuration's order; entries that
    /// only live has stay in front of the shared entry they were in front of.
    fn run(&self) -> Result<Vec<Value>, BadEntry> {
        let mut shared: VecDeque<&Element<'a>> =
            self.config.entries.iter().map(|(element, _)| element).filter(|e| self.live.has(e)).collect();
        let mut next_shared = shared.pop_front();
        let mut merged: Vec<&Element<'a>> = Vec::new();
        let mut out = Vec::with_capacity(self.live.entries.len().max(self.config.entries.len()));
        let (mut left, mut right) = (0, 0);
        while left < self.live.entries.len() || right < self.config.entries.len() {
            let ours = self.live.entries.get(left);
            let theirs = self.config.entries.get(right);
            if let (Some((element, _)), Some((other, _))) = (ours, theirs) {
                if element == other {
                    merged.push(other);
                    self.put(&mut out, self.live.value(element), self.config.value(element))?;
                    (left, right) = (left + 1, right + 1);
                    next_shared = shared.pop_front();
                    continue;
                }
                if self.config.has(element) && next_shared.is_some_and(|next| next != element) {
                    left += 1;
                    continue;
                }
            }
            if let Some((element, value)) = ours {
                if !self.config.has(element) {
                    self.put(&mut out, Some(value), None)?;
                    left += 1;
                    continue;
                }
                if merged.contains(&element) {
                    left += 1;
                }
            }
            if let Some((element, _)) = theirs {
                merged.push(element);
                self.put(&mut out, self.live.value(element), self.config.value(element))?;
                right += 1;
                if next_shared == Some(element) {
                    next_shared = shared.pop_front();
                }
            }
        }
        Ok(out)
    }

    fn put(
        &self,
        out: &mut Vec<Value>,
        live: Option<&Value>,
        config: Option<&Value>,
    ) -> Result<(), BadEntry> {
        out.extend(both(self.item, live, config)?);
        Ok(())
    }
}
