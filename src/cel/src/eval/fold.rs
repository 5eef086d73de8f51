//! Loops.

use super::node::{Fold, Grow, Node};
use super::run::{Outcome, Run, over};
use crate::error::Fault;
use crate::meter::{MAKE, TOUCH};
use crate::types::Type;
use crate::value::{Entries, Key, List, Map, Val, short};

impl<'v> Run<'_, 'v> {
    pub(super) fn fold(&mut self, fold: &Fold) -> Outcome<'v> {
        let place = self.locals.len();
        let outcome = self.looped(fold, place);
        self.locals.truncate(place);
        outcome
    }

    fn looped(&mut self, fold: &Fold, place: usize) -> Outcome<'v> {
        let range = self.node(&fold.range)?;
        let init = over(self.node(&fold.init))?;
        self.locals.push(init);
        if !fold.binds {
            match range {
                Val::List(list) => self.over_list(fold, &list, place)?,
                Val::Map(map) => self.over_map(fold, &map, place)?,
                other => {
                    let kind = go_name(&other.kind());
                    return Err(Fault::new(if fold.pairs {
                        format!("unsupported comprehension range type: {kind}")
                    } else {
                        format!("got '{kind}', expected iterable type")
                    }));
                }
            }
            self.locals.truncate(place + 1);
        }
        self.node(&fold.result)
    }

    fn over_list(&mut self, fold: &Fold, list: &List<'v>, place: usize) -> Result<(), Fault> {
        for (index, value) in (0_i64..).zip(list.iter()) {
            self.meter.work(TOUCH)?;
            let value = over(value)?;
            let go_on = if fold.pairs {
                self.turn(fold, place, [Ok(Val::Int(index)), value])?
            } else {
                self.turn(fold, place, [value])?
            };
            if !go_on {
                break;
            }
        }
        Ok(())
    }

    fn over_map(&mut self, fold: &Fold, map: &Map<'v>, place: usize) -> Result<(), Fault> {
        self.meter.work_of(map.len(), TOUCH)?;
        for key in map.keys() {
            let go_on = if fold.pairs {
                let value = over(map.find(&key).unwrap_or(Err(Fault::Arguments)))?;
                self.turn(fold, place, [Ok(key), value])?
            } else {
                self.turn(fold, place, [Ok(key)])?
            };
            if !go_on {
                break;
            }
        }
        Ok(())
    }

    /// One turn; whether there may be more.
    fn turn<const N: usize>(
        &mut self,
        fold: &Fold,
        place: usize,
        variables: [Outcome<'v>; N],
    ) -> Result<bool, Fault> {
        self.locals.truncate(place + 1);
        for variable in variables {
            if let Ok(value @ Val::Bytes(_)) = &variable {
                self.touch(value)?;
            }
            self.locals.push(variable);
        }
        if let Ok(Val::Bool(false)) = over(self.node(&fold.condition))? {
            return Ok(false);
        }
        let next = over(self.node(&fold.step))?;
        if let Some(accumulator) = self.locals.get_mut(place) {
            *accumulator = next;
        }
        Ok(true)
    }

    /// Takes the accumulator out of its place and gives it back with more in it.
    pub(super) fn grow(&mut self, grow: &Grow) -> Outcome<'v> {
        match grow {
            Grow::List(place, list) => {
                self.meter.charge(1)?;
                let more = over(self.node(list))?;
                self.meter.charge(1)?;
                let accumulated = self.take(*place)?;
                let (Val::List(accumulated), Val::List(more)) = (accumulated, more?) else {
                    return Err(Fault::Bare);
                };
                self.extend(accumulated, &more)
            }
            Grow::Map(place, args) => self.insert(*place, args),
        }
    }

    fn take(&mut self, place: usize) -> Outcome<'v> {
        match self.locals.get_mut(place) {
            Some(accumulator) => std::mem::replace(accumulator, Ok(Val::Null)),
            None => Err(Fault::Arguments),
        }
    }

    fn extend(&mut self, accumulated: List<'v>, more: &List<'v>) -> Outcome<'v> {
        self.meter.work_of(more.len(), MAKE)?;
        let mut values = accumulated.into_values()?;
        for value in more.iter() {
            values.push(value?);
        }
        Ok(Val::list(values))
    }

    fn insert(&mut self, place: usize, args: &[Node]) -> Outcome<'v> {
        self.meter.charge(1)?;
        let mut given = Vec::with_capacity(args.len());
        for arg in args {
            given.push(self.node(arg)?);
        }
        self.meter.charge(1)?;
        let Val::Map(map) = self.take(place)? else { return Err(Fault::Bare) };
        let mut entries = map.into_entries()?;
        match given.as_slice() {
            [key, value] => self.add(&mut entries, key, value.clone())?,
            [Val::Map(more)] => {
                for key in more.keys() {
                    let value = more.find(&key).unwrap_or(Err(Fault::Arguments))?;
                    self.add(&mut entries, &key, value)?;
                }
            }
            _ => return Err(Fault::Bare),
        }
        Ok(Val::Map(Map::Shared(entries.into())))
    }

    fn add(&mut self, entries: &mut Entries<'v>, key: &Val<'v>, value: Val<'v>) -> Result<(), Fault> {
        self.meter.work(MAKE)?;
        self.pay_key(key)?;
        let unsupported = || Fault::new(format!("unsupported key type: {}", key.kind().name()));
        let known = Key::of(key).ok_or_else(unsupported)?;
        match entries.insert(known, (key.clone(), value)) {
            None => Ok(()),
            Some(_) => Err(Fault::new(format!("insert failed: key {} already exists", short(key)))),
        }
    }
}

/// The name of a type as upstream's implementation has it.
fn go_name(kind: &Type) -> String {
    let name = match kind {
        Type::Null => "Null",
        Type::Bool => "Bool",
        Type::Int => "Int",
        Type::Uint => "Uint",
        Type::Double => "Double",
        Type::String => "String",
        Type::Bytes => "Bytes",
        Type::Timestamp => "Timestamp",
        Type::Duration => "Duration",
        other => return other.name().to_owned(),
    };
    format!("types.{name}")
}
