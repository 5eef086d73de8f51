//! Prepares a checked tree for evaluation.

use std::sync::Arc;

use super::node::{Access, Call, Element, Entry, Fold, Grow, Key, Message, Node, Root, Step};
use crate::check::{Facts, overloads};
use crate::cost::Rule;
use crate::error::Fault;
use crate::library;
use crate::meter::Meter;
use crate::syntax::ast::{self, Expr, Kind, Literal, Name};
use crate::types::Type;
use crate::value::{Text, Val};

/// Prepares a tree; the message is about a constant part that has no value.
pub(crate) fn plan(root: &Expr, facts: &Facts, types: &dyn Fn(&str) -> Option<Type>) -> Result<Node, String> {
    Planner { facts, types, scopes: Vec::new() }.node(root)
}

struct Planner<'p> {
    facts: &'p Facts,
    /// The types that names stand for.
    types: &'p dyn Fn(&str) -> Option<Type>,
    scopes: Vec<Name>,
}

type Planned<T = Node> = Result<T, String>;

impl Planner<'_> {
    fn node(&mut self, expr: &Expr) -> Planned {
        match &expr.kind {
            Kind::Missing => Err("unsupported expression".to_owned()),
            Kind::Struct(message) => self.message(message),
            Kind::Literal(literal) => Ok(Node::Const(constant(literal))),
            Kind::Ident(name) => Ok(self.variable(name)),
            Kind::Select(select) => {
                let operand = self.node(&select.operand)?;
                let access = step(operand, Key::Field(select.field.clone()), false);
                Ok(if select.test { Node::Has(access) } else { Node::Access(access) })
            }
            Kind::Call(call) => self.call(expr, call),
            Kind::List(items) => self.list(items),
            Kind::Map(entries) => self.map(entries),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn variable(&self, name: &Name) -> Node {
        let root = match self.scopes.iter().rposition(|known| known == name) {
            Some(place) => Root::Local(place),
            None => match (self.types)(name) {
                Some(kind) => return Node::Const(Val::Type(kind)),
                None => Root::Variable(name.clone()),
            },
        };
        Node::Access(Box::new(Access { root, steps: Vec::new() }))
    }

    fn call(&mut self, expr: &Expr, call: &ast::Call) -> Planned {
        let mut args = Vec::with_capacity(call.args.len() + 1);
        for arg in call.target.iter().chain(&call.args) {
            args.push(self.node(arg)?);
        }
        match (&*call.function, args) {
            ("_&&_", args) => Ok(Node::And(pair(args)?)),
            ("_||_", args) => Ok(Node::Or(pair(args)?)),
            ("or", args) => Ok(Node::Else { whole: true, pair: pair(args)? }),
            ("orValue", args) => Ok(Node::Else { whole: false, pair: pair(args)? }),
            ("_?_:_", args) => {
                let parts = args.try_into().map_err(|_| "unsupported call".to_owned())?;
                Ok(Node::Access(Box::new(Access { root: Root::Choice(parts), steps: Vec::new() })))
            }
            ("_[_]" | "_[?_]" | "_?._", args) => {
                let optional = &*call.function != "_[_]";
                let [operand, key] = *pair(args)?;
                Ok(Node::Access(step(operand, index(key), optional)))
            }
            (name, args) => self.function(expr, name, args),
        }
    }

    fn function(&mut self, expr: &Expr, name: &str, args: Vec<Node>) -> Planned {
        if let (Some(value), []) = (library::constant(name), args.as_slice()) {
            return Ok(Node::Call(Box::new(Call {
                name: name.into(),
                native: |_, _| Err(Fault::Arguments),
                rule: Rule::Fixed(1),
                args: vec![Node::Const(value)],
                regex: None,
            })));
        }
        let native = library::native(name).ok_or_else(|| format!("no such function: {name}"))?;
        let overload = match self.facts.overloads(expr) {
            [only] => Some(*only),
            _ => None,
        };
        let args = match membership(overload, args) {
            Ok(member) => return Ok(member),
            Err(args) => args,
        };
        let regex = pattern(name, &args)?;
        let rule = Rule::of(name, overload);
        let call = Call { name: shared_name(name), native, rule, args, regex };
        match call.args.as_slice() {
            [Node::Const(value)] if library::is_conversion(name) => {
                let mut meter = Meter::for_constants();
                let folded = (call.native)(std::slice::from_ref(value), &mut meter);
                folded
                    .map(Node::Const)
                    .map_err(|fault| super::run::explain(&call.name, fault, std::slice::from_ref(value)))
            }
            _ => Ok(Node::Call(Box::new(call))),
        }
    }

    fn list(&mut self, items: &[ast::Item]) -> Planned {
        let mut elements = Vec::with_capacity(items.len());
        for item in items {
            elements.push(Element { value: self.node(&item.value)?, optional: item.optional });
        }
        let constants = elements.iter().map(|element| match element {
            Element { value: Node::Const(value), optional: false } => Some(value.clone()),
            _ => None,
        });
        match constants.collect::<Option<Vec<_>>>() {
            Some(values) => Ok(Node::Const(Val::list(values))),
            None => Ok(Node::List(elements)),
        }
    }

    fn map(&mut self, entries: &[ast::Entry]) -> Planned {
        let mut planned = Vec::with_capacity(entries.len());
        for entry in entries {
            let (key, value) = (self.node(&entry.key)?, self.node(&entry.value)?);
            planned.push(Entry { key, value, optional: entry.optional });
        }
        let constants = planned.iter().map(|entry| match entry {
            Entry { key: Node::Const(key), value: Node::Const(value), optional: false } => {
                Some((crate::value::Key::of(key)?, (key.clone(), value.clone())))
            }
            _ => None,
        });
        match constants.collect::<Option<crate::value::Entries<'static>>>() {
            Some(entries) => Ok(Node::Const(Val::Map(crate::value::Map::Shared(entries.into())))),
            None => Ok(Node::Map(planned)),
        }
    }

    fn message(&mut self, message: &ast::Struct) -> Planned {
        let mut fields = Vec::with_capacity(message.fields.len());
        for field in &message.fields {
            let element = Element { value: self.node(&field.value)?, optional: field.optional };
            fields.push((field.name.clone(), element));
        }
        Ok(Node::Made(Box::new(Message { name: message.name.clone(), fields })))
    }

    fn fold(&mut self, fold: &ast::Fold) -> Planned {
        let (range, init) = (self.node(&fold.range)?, self.node(&fold.init)?);
        let place = self.scopes.len();
        self.scopes.push(fold.accumulator.clone());
        let binds = fold.binds();
        if binds {
            let result = self.node(&fold.result)?;
            self.scopes.truncate(place);
            let nothing = || Node::Const(Val::Null);
            let (condition, step) = (nothing(), nothing());
            return Ok(Node::Fold(Box::new(Fold {
                range,
                init,
                condition,
                step,
                result,
                pairs: false,
                binds,
            })));
        }
        self.scopes.push(fold.first.clone());
        self.scopes.extend(fold.second.clone());
        let condition = self.node(&fold.condition)?;
        let step = grow(self.node(&fold.step)?, place);
        self.scopes.truncate(place + 1);
        let result = self.node(&fold.result)?;
        self.scopes.truncate(place);
        let pairs = fold.second.is_some();
        Ok(Node::Fold(Box::new(Fold { range, init, condition, step, result, pairs, binds })))
    }
}

/// A name without copying it where the table of functions has it.
fn shared_name(name: &str) -> Arc<str> {
    overloads(name).map_or(name, |(known, _)| known).into()
}

fn constant(literal: &Literal) -> Val<'static> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(value) => Val::Bool(*value),
        Literal::Int(value) => Val::Int(*value),
        Literal::Uint(value) => Val::Uint(*value),
        Literal::Double(value) => Val::Double(*value),
        Literal::String(text) => Val::String(Text::Shared(text.clone())),
        Literal::Bytes(bytes) => Val::Bytes(bytes.clone()),
    }
}

fn pair(args: Vec<Node>) -> Planned<Box<[Node; 2]>> {
    let pair: [Node; 2] = args.try_into().map_err(|_| "unsupported call".to_owned())?;
    Ok(Box::new(pair))
}

/// One more selection.
fn step(operand: Node, key: Key, optional: bool) -> Box<Access> {
    let mut access = match operand {
        Node::Access(access) => access,
        other => Box::new(Access { root: Root::Value(other), steps: Vec::new() }),
    };
    access.steps.push(Step { key, optional });
    access
}

fn index(key: Node) -> Key {
    match key {
        Node::Const(Val::String(Text::Shared(text))) => Key::Field(text),
        Node::Const(value) => Key::Const(value),
        node => Key::Node(node),
    }
}

/// A constant list of scalars to look in is looked in for free; other calls are given back.
fn membership(overload: Option<&str>, args: Vec<Node>) -> Result<Node, Vec<Node>> {
    let list = match args.as_slice() {
        [_, Node::Const(Val::List(list))] if overload == Some("in_list") => list.clone(),
        _ => return Err(args),
    };
    if list.len() == 0 {
        return Ok(Node::Const(Val::Bool(false)));
    }
    let scalar = |value: &Val<'_>| {
        matches!(
            value,
            Val::Bool(_) | Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::String(_) | Val::Null
        )
    };
    if !list.iter().all(|value| value.is_ok_and(|value| scalar(&value))) {
        return Err(args);
    }
    match args.into_iter().next() {
        Some(value) => Ok(Node::Member(Box::new((value, Val::List(list))))),
        None => Err(Vec::new()),
    }
}

/// The pattern of a call, compiled if it is constant.
fn pattern(name: &str, args: &[Node]) -> Planned<Option<regex::Regex>> {
    match (name, args.get(1)) {
        ("matches" | "find" | "findAll", Some(Node::Const(Val::String(pattern)))) => {
            library::compile_regex(pattern.as_str()).map(Some)
        }
        _ => Ok(None),
    }
}

/// A step that only adds to its accumulator does so in place.
fn grow(step: Node, place: usize) -> Node {
    match step {
        Node::Call(call) if is_growth(&call, place) => {
            let Call { name, args, .. } = *call;
            let mut args = args.into_iter().skip(1);
            match (&*name, args.next()) {
                ("_+_", Some(list)) => Node::Grow(Box::new(Grow::List(place, list))),
                (_, first) => Node::Grow(Box::new(Grow::Map(place, first.into_iter().chain(args).collect()))),
            }
        }
        Node::Access(access) => Node::Access(Box::new(match *access {
            Access { root: Root::Choice([condition, then, same]), steps } if steps.is_empty() => {
                Access { root: Root::Choice([condition, grow(then, place), same]), steps }
            }
            other => other,
        })),
        other => other,
    }
}

fn is_growth(call: &Call, place: usize) -> bool {
    let accumulator = matches!(
        call.args.first(),
        Some(Node::Access(access)) if access.steps.is_empty() && matches!(access.root, Root::Local(own) if own == place)
    );
    let list = || matches!(call.args.get(1), Some(Node::List(_) | Node::Const(Val::List(_))));
    accumulator && (&*call.name == "cel.@mapInsert" || &*call.name == "_+_" && list())
}
