//! Rules evaluated along an object.
//!
//! Every value that has rules is `self` in turn, its counterpart before the change `oldSelf`. Rules about a change need
//! a counterpart, unless they say that they can do without. All rules share one budget; when it is spent, that is the
//! last error.

use portcullis_api::field::{Error, ErrorKind, Shown as _};
use portcullis_api::{Map, Value};
use portcullis_cel::{Bindings, Budget, EvalError, OBJECT_BUDGET, Program, Val};

use super::super::Structural;
use super::super::at::At;
use super::super::correlate::Pair;
use super::super::data::Data;
use super::super::node::Type;
use super::super::validate::shown;
use super::Judgement;
use super::compile::{Compiled, OLD_SELF, SELF, Spot};
use super::written::Written;

/// The longest message an expression may make.
const LONGEST_MESSAGE: usize = 5 * 1024;
const SPENT: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// No further rule is evaluated.
struct Stop;

/// A value and where it comes from.
#[derive(Clone, Copy)]
enum Seen<'v> {
    Object(&'v Map<String, Value>),
    Value(&'v Value),
}

impl<'v> Seen<'v> {
    fn data(self) -> Data<'v> {
        match self {
            Self::Object(map) => Data::Object(map),
            Self::Value(value) => value.into(),
        }
    }

    fn bind(self, spot: &'v Spot) -> Result<Val<'v>, EvalError> {
        match self {
            Self::Object(map) => Ok(Val::from_object(map, &spot.shape)),
            Self::Value(value) => Val::from_json(value, &spot.shape),
        }
    }
}

/// What is known about a value before: its own pair, or that of the nearest value around it that has one.
#[derive(Clone, Copy, Default)]
struct Kinship<'v> {
    own: Option<Pair<'v>>,
    around: Option<Pair<'v>>,
}

impl<'v> Kinship<'v> {
    /// Whether mistakes are old ones.
    fn forgives(self, schema: &Structural) -> bool {
        self.own.or(self.around).is_some_and(|pair| pair.is_unchanged(schema))
    }

    fn field(self, schema: &Structural, name: &str) -> Self {
        match self.own {
            None => self,
            // The names of the kind are those of the version asked for, before and after.
            Some(_) if self.around.is_none() && matches!(name, "apiVersion" | "kind") => Self::default(),
            Some(own) => Self { own: own.field(schema, name), around: Some(own) },
        }
    }

    fn entry(self, own: Option<Pair<'v>>) -> Self {
        match self.own {
            None => self,
            Some(list) => Self { own, around: Some(list) },
        }
    }
}

pub(super) fn judge<'v>(
    schema: &Structural,
    spot: &'v Spot,
    object: &'v Map<String, Value>,
    old: Option<&'v Map<String, Value>>,
) -> Judgement {
    let (node, new) = (schema.root(), Data::Object(object));
    let own = old.map(|old| Pair { node, new, old: Data::Object(old) });
    let mut judge = Judge { schema, budget: Budget::new(OBJECT_BUDGET), found: Judgement::default() };
    let kinship = Kinship { own, around: None };
    let _spent = judge.value(spot, &At::Root, Seen::Object(object), old.map(Seen::Object), kinship);
    judge.found
}

struct Judge<'s> {
    schema: &'s Structural,
    budget: Budget,
    found: Judgement,
}

impl Judge<'_> {
    fn value<'v>(
        &mut self,
        spot: &'v Spot,
        at: &At<'_>,
        new: Seen<'v>,
        old: Option<Seen<'v>>,
        kin: Kinship<'v>,
    ) -> Result<(), Stop> {
        if new.data() == Data::Null {
            return Ok(());
        }
        let old = old.filter(|old| old.data() != Data::Null);
        self.rules(spot, at, new, old, kin)?;
        for part in &spot.all_of {
            self.value(part, at, new, old, Kinship { own: None, around: kin.around })?;
        }
        match new.data() {
            Data::Object(members) => self.members(spot, at, members, old, kin),
            Data::List(items) => self.items(spot, at, new.data(), items, old, kin),
            _ => Ok(()),
        }
    }

    fn members<'v>(
        &mut self,
        spot: &'v Spot,
        at: &At<'_>,
        members: &'v Map<String, Value>,
        old: Option<Seen<'v>>,
        kin: Kinship<'v>,
    ) -> Result<(), Stop> {
        let before = |name: &str| match old?.data() {
            Data::Object(old) => old.get(name).map(Seen::Value),
            _ => None,
        };
        if let Some(additional) = &spot.additional {
            for (name, value) in members {
                let kin = kin.field(self.schema, name);
                self.value(additional, &at.key(name), Seen::Value(value), before(name), kin)?;
            }
        }
        for (name, value) in members {
            if let Some(property) = spot.properties.get(name.as_str()) {
                let kin = kin.field(self.schema, name);
                self.value(property, &at.child(name), Seen::Value(value), before(name), kin)?;
            }
        }
        Ok(())
    }

    fn items<'v>(
        &mut self,
        spot: &'v Spot,
        at: &At<'_>,
        new: Data<'v>,
        items: &'v [Value],
        old: Option<Seen<'v>>,
        kin: Kinship<'v>,
    ) -> Result<(), Stop> {
        let Some(inner) = &spot.items else { return Ok(()) };
        let pair = old.map(|old| Pair { node: spot.node, new, old: old.data() });
        let entries = pair.and_then(|pair| Some((pair, pair.old_entries(self.schema)?)));
        for (index, value) in items.iter().enumerate() {
            let known = entries.as_ref();
            let before = known.and_then(|(pair, entries)| pair.before(self.schema, entries, value));
            let own = known.and_then(|(pair, entries)| pair.entry(self.schema, entries, value));
            self.value(inner, &at.index(index), Seen::Value(value), before.map(Seen::Value), kin.entry(own))?;
        }
        Ok(())
    }

    fn rules<'v>(
        &mut self,
        spot: &'v Spot,
        at: &At<'_>,
        new: Seen<'v>,
        old: Option<Seen<'v>>,
        kin: Kinship<'v>,
    ) -> Result<(), Stop> {
        if spot.rules.is_empty() {
            return Ok(());
        }
        let site = Site { spot, at, new, old, ty: self.schema.node(spot.node).ty };
        if self.budget.left() == 0 {
            return self.stop(site.refused(SPENT));
        }
        for rule in &spot.rules {
            if let Some(written) = rule.written(self.schema) {
                self.rule(&site, rule, written, kin)?;
            }
        }
        Ok(())
    }

    fn stop(&mut self, error: Error) -> Result<(), Stop> {
        self.found.errors.push(error);
        Err(Stop)
    }

    fn rule(
        &mut self,
        site: &Site<'_, '_>,
        rule: &Compiled,
        written: &Written,
        kin: Kinship<'_>,
    ) -> Result<(), Stop> {
        let program = match &rule.program {
            None => return Ok(()),
            Some(Ok(program)) => program,
            Some(Err(error)) => {
                self.found.errors.push(site.refused(&format!("rule compile error: {error}")));
                return Ok(());
            }
        };
        let optional = written.optional_old_self() == Some(true);
        if rule.uses_old && site.old.is_none() && !optional {
            return Ok(());
        }
        let name = written.name();
        match site.evaluate(program, optional, &mut self.budget) {
            Ok(Val::Bool(true)) => Ok(()),
            Ok(_) => self.broken(site, rule, written, kin),
            Err(EvalError::Budget) => self.stop(site.refused(SPENT)),
            Err(error @ EvalError::CallCost) => self.stop(site.refused(&format!(
                "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {name}"
            ))),
            Err(error) => {
                let error = error.to_string();
                let words = if error.starts_with("no such overload") {
                    format!(
                        "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {name}"
                    )
                } else {
                    format!("{error} evaluating rule: {name}")
                };
                self.found.errors.push(site.refused(&words));
                Ok(())
            }
        }
    }

    /// Tells that a rule does not hold.
    fn broken(
        &mut self,
        site: &Site<'_, '_>,
        rule: &Compiled,
        written: &Written,
        kin: Kinship<'_>,
    ) -> Result<(), Stop> {
        let own = match &rule.message {
            Some(Ok(program)) => self.message(site, program, written),
            _ => Ok(None),
        };
        let (detail, ends) = match own {
            Ok(Some(message)) => (message, false),
            Ok(None) if written.message().is_empty() => (format!("failed rule: {}", written.name()), false),
            Ok(None) => (written.message().trim().to_owned(), false),
            Err(words) => (words, true),
        };
        let path = site.at.path();
        let path = written.place.as_ref().map_or_else(|| path.clone(), |place| path.child(place.as_str()));
        let kind = match written.reason() {
            _ if ends => ErrorKind::Invalid,
            Some("FieldValueForbidden") => ErrorKind::Forbidden,
            Some("FieldValueRequired") => ErrorKind::Required,
            Some("FieldValueDuplicate") => ErrorKind::Duplicate,
            _ => ErrorKind::Invalid,
        };
        let value = if ends { Some(site.type_shown()) } else { site.value_shown() };
        let valued = matches!(kind, ErrorKind::Invalid | ErrorKind::Duplicate);
        let detail = if kind == ErrorKind::Duplicate { String::new() } else { detail };
        let error = Error { kind, path, shown: value.filter(|_| valued), detail };
        if !rule.uses_old && kin.forgives(self.schema) {
            self.found.warnings.push(error.to_string());
        } else {
            self.found.errors.push(error);
        }
        if ends { Err(Stop) } else { Ok(()) }
    }

    /// The message that an expression makes, if it makes a proper one; else why nothing goes on.
    fn message(
        &mut self,
        site: &Site<'_, '_>,
        program: &Program,
        written: &Written,
    ) -> Result<Option<String>, String> {
        let text = written.message_expression();
        match site.evaluate(program, false, &mut self.budget) {
            Ok(Val::String(message)) => {
                let message = message.as_str().trim();
                let proper =
                    !message.is_empty() && message.len() <= LONGEST_MESSAGE && !message.contains('\n');
                Ok(proper.then(|| message.to_owned()))
            }
            Err(EvalError::Budget) => {
                Err("messageExpression evaluation failed due to running out of cost budget, \
                                           no further validation rules will be run"
                    .to_owned())
            }
            Err(EvalError::CallCost) => Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {}",
                portcullis_api::field::go_quote(text)
            )),
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

/// A value whose rules are evaluated.
struct Site<'a, 'v> {
    spot: &'v Spot,
    at: &'a At<'a>,
    new: Seen<'v>,
    old: Option<Seen<'v>>,
    ty: Type,
}

impl<'v> Site<'_, 'v> {
    fn evaluate(&self, program: &Program, optional: bool, budget: &mut Budget) -> Result<Val<'v>, EvalError> {
        let mut bindings = Bindings::new().bind(SELF, self.new.bind(self.spot)?);
        let old = self.old.map(|old| old.bind(self.spot)).transpose()?;
        if optional {
            bindings = bindings.bind(OLD_SELF, Val::optional(old));
        } else if let Some(old) = old {
            bindings = bindings.bind(OLD_SELF, old);
        }
        program.evaluate(&bindings, budget)
    }

    fn type_shown(&self) -> String {
        portcullis_api::field::go_quote(self.ty.name())
    }

    /// Objects and lists are not shown.
    fn value_shown(&self) -> Option<String> {
        match (self.ty, self.new) {
            (Type::Object | Type::Array, _) | (_, Seen::Object(_)) => None,
            (_, Seen::Value(value)) => Some(shown(value).shown()),
        }
    }

    /// An error about a rule rather than about the value.
    fn refused(&self, words: &str) -> Error {
        Error {
            kind: ErrorKind::Invalid,
            path: self.at.path(),
            shown: Some(self.type_shown()),
            detail: words.to_owned(),
        }
    }
}
