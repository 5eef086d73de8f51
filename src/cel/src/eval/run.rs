//! Evaluates nodes.

use super::node::{Access, Call, Element, Entry, Message, Node};
use crate::cost::{LIST, MAP, MESSAGE};
use crate::error::Fault;
use crate::library::{self, contains};
use crate::meter::{MAKE, Meter};
use crate::program::Activation;
use crate::value::{Entries, Key, Made, Map, Val, short};

/// The value of a step, or why there is none.
pub(super) type Outcome<'v> = Result<Val<'v>, Fault>;

/// Evaluates an expression.
pub(crate) fn run<'v>(node: &Node, activation: &dyn Activation<'v>, meter: &mut Meter) -> Outcome<'v> {
    Run { activation, meter, locals: Vec::new() }.node(node)
}

pub(super) struct Run<'r, 'v> {
    pub(super) activation: &'r dyn Activation<'v>,
    pub(super) meter: &'r mut Meter,
    /// The variables of the loops around, outermost first. A loop goes on past a failed step.
    pub(super) locals: Vec<Outcome<'v>>,
}

/// What ends the evaluation ends it; other failures are values to some operators.
pub(super) fn over(outcome: Outcome<'_>) -> Result<Outcome<'_>, Fault> {
    match outcome {
        Err(Fault::Cost) => Err(Fault::Cost),
        other => Ok(other),
    }
}

impl<'v> Run<'_, 'v> {
    pub(super) fn node(&mut self, node: &Node) -> Outcome<'v> {
        match node {
            Node::Const(value) => Ok(value.clone()),
            Node::Access(access) => self.access(access),
            Node::Has(access) => self.has(access),
            Node::And(pair) => self.logical(pair, false),
            Node::Or(pair) => self.logical(pair, true),
            Node::Call(call) => self.call(call),
            Node::Member(member) => {
                let value = self.node(&member.0)?;
                contains(&member.1, &value, self.meter).map(Val::Bool)
            }
            Node::Else { whole, pair } => self.otherwise(*whole, pair),
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::Made(message) => self.message(message),
            Node::Fold(fold) => self.fold(fold),
            Node::Grow(grow) => self.grow(grow),
        }
    }

    fn access(&mut self, access: &Access) -> Outcome<'v> {
        let outcome = over(self.resolve(access))?;
        if !matches!(access.root, super::node::Root::Choice(_)) {
            self.meter.charge(1)?;
        }
        outcome
    }

    /// `&&` and `||`: one operand may decide alone, even if the other failed.
    fn logical(&mut self, pair: &[Node; 2], decides: bool) -> Outcome<'v> {
        let mut failure = None;
        for node in pair {
            match over(self.node(node))? {
                Ok(Val::Bool(value)) if value == decides => return Ok(Val::Bool(decides)),
                Ok(Val::Bool(_)) => {}
                Ok(_) => failure = failure.or(Some(Fault::Bare)),
                Err(fault) => failure = failure.or(Some(fault)),
            }
        }
        failure.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn otherwise(&mut self, whole: bool, pair: &[Node; 2]) -> Outcome<'v> {
        let [one, other] = pair;
        match self.node(one)? {
            value @ Val::Optional(Some(_)) if whole => Ok(value),
            Val::Optional(Some(value)) => Ok((*value).clone()),
            Val::Optional(None) => self.node(other),
            _ => Err(Fault::Bare),
        }
    }

    fn call(&mut self, call: &Call) -> Outcome<'v> {
        let mut args = Vec::with_capacity(call.args.len());
        let mut failure = None;
        for (index, node) in call.args.iter().enumerate() {
            match over(self.node(node))? {
                Ok(value) => args.push(value),
                // More than two arguments are evaluated until one fails.
                Err(fault) if call.args.len() > 2 && index + 1 < call.args.len() => return Err(fault),
                Err(fault) => {
                    args.push(Val::Null);
                    failure = failure.or(Some(fault));
                }
            }
        }
        for value in &args {
            self.touch(value)?;
        }
        if let Some(fault) = failure {
            let cost = call.rule.cost(&args, None, self.meter)?;
            self.meter.charge(cost)?;
            return if &*call.name == "@not_strictly_false" { Ok(Val::Bool(true)) } else { Err(fault) };
        }
        if !call.rule.needs_result() {
            let cost = call.rule.cost(&args, None, self.meter)?;
            self.meter.charge(cost)?;
        }
        let outcome = over(self.apply(call, &args))?;
        if call.rule.needs_result() {
            let cost = call.rule.cost(&args, outcome.as_ref().ok(), self.meter)?;
            self.meter.charge(cost)?;
        }
        outcome
    }

    /// Pays for reading a text from end to end, as most functions do.
    pub(super) fn touch(&mut self, value: &Val<'_>) -> Result<(), Fault> {
        match value {
            Val::String(text) => self.meter.work_of(text.as_str().len() / 8, 1),
            Val::Bytes(bytes) => self.meter.work_of(bytes.len() / 8, 1),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, call: &Call, args: &[Val<'v>]) -> Outcome<'v> {
        let outcome = match &call.regex {
            Some(regex) => library::compiled_regex(&call.name, regex, args, self.meter),
            None => match args {
                [format @ Val::Opaque(crate::value::Opaque::Format(_))]
                    if call.name.starts_with("format.") =>
                {
                    Ok(format.clone())
                }
                _ => (call.native)(args, self.meter),
            },
        };
        outcome.map_err(|fault| match fault {
            Fault::Cost => Fault::Cost,
            other => Fault::new(explain(&call.name, other, args)),
        })
    }

    fn list(&mut self, elements: &[Element]) -> Outcome<'v> {
        let values = over(self.elements(elements))?;
        self.meter.charge(LIST)?;
        values
    }

    fn elements(&mut self, elements: &[Element]) -> Outcome<'v> {
        let mut values = Vec::with_capacity(elements.len());
        self.meter.work_of(elements.len(), MAKE)?;
        for Element { value, optional } in elements {
            match (self.node(value)?, optional) {
                (value, false) => values.push(value),
                (Val::Optional(None), true) => {}
                (Val::Optional(Some(value)), true) => values.push((*value).clone()),
                (other, true) => return Err(not_optional(&other)),
            }
        }
        Ok(Val::list(values))
    }

    fn map(&mut self, entries: &[Entry]) -> Outcome<'v> {
        let map = over(self.entries(entries))?;
        self.meter.charge(MAP)?;
        map
    }

    fn message(&mut self, message: &Message) -> Outcome<'v> {
        let made = over(self.fields(message))?;
        self.meter.charge(MESSAGE)?;
        made
    }

    fn fields(&mut self, message: &Message) -> Outcome<'v> {
        let mut fields = std::collections::BTreeMap::new();
        for (name, Element { value, optional }) in &message.fields {
            self.meter.work_of(name.len(), 1)?;
            self.meter.work(MAKE)?;
            let value = match (self.node(value)?, optional) {
                (value, false) => value,
                (Val::Optional(None), true) => {
                    fields.remove(name);
                    continue;
                }
                (Val::Optional(Some(value)), true) => (*value).clone(),
                (other, true) => return Err(not_optional_field(name, &other)),
            };
            fields.insert(name.clone(), value);
        }
        Made::value(message.name.clone(), fields)
    }

    fn entries(&mut self, entries: &[Entry]) -> Outcome<'v> {
        let mut found = Entries::new();
        self.meter.work_of(entries.len(), MAKE)?;
        for Entry { key, value, optional } in entries {
            let key = self.node(key)?;
            self.pay_key(&key)?;
            let value = match (self.node(value)?, optional) {
                (value, false) => value,
                (Val::Optional(None), true) => continue,
                (Val::Optional(Some(value)), true) => (*value).clone(),
                (other, true) => return Err(not_optional(&other)),
            };
            let known = Key::of(&key)
                .ok_or_else(|| Fault::new(format!("unsupported key type: {}", key.kind().name())))?;
            found.insert(known, (key, value));
        }
        Ok(Val::Map(Map::Shared(found.into())))
    }
}

fn not_optional_field(name: &str, value: &Val<'_>) -> Fault {
    Fault::new(format!("cannot initialize optional entry '{name}' from non-optional value {}", short(value)))
}

fn not_optional(value: &Val<'_>) -> Fault {
    Fault::new(format!("cannot initialize optional list element from non-optional value {}", short(value)))
}

/// The words for a failure of a function.
pub(super) fn explain(name: &str, fault: Fault, args: &[Val<'_>]) -> String {
    match fault {
        Fault::Message(message) => message.into(),
        Fault::Bare | Fault::Cost => "no such overload".to_owned(),
        Fault::Arguments => {
            let kinds: Vec<String> = args.iter().map(|arg| arg.kind().name().to_owned()).collect();
            format!("no such overload: {name}({})", kinds.join(", "))
        }
    }
}
