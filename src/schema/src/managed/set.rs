//! A set of field paths, as a tree of sorted steps.

use std::cmp::Ordering;
use std::fmt;

use super::element::Element;

/// A set of paths. A path is in the set when the node of its last step is a member.
///
/// INVARIANT: nodes are sorted by element, each element is there once, and a node is a member or has
/// children, so an empty set is one without nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldSet<'a> {
    nodes: Vec<Node<'a>>,
}

/// A step with what lies below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node<'a> {
    /// The step.
    pub element: Element<'a>,
    /// Whether the path that ends here is in the set.
    pub member: bool,
    /// The paths that go on.
    pub children: FieldSet<'a>,
}

impl<'a> Node<'a> {
    /// A node; it only belongs into a set when it is a member or has children.
    pub fn new(element: Element<'a>, member: bool, children: FieldSet<'a>) -> Self {
        Self { element, member, children }
    }

    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl<'a> FieldSet<'a> {
    /// A set without paths.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// The set of paths of field names.
    pub fn of_names(paths: &'a [&'a [&'a str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(path.iter().map(|name| Element::field(name)));
        }
        set
    }

    /// Whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes of the first step, sorted.
    pub fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// The number of paths in the set.
    pub fn len(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.member) + node.children.len()).sum()
    }

    /// Puts a path into the set; the empty path is never in one.
    pub fn insert(&mut self, path: impl IntoIterator<Item = Element<'a>>) {
        let mut steps = path.into_iter();
        let Some(first) = steps.next() else { return };
        let node = self.node_mut(first);
        let mut rest = steps.peekable();
        if rest.peek().is_none() {
            node.member = true;
        } else {
            node.children.insert_rest(&mut rest);
        }
    }

    fn insert_rest(&mut self, steps: &mut dyn Iterator<Item = Element<'a>>) {
        let mut set = self;
        let Some(mut element) = steps.next() else { return };
        for next in steps {
            set = &mut set.node_mut(element).children;
            element = next;
        }
        set.node_mut(element).member = true;
    }

    fn node_mut(&mut self, element: Element<'a>) -> &mut Node<'a> {
        let at = match self.nodes.binary_search_by(|node| node.element.cmp(&element)) {
            Ok(at) => at,
            Err(at) => {
                self.nodes.insert(at, Node::new(element, false, Self::new()));
                at
            }
        };
        match self.nodes.get_mut(at) {
            Some(node) => node,
            None => unreachable!("the search or the insertion above gave its place"),
        }
    }

    /// Adds a node. It costs least when nodes come in order.
    pub fn push(&mut self, node: Node<'a>) {
        if node.is_empty() {
            return;
        }
        if self.nodes.last().is_none_or(|last| last.element < node.element) {
            self.nodes.push(node);
            return;
        }
        let slot = self.node_mut(node.element);
        slot.member |= node.member;
        slot.children = std::mem::take(&mut slot.children).union(node.children);
    }

    /// The node of a step.
    pub fn get(&self, element: &Element<'_>) -> Option<&Node<'a>> {
        let at = self.nodes.binary_search_by(|node| node.element.cmp(element)).ok()?;
        self.nodes.get(at)
    }

    /// The node of a field's step.
    pub fn get_field(&self, name: &str) -> Option<&Node<'a>> {
        let at = self.nodes.binary_search_by(|node| node.element.cmp_field(name)).ok()?;
        self.nodes.get(at)
    }

    /// Whether a path is in the set.
    pub fn has(&self, path: &[Element<'_>]) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        let mut set = self;
        for element in parents {
            let Some(node) = set.get(element) else { return false };
            set = &node.children;
        }
        set.get(last).is_some_and(|node| node.member)
    }

    /// All paths of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let mut out = Vec::with_capacity(self.nodes.len().max(other.nodes.len()));
        let mut theirs = other.nodes.into_iter().peekable();
        for mut node in self.nodes {
            while let Some(before) = theirs.next_if(|their| their.element < node.element) {
                out.push(before);
            }
            if let Some(same) = theirs.next_if(|their| their.element == node.element) {
                node.member |= same.member;
                node.children = node.children.union(same.children);
            }
            out.push(node);
        }
        out.extend(theirs);
        Self { nodes: out }
    }

    /// The paths that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &FieldSet<'_>) -> Self {
        let mut out = Self::new();
        let mut theirs = other.nodes.iter().peekable();
        for node in &self.nodes {
            while theirs.next_if(|their| their.element < node.element).is_some() {}
            let Some(same) = theirs.next_if(|their| their.element == node.element) else { continue };
            let both = Node::new(
                node.element.clone(),
                node.member && same.member,
                node.children.intersection(&same.children),
            );
            if !both.is_empty() {
                out.nodes.push(both);
            }
        }
        out
    }

    /// The paths that are not in another set; what lies below a removed path stays.
    #[must_use]
    pub fn difference(self, other: &FieldSet<'_>) -> Self {
        self.subtract(other, false)
    }

    /// The paths that neither are in another set nor lie below a path of it.
    #[must_use]
    pub fn recursive_difference(self, other: &FieldSet<'_>) -> Self {
        self.subtract(other, true)
    }

    fn subtract(mut self, other: &FieldSet<'_>, below: bool) -> Self {
        if other.is_empty() {
            return self;
        }
        let mut theirs = other.nodes.iter().peekable();
        self.nodes.retain_mut(|node| {
            let relation = loop {
                match theirs.peek().map(|their| their.element.cmp(&node.element)) {
                    Some(Ordering::Less) => theirs.next(),
                    Some(Ordering::Equal) => break theirs.next(),
                    Some(Ordering::Greater) | None => break None,
                };
            };
            let Some(same) = relation else { return true };
            if below && same.member {
                return false;
            }
            node.member &= !same.member;
            node.children = std::mem::take(&mut node.children).subtract(&same.children, below);
            !node.is_empty()
        });
        self
    }

    /// The set without a field and all below it.
    #[must_use]
    pub fn without_field(mut self, path: &[&str]) -> Self {
        self.remove_field(path);
        self
    }

    fn remove_field(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let Ok(at) = self.nodes.binary_search_by(|node| node.element.cmp_field(first)) else { return };
        let Some(node) = self.nodes.get_mut(at) else { return };
        if !rest.is_empty() {
            node.children.remove_field(rest);
        }
        if rest.is_empty() || node.is_empty() {
            self.nodes.remove(at);
        }
    }

    /// The members that have no members below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let leaf = |node: &Node<'a>| {
            Node::new(node.element.clone(), node.member && node.children.is_empty(), node.children.leaves())
        };
        Self { nodes: self.nodes.iter().map(leaf).collect() }
    }

    /// Calls back with every path of the set: at each depth its members first, then what lies below.
    pub fn for_each<'s>(&'s self, visit: &mut dyn FnMut(&[&'s Element<'a>])) {
        self.visit(&mut Vec::new(), visit);
    }

    fn visit<'s>(&'s self, path: &mut Vec<&'s Element<'a>>, visit: &mut dyn FnMut(&[&'s Element<'a>])) {
        for node in self.nodes.iter().filter(|node| node.member) {
            path.push(&node.element);
            visit(path);
            path.pop();
        }
        for node in &self.nodes {
            path.push(&node.element);
            node.children.visit(path, visit);
            path.pop();
        }
    }

    /// The same set without borrowed parts.
    pub fn into_owned(self) -> FieldSet<'static> {
        let owned = |node: Node<'a>| Node {
            element: node.element.into_owned(),
            member: node.member,
            children: node.children.into_owned(),
        };
        FieldSet { nodes: self.nodes.into_iter().map(owned).collect() }
    }
}

impl fmt::Display for FieldSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        self.for_each(&mut |path| lines.push(path_text(path)));
        f.write_str(&lines.join("\n"))
    }
}

/// A path as messages print it: `.spec.containers[name="a"].image`.
pub fn path_text(path: &[&Element<'_>]) -> String {
    path.iter().map(|element| element.to_string()).collect()
}
