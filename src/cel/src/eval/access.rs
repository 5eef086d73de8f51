//! Variables and what is selected from them.

use std::sync::Arc;

use super::node::{Access, Key, Node, Root, Step};
use super::run::{Outcome, Run};
use crate::error::Fault;
use crate::value::{List, Val, short};

/// What a selection leads to.
enum Found<'v> {
    Value(Val<'v>),
    Nothing(Fault),
}

impl<'v> Run<'_, 'v> {
    /// The value of an access. The access itself is charged by whoever asks.
    pub(super) fn resolve(&mut self, access: &Access) -> Outcome<'v> {
        let (mut value, steps) = self.start(access)?;
        let mut wrapped = false;
        for Step { key, optional } in steps {
            if let Val::Optional(inner) = value {
                wrapped = true;
                match inner {
                    Some(inner) => value = (*inner).clone(),
                    None => return Ok(Val::Optional(None)),
                }
            }
            let lenient = *optional || wrapped;
            match self.step(&value, key)? {
                Found::Value(next) => value = next,
                Found::Nothing(_) if lenient => {
                    self.meter.refund(1);
                    return Ok(Val::Optional(None));
                }
                Found::Nothing(fault) => return Err(fault),
            }
            wrapped = lenient;
        }
        Ok(if wrapped { Val::some(value) } else { value })
    }

    /// What an access starts with, and the selections that are left: a field that is computed when it is asked for
    /// is not selected from a value.
    fn start<'a>(&mut self, access: &'a Access) -> Result<(Val<'v>, &'a [Step]), Fault> {
        if let (Root::Variable(variable), Some((first, rest))) = (&access.root, access.steps.split_first())
            && let Key::Field(name) = &first.key
            && let Some(value) = self.activation.field(variable, name)
        {
            self.meter.charge(1)?;
            let value = value.map_err(Fault::new)?;
            return Ok((if first.optional { Val::some(value) } else { value }, rest));
        }
        Ok((self.root(&access.root)?, &access.steps))
    }

    fn root(&mut self, root: &Root) -> Outcome<'v> {
        match root {
            Root::Local(place) => self.locals.get(*place).cloned().unwrap_or(Err(Fault::Arguments)),
            Root::Variable(name) => match self.activation.find(name) {
                Some(value) => value.map_err(Fault::new),
                None => Err(Fault::new(format!("no such attribute(s): {name}"))),
            },
            Root::Choice([condition, then, otherwise]) => match self.node(condition)? {
                Val::Bool(true) => self.bare(then),
                Val::Bool(false) => self.bare(otherwise),
                _ => Err(Fault::Bare),
            },
            Root::Value(node) => self.node(node),
        }
    }

    /// A node within an access; one that is an access is not charged as one.
    fn bare(&mut self, node: &Node) -> Outcome<'v> {
        match node {
            Node::Access(access) => self.resolve(access),
            other => self.node(other),
        }
    }

    /// One selection, charged.
    fn step(&mut self, value: &Val<'v>, key: &Key) -> Result<Found<'v>, Fault> {
        let found = match key {
            Key::Field(name) => {
                self.meter.work_of(name.len(), 2)?;
                field(value, name)
            }
            Key::Const(key) => element(value, key),
            Key::Node(node) => {
                let key = self.bare(node)?;
                self.pay_key(&key)?;
                element(value, &key)
            }
        };
        self.meter.charge(1)?;
        if let Ok(Found::Value(Val::Bytes(bytes))) = &found {
            self.meter.work_of(bytes.len(), 1)?;
        }
        found
    }

    /// Pays for comparing a key with those of a map.
    pub(super) fn pay_key(&mut self, key: &Val<'_>) -> Result<(), Fault> {
        match key {
            Val::String(text) => self.meter.work_of(text.as_str().len(), 4),
            _ => Ok(()),
        }
    }

    /// Whether the last selection leads somewhere.
    pub(super) fn has(&mut self, access: &Access) -> Outcome<'v> {
        self.test(access).map(Val::Bool)
    }

    fn test(&mut self, access: &Access) -> Result<bool, Fault> {
        let (mut value, steps) = self.start(access)?;
        // All that was asked for is a field that is computed, and it could be.
        let Some((last, before)) = steps.split_last() else { return Ok(true) };
        let mut wrapped = false;
        for Step { key, optional } in before {
            if let Val::Optional(inner) = value {
                wrapped = true;
                match inner {
                    Some(inner) => value = (*inner).clone(),
                    None => return Ok(false),
                }
            }
            match self.step(&value, key)? {
                Found::Value(next) => value = next,
                Found::Nothing(_) if *optional || wrapped => {
                    self.meter.refund(1);
                    return Ok(false);
                }
                Found::Nothing(fault) => return Err(fault),
            }
            wrapped |= *optional;
        }
        if let Val::Optional(inner) = &value {
            match inner {
                Some(inner) => value = Val::clone(inner),
                None => return Ok(false),
            }
        }
        match self.step(&value, &last.key)? {
            Found::Value(_) => Ok(true),
            Found::Nothing(_) => Ok(false),
        }
    }
}

fn field<'v>(value: &Val<'v>, name: &Arc<str>) -> Result<Found<'v>, Fault> {
    let missing = || Found::Nothing(Fault::new(format!("no such key: {name}")));
    match value {
        Val::Made(made) => Ok(made.part(name).map_or_else(missing, Found::Value)),
        Val::Map(map) => match map.field(name) {
            Some(value) => value.map(Found::Value),
            None => Ok(missing()),
        },
        Val::List(_) => Err(Fault::new("unsupported index type 'string' in list")),
        _ => Ok(missing()),
    }
}

fn element<'v>(value: &Val<'v>, key: &Val<'v>) -> Result<Found<'v>, Fault> {
    match (value, key) {
        (Val::Map(map), key) => match map.find(key) {
            Some(value) => value.map(Found::Value),
            None => Ok(Found::Nothing(Fault::new(format!("no such key: {}", short(key))))),
        },
        (Val::List(list), key) => {
            let index = match key {
                Val::Int(index) => *index,
                Val::Uint(index) => i64::try_from(*index).unwrap_or(i64::MAX),
                Val::Double(index) => match crate::value::int_from_double(*index) {
                    Some(whole) if index.fract() == 0.0 => whole,
                    _ => return Err(Fault::new(format!("unsupported index value {key} in list"))),
                },
                other => {
                    let kind = other.kind();
                    return Err(Fault::new(format!("unsupported index type '{}' in list", kind.name())));
                }
            };
            nth(list, index)
        }
        (_, key) => Ok(Found::Nothing(Fault::new(format!("no such key: {}", short(key))))),
    }
}

fn nth<'v>(list: &List<'v>, index: i64) -> Result<Found<'v>, Fault> {
    match usize::try_from(index).ok().and_then(|index| list.get(index)) {
        Some(value) => value.map(Found::Value),
        None => Ok(Found::Nothing(Fault::new(format!("index out of bounds: {index}")))),
    }
}
