//! Following a path.

use portcullis_api::{Map, Value};

use super::compare::compare;
use super::{Filter, Slice, Step};

/// How many values one evaluation may look at.
const MAX_STEPS: usize = 20_000;

/// Why a path leads to an error.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EvalError {
    /// Brackets follow what is no list.
    #[error("not an array or slice")]
    NotAList,
    /// An index lies outside the list.
    #[error("array index out of bounds")]
    OutOfBounds,
    /// A slice has no direction.
    #[error("step must be > 0")]
    Step,
    /// A word means nothing in a path.
    #[error("unrecognized identifier {0}")]
    Word(String),
    /// A filter compares several values, or values of different kinds.
    #[error("cannot compare")]
    Incomparable,
    /// The path leads to too many values.
    #[error("more than {MAX_STEPS} values were looked at")]
    TooMany,
}

/// Follows steps from the root of an object. The object itself is not among what is found.
pub(super) fn find<'v>(
    steps: &'v [Step],
    object: &'v Map<String, Value>,
) -> Result<Vec<&'v Value>, EvalError> {
    let mut walk = Walk { left: MAX_STEPS };
    let found = walk.follow(steps, vec![Item::Root(object)])?;
    Ok(found.into_iter().filter_map(Item::value).collect())
}

/// A value on the way.
#[derive(Clone, Copy)]
enum Item<'v> {
    Root(&'v Map<String, Value>),
    Value(&'v Value),
}

impl<'v> Item<'v> {
    fn value(self) -> Option<&'v Value> {
        match self {
            Self::Root(_) => None,
            Self::Value(value) => Some(value),
        }
    }

    fn members(self) -> Option<&'v Map<String, Value>> {
        match self {
            Self::Root(members) => Some(members),
            Self::Value(value) => value.as_object(),
        }
    }

    fn entries(self) -> Option<&'v [Value]> {
        self.value()?.as_array().map(Vec::as_slice)
    }

    fn is_null(self) -> bool {
        self.value().is_some_and(Value::is_null)
    }

    fn children(self) -> Vec<Self> {
        match (self.members(), self.entries()) {
            (Some(members), _) => members.values().map(Self::Value).collect(),
            (None, Some(entries)) => entries.iter().map(Self::Value).collect(),
            (None, None) => Vec::new(),
        }
    }

    /// Whether there is anything in the value. Texts are lists of bytes to upstream.
    fn has_parts(self) -> bool {
        let text = self.value().and_then(Value::as_str);
        !text.unwrap_or_default().is_empty()
            || self.members().is_some_and(|members| !members.is_empty())
            || self.entries().is_some_and(|entries| !entries.is_empty())
    }
}

struct Walk {
    left: usize,
}

impl Walk {
    fn spend(&mut self, steps: usize) -> Result<(), EvalError> {
        self.left = self.left.checked_sub(steps).ok_or(EvalError::TooMany)?;
        Ok(())
    }

    fn follow<'v>(
        &mut self,
        steps: &'v [Step],
        mut items: Vec<Item<'v>>,
    ) -> Result<Vec<Item<'v>>, EvalError> {
        for step in steps {
            self.spend(items.len() + 1)?;
            items = self.step(step, items)?;
        }
        Ok(items)
    }

    fn step<'v>(&mut self, step: &'v Step, items: Vec<Item<'v>>) -> Result<Vec<Item<'v>>, EvalError> {
        match step {
            Step::Field(name) => {
                let field = |item: Item<'v>| item.members()?.get(name).map(Item::Value);
                Ok(items.into_iter().filter_map(field).collect())
            }
            Step::Wildcard => {
                let mut all = Vec::new();
                for item in items {
                    let children = item.children();
                    self.spend(children.len())?;
                    all.extend(children);
                }
                Ok(all)
            }
            Step::Descent => {
                let mut all = Vec::new();
                items.into_iter().try_for_each(|item| self.descend(item, &mut all))?;
                Ok(all)
            }
            Step::Slice(slice) => self.slice(*slice, &items),
            Step::Union(parts) => {
                let mut all = Vec::new();
                for steps in parts {
                    all.extend(self.follow(steps, items.clone())?);
                }
                Ok(all)
            }
            Step::Filter(filter) => self.filter(filter, &items),
            Step::Text(text) => Ok(vec![Item::Value(text)]),
            Step::Literal(value) => Ok(items.iter().map(|_| Item::Value(value)).collect()),
            Step::Word(word) => Err(EvalError::Word(word.clone())),
        }
    }

    /// What has parts, and all of those that have some.
    fn descend<'v>(&mut self, item: Item<'v>, all: &mut Vec<Item<'v>>) -> Result<(), EvalError> {
        self.spend(1)?;
        if item.has_parts() {
            all.push(item);
            item.children().into_iter().try_for_each(|child| self.descend(child, all))?;
        }
        Ok(())
    }

    fn slice<'v>(&mut self, slice: Slice, items: &[Item<'v>]) -> Result<Vec<Item<'v>>, EvalError> {
        let mut all = Vec::new();
        for item in items.iter().filter(|item| !item.is_null()) {
            let entries = item.entries().ok_or(EvalError::NotAList)?;
            let length = i64::try_from(entries.len()).unwrap_or(i64::MAX);
            let from_end = |place: i64| if place < 0 { place.saturating_add(length) } else { place };
            let start = from_end(slice.start.unwrap_or_default());
            let end = match slice.end {
                None => length,
                Some(0) if slice.single => length,
                Some(end) => from_end(end),
            };
            if start == end {
                return Ok(all);
            }
            if start < 0 || start >= length || end < 0 || end > length || start > end {
                return Err(EvalError::OutOfBounds);
            }
            let step = match slice.step {
                None => 1,
                Some(step) => usize::try_from(step).ok().filter(|step| *step > 0).ok_or(EvalError::Step)?,
            };
            let place = |place: i64| usize::try_from(place).unwrap_or_default();
            let chosen = entries.get(place(start)..place(end)).unwrap_or_default();
            self.spend(chosen.len())?;
            all.extend(chosen.iter().step_by(step).map(Item::Value));
        }
        Ok(all)
    }

    fn filter<'v>(&mut self, filter: &'v Filter, items: &[Item<'v>]) -> Result<Vec<Item<'v>>, EvalError> {
        let mut all = Vec::new();
        for item in items {
            for entry in item.entries().ok_or(EvalError::NotAList)? {
                let entry = Item::Value(entry);
                let left = self.follow(&filter.left, vec![entry]);
                let Some((operator, right)) = &filter.right else {
                    // Whatever went wrong on the way, there is nothing at its end.
                    if left.is_ok_and(|left| !left.is_empty()) {
                        all.push(entry);
                    }
                    continue;
                };
                let left = left?;
                if left.is_empty() {
                    continue;
                }
                let right = self.follow(right, vec![entry])?;
                match (left.as_slice(), right.as_slice()) {
                    (_, []) => {}
                    ([left], [right]) => {
                        let (Some(left), Some(right)) = (left.value(), right.value()) else {
                            return Err(EvalError::Incomparable);
                        };
                        if compare(left, operator, right).ok_or(EvalError::Incomparable)? {
                            all.push(entry);
                        }
                    }
                    _ => return Err(EvalError::Incomparable),
                }
            }
        }
        Ok(all)
    }
}
