//! What is evaluated.

use std::sync::Arc;

use regex::Regex;

use crate::cost::Rule;
use crate::library::Native;
use crate::value::Val;

/// A step.
#[derive(Debug)]
pub(crate) enum Node {
    Const(Val<'static>),
    Access(Box<Access>),
    /// Whether the last of the steps of an access leads somewhere.
    Has(Box<Access>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Call(Box<Call>),
    /// Whether a value is in a constant list; free.
    Member(Box<(Node, Val<'static>)>),
    /// The value of an optional one, else another; `whole` keeps it optional.
    Else {
        whole: bool,
        pair: Box<[Node; 2]>,
    },
    List(Vec<Element>),
    Map(Vec<Entry>),
    Made(Box<Message>),
    Fold(Box<Fold>),
    /// The accumulator of the loop around with what this adds.
    Grow(Box<Grow>),
}

/// A value and what is selected from it.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
}

/// Where an access starts.
#[derive(Debug)]
pub(crate) enum Root {
    Variable(Arc<str>),
    /// A variable of a loop, by its depth.
    Local(usize),
    Choice([Node; 3]),
    Value(Node),
}

/// A selection.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) key: Key,
    /// Whether nothing there is no mistake.
    pub(crate) optional: bool,
}

/// What is selected.
#[derive(Debug)]
pub(crate) enum Key {
    Field(Arc<str>),
    Const(Val<'static>),
    Node(Node),
}

/// A call.
pub(crate) struct Call {
    pub(crate) name: Arc<str>,
    pub(crate) native: Native,
    pub(crate) rule: Rule,
    pub(crate) args: Vec<Node>,
    pub(crate) regex: Option<Regex>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Call").field("name", &self.name).field("args", &self.args).finish_non_exhaustive()
    }
}

/// An element of a list.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) value: Node,
    pub(crate) optional: bool,
}

/// An entry of a map.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
    pub(crate) optional: bool,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: Arc<str>,
    pub(crate) fields: Vec<(Arc<str>, Element)>,
}

/// A loop. Its variables take the places from `place` on: the accumulator, then one or two.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) range: Node,
    pub(crate) init: Node,
    pub(crate) condition: Node,
    pub(crate) step: Node,
    pub(crate) result: Node,
    pub(crate) pairs: bool,
    /// Whether it only names its start.
    pub(crate) binds: bool,
}

/// What is added to an accumulator.
#[derive(Debug)]
pub(crate) enum Grow {
    /// The elements of a list, to the list in this place.
    List(usize, Node),
    /// A key and a value, or the entries of a map, to the map in this place.
    Map(usize, Vec<Node>),
}
