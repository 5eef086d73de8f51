//! The record of a mutation as the store keeps it: the facts of its event, one after the other, so that
//! a request that is heard of again does not pay for JSON twice.
//!
//! ```text
//! 0x01 level code received at | id uri verb agent constraint | user impersonated | addresses | object | notes
//! ```
//!
//! Texts are a length and their bytes, lists a length and their items, numbers little endian. What it
//! says becomes a line of JSON only when its request is not heard of any more (`json::write_stored`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use http::StatusCode;
use jiff::Timestamp;
use portcullis_api::{Extra, UserInfo};

use crate::event::{ObjectRef, Opening, Story};
use crate::json;
use crate::level::Level;

/// What a record begins with; a line of JSON, which older ones are, begins otherwise.
const MARK: u8 = 1;

/// What a record says.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored<'r> {
    pub(crate) level: Level,
    pub(crate) code: u16,
    pub(crate) received: Timestamp,
    pub(crate) at: Timestamp,
    pub(crate) audit_id: &'r str,
    pub(crate) uri: &'r str,
    pub(crate) verb: &'r str,
    pub(crate) agent: Option<&'r str>,
    pub(crate) constraint: &'r str,
    pub(crate) user: Option<Person<'r>>,
    pub(crate) impersonated: Option<Person<'r>>,
    pub(crate) source_ips: Vec<IpAddr>,
    pub(crate) object: Option<StoredObject<'r>>,
    pub(crate) annotations: Vec<(&'r str, &'r str)>,
}

/// A user.
#[derive(Debug, PartialEq)]
pub(crate) struct Person<'r> {
    pub(crate) name: &'r str,
    pub(crate) uid: &'r str,
    pub(crate) groups: Vec<&'r str>,
    pub(crate) extra: Extra,
}

/// An object, as far as it is known before its commit.
#[derive(Debug, PartialEq)]
pub(crate) struct StoredObject<'r> {
    pub(crate) resource: &'r str,
    pub(crate) namespace: &'r str,
    pub(crate) name: &'r str,
    pub(crate) uid: &'r str,
    pub(crate) group: &'r str,
    pub(crate) version: &'r str,
    pub(crate) subresource: &'r str,
}

/// Writes the record of a request that is about to be committed.
pub(crate) fn encode(
    opening: &Opening,
    story: &Story,
    object: &ObjectRef,
    level: Level,
    code: StatusCode,
    note: (&str, &str),
) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(768));
    out.0.extend([MARK, level_byte(level)]);
    out.0.extend(code.as_u16().to_le_bytes());
    out.0.extend(opening.received.as_microsecond().to_le_bytes());
    out.0.extend(Timestamp::now().as_microsecond().to_le_bytes());
    out.text(&opening.audit_id);
    out.text(&json::shown_uri(&opening.uri));
    out.text(opening.info.verb.as_str());
    out.maybe(opening.user_agent.as_ref(), |out, agent| out.text(&json::shown_agent(agent.as_bytes())));
    out.text(&story.constraint);
    out.maybe(story.user.as_ref(), Out::person);
    out.maybe(story.impersonated.as_ref(), Out::person);
    out.list(opening.source_ips().collect::<Vec<_>>(), |out, ip| out.address(ip));
    out.maybe(opening.info.resource(), |out, target| {
        let name = if target.name.is_empty() { object.name.as_str() } else { &target.name };
        out.text(&target.resource);
        out.text(&target.namespace);
        out.text(name);
        out.text(&object.uid);
        out.text(&target.group);
        out.text(&target.version);
        out.text(&target.subresource);
    });
    let noted = story.annotations.iter().map(|(key, value)| (&**key, &**value));
    let noted: Vec<_> = noted.filter(|(key, _)| *key != note.0).chain([note]).collect();
    out.list(noted, |out, (key, value)| {
        out.text(key);
        out.text(json::shown_note(key, value));
    });
    out.0
}

struct Out(Vec<u8>);

impl Out {
    fn length(&mut self, length: usize) {
        // Nothing that is recorded is as long as that; it would be cut where it is read.
        self.0.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        write: impl Fn(&mut Self, T),
    ) {
        let items = items.into_iter();
        self.length(items.len());
        items.for_each(|item| write(self, item));
    }

    fn person(&mut self, user: &UserInfo) {
        self.text(&user.name);
        self.text(&user.uid);
        self.list(user.groups.iter(), |out, group| out.text(group));
        self.list(user.extra.iter(), |out, (key, values)| {
            out.text(key);
            out.list(values, |out, value| out.text(value));
        });
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => {
                self.0.push(4);
                self.0.extend(v4.octets());
            }
            IpAddr::V6(v6) => {
                self.0.push(6);
                self.0.extend(v6.octets());
            }
        }
    }
}

/// Reads a record; `None` for what is none. All of it must be used up.
pub(crate) fn decode(bytes: &[u8]) -> Option<Stored<'_>> {
    let mut input = In(bytes.strip_prefix(&[MARK])?);
    let stored = Stored {
        level: level_of(input.byte()?)?,
        code: u16::from_le_bytes(input.array()?),
        received: input.time()?,
        at: input.time()?,
        audit_id: input.text()?,
        uri: input.text()?,
        verb: input.text()?,
        agent: input.maybe(In::text)?,
        constraint: input.text()?,
        user: input.maybe(In::person)?,
        impersonated: input.maybe(In::person)?,
        source_ips: input.list(In::address)?,
        object: input.maybe(In::object)?,
        annotations: input.list(|input| Some((input.text()?, input.text()?)))?,
    };
    input.0.is_empty().then_some(stored)
}

/// The id of the request that a record is of, whatever its form.
pub(crate) fn audit_id(record: &[u8]) -> Option<Cow<'_, str>> {
    match decode(record) {
        Some(stored) => Some(Cow::Borrowed(stored.audit_id)),
        None => crate::read::audit_id(record),
    }
}

struct In<'r>(&'r [u8]);

impl<'r> In<'r> {
    fn take(&mut self, count: usize) -> Option<&'r [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn text(&mut self) -> Option<&'r str> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        Timestamp::from_microsecond(i64::from_le_bytes(self.array()?)).ok()
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    /// No item is empty, so that a list is never longer than what is left.
    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.length().filter(|length| *length <= self.0.len())?;
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(read(self)?);
        }
        Some(items)
    }

    fn person(&mut self) -> Option<Person<'r>> {
        let (name, uid, groups) = (self.text()?, self.text()?, self.list(Self::text)?);
        let owned = |input: &mut Self| input.text().map(str::to_owned);
        let extra = self.list(|input| Some((input.text()?.to_owned(), input.list(owned)?)))?;
        Some(Person { name, uid, groups, extra: BTreeMap::from_iter(extra) })
    }

    fn address(&mut self) -> Option<IpAddr> {
        match self.byte()? {
            4 => self.array::<4>().map(IpAddr::from),
            6 => self.array::<16>().map(IpAddr::from),
            _ => None,
        }
    }

    fn object(&mut self) -> Option<StoredObject<'r>> {
        Some(StoredObject {
            resource: self.text()?,
            namespace: self.text()?,
            name: self.text()?,
            uid: self.text()?,
            group: self.text()?,
            version: self.text()?,
            subresource: self.text()?,
        })
    }
}

fn level_byte(level: Level) -> u8 {
    match level {
        Level::None => 0,
        Level::Metadata => 1,
        Level::Request => 2,
        Level::RequestResponse => 3,
    }
}

fn level_of(byte: u8) -> Option<Level> {
    Level::ALL.into_iter().find(|level| level_byte(*level) == byte)
}

#[cfg(test)]
mod tests;
