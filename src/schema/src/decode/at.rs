//! The way from the root to the value being read, as a list on the stack. It costs nothing until an
//! error has to name a place.

use std::fmt::Write as _;

use crate::types::{Field, Struct, types};

/// One step of the way and the steps before it.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    before: Option<&'p At<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'static Struct, &'static Field),
    Key(&'p str),
    Index(usize),
    /// A value that Go hands to a decoder of its own.
    Nested,
}

impl<'p> At<'p> {
    pub(super) const ROOT: At<'static> = At { before: None, step: Step::Root };

    pub(super) fn field(&'p self, of: &'static Struct, field: &'static Field) -> Self {
        At { before: Some(self), step: Step::Field(of, field) }
    }

    pub(super) fn key(&'p self, key: &'p str) -> Self {
        At { before: Some(self), step: Step::Key(key) }
    }

    pub(super) fn index(&'p self, index: usize) -> Self {
        At { before: Some(self), step: Step::Index(index) }
    }

    pub(super) fn nested(&'p self) -> Self {
        At { before: Some(self), step: Step::Nested }
    }

    fn steps(&self) -> Vec<Step<'p>> {
        let mut steps: Vec<_> = std::iter::successors(Some(self), |at| at.before).map(|at| at.step).collect();
        steps.reverse();
        steps
    }

    /// The place in a strict problem: `spec.containers[0].foo`.
    pub(super) fn strict_path(&self, last: &str) -> String {
        self.path(last, true)
    }

    /// The same without the keys of maps: `spec.devices[0].capacity.foo`.
    pub(super) fn keyless_path(&self, last: &str) -> String {
        self.path(last, false)
    }

    fn path(&self, last: &str, keys: bool) -> String {
        let mut path = String::new();
        for step in self.steps() {
            match step {
                Step::Root | Step::Nested => {}
                Step::Field(_, field) => push_name(&mut path, field.json),
                Step::Key(key) if keys => push_name(&mut path, key),
                Step::Key(_) => {}
                Step::Index(index) => {
                    let _infallible = write!(path, "[{index}]");
                }
            }
        }
        push_name(&mut path, last);
        path
    }

    /// Go's error for a JSON value of the wrong type, `value` being Go's word for it.
    pub(super) fn type_error(&self, value: &str) -> String {
        self.type_error_for(value, self.go_type())
    }

    /// Like [`At::type_error`], where Go reads into another type than the field's.
    pub(super) fn type_error_for(&self, value: &str, go_type: &str) -> String {
        let (holder, names) = self.go_field();
        if holder.is_empty() && names.is_empty() {
            return format!("json: cannot unmarshal {value} into Go value of type {go_type}");
        }
        format!("json: cannot unmarshal {value} into Go struct field {holder}.{names} of type {go_type}")
    }

    /// The struct that holds the field, and the names of all fields on the way. Of a value that has a
    /// decoder of its own Go names the struct around it.
    fn go_field(&self) -> (&'static str, String) {
        let (mut holder, mut names, mut fixed) = ("", String::new(), false);
        for step in self.steps() {
            match step {
                Step::Field(of, field) => {
                    if !fixed {
                        holder = of.short_name();
                    }
                    if !field.inlined.is_empty() {
                        push_name(&mut names, field.inlined);
                    }
                    push_name(&mut names, field.json);
                }
                Step::Nested => fixed = true,
                Step::Root | Step::Key(_) | Step::Index(_) => {}
            }
        }
        (holder, names)
    }

    fn go_type(&self) -> &'static str {
        match (self.step, self.before) {
            (Step::Field(_, field), _) => field.go,
            (Step::Key(_) | Step::Index(_), Some(before)) => types().go_element(before.go_type()),
            (Step::Nested, _) => "v1.JSONSchemaProps",
            _ => "",
        }
    }
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}
