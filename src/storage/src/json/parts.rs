//! An object taken apart once, for many look-ups.

use smallvec::SmallVec;

use super::scan::{Found, Member, members_of};
use super::view::{View, unescape};

/// A stored object whose members, and theirs, are each found once however many fields are looked up.
pub struct Parts<'a, 'm> {
    members: &'m [Member<'a>],
    /// The members of those members that were looked into, by the place of the bytes they are from.
    opened: SmallVec<[(&'a [u8], Found<'a>); 2]>,
}

impl<'a, 'm> Parts<'a, 'm> {
    pub(super) fn of(members: &'m [Member<'a>]) -> Self {
        Self { members, opened: SmallVec::new() }
    }

    /// The value at a path of member names.
    pub fn at<'p>(&mut self, mut path: impl Iterator<Item = &'p str>) -> Option<View<'a>> {
        let outer = value_of(self.members, path.next()?)?;
        let Some(name) = path.next() else { return Some(View::of_value(outer)) };
        let inner = View::of_value(value_of(self.open(outer)?, name)?);
        path.try_fold(inner, |value, name| value.get(name))
    }

    fn open(&mut self, value: &'a [u8]) -> Option<&Found<'a>> {
        let at = match self.opened.iter().position(|(known, _)| std::ptr::eq(*known, value)) {
            Some(at) => at,
            None => {
                self.opened.push((value, members_of(value).ok()?));
                self.opened.len() - 1
            }
        };
        self.opened.get(at).map(|(_, members)| members)
    }
}

fn value_of<'a>(members: &[Member<'a>], name: &str) -> Option<&'a [u8]> {
    let named = |member: &&Member<'a>| {
        member.name == name.as_bytes() || unescape(member.name).is_some_and(|plain| plain == name)
    };
    members.iter().find(named).map(|member| member.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a, 'm>(found: &'m Found<'a>) -> Parts<'a, 'm> {
        Parts::of(found)
    }

    fn at(parts: &mut Parts<'_, '_>, path: &str) -> Option<String> {
        parts.at(path.split('.')).and_then(View::scalar).map(|text| text.to_string())
    }

    #[test]
    fn fields_are_found_at_every_depth() {
        let found = members_of(br#"{"a":"x","b":{"c":1,"d":{"e":true}},"f":{"g":"h"}}"#).unwrap();
        let mut parts = parts(&found);
        for (path, value) in [("a", "x"), ("b.c", "1"), ("b.d.e", "true"), ("f.g", "h"), ("b.c", "1")] {
            assert_eq!(at(&mut parts, path).as_deref(), Some(value), "{path}");
        }
        assert_eq!(parts.opened.len(), 2, "each object is opened once");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let found = members_of(br#"{"a":"x","b":{"c":1}}"#).unwrap();
        let mut parts = parts(&found);
        for path in ["z", "a.b", "b.z", "b.c.d", "z.a"] {
            assert_eq!(at(&mut parts, path), None, "{path}");
        }
    }

    #[test]
    fn names_may_be_escaped() {
        let found = members_of(br#"{"a\u003cb":{"c\u0026":1}}"#).unwrap();
        assert_eq!(at(&mut parts(&found), "a<b.c&").as_deref(), Some("1"));
    }
}
