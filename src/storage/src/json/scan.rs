//! Where values begin and end.

use smallvec::SmallVec;

/// The end of the value that starts at `at` (after blanks), or `None` if the bytes end first.
pub(super) fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' | b'[' => container_end(bytes, at),
        _ => Some(scalar_end(bytes, at)),
    }
}

/// The first byte at or after `at` that is not a blank.
pub(super) fn skip_blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

const SHORT: usize = 24;

/// The end of the string whose quote is at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut next = at.checked_add(1)?;
    // Names and most values are short, and over before a vector search has begun.
    let short = bytes.get(next..)?.iter().take(SHORT);
    if let Some(found) = short.copied().position(|byte| byte == b'"' || byte == b'\\') {
        if bytes.get(next + found) == Some(&b'"') {
            return Some(next + found + 1);
        }
        next += found;
    }
    loop {
        let rest = bytes.get(next..)?;
        let found = memchr::memchr2(b'"', b'\\', rest)?;
        next += found + 1;
        if rest.get(found) == Some(&b'"') {
            return Some(next);
        }
        next += 1; // what is escaped
    }
}

fn container_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut next = at;
    loop {
        match bytes.get(next)? {
            b'"' => {
                next = string_end(bytes, next)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(next + 1);
                }
            }
            _ => {}
        }
        next += 1;
    }
}

fn scalar_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
    at + rest.iter().position(ends).unwrap_or(rest.len())
}

/// One member of an object, as places in the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Member<'a> {
    /// The name as written, between its quotes.
    pub(super) name: &'a [u8],
    /// Name, colon and value.
    pub(super) whole: &'a [u8],
    /// The value.
    pub(super) value: &'a [u8],
}

/// The members of an object, or the elements of an array, in order; ends at the first thing that is
/// neither.
#[derive(Clone, Debug)]
pub(super) struct Members<'a> {
    bytes: &'a [u8],
    next: usize,
    done: bool,
}

impl<'a> Members<'a> {
    /// The members of the object that `bytes` starts with.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        Self::inside(bytes, b'{')
    }

    /// The elements of the array that `bytes` starts with.
    pub(super) fn of_array(bytes: &'a [u8]) -> Option<Self> {
        Self::inside(bytes, b'[')
    }

    fn inside(bytes: &'a [u8], open: u8) -> Option<Self> {
        let start = skip_blanks(bytes, 0);
        (bytes.get(start) == Some(&open)).then(|| Self { bytes, next: start + 1, done: false })
    }

    /// The next member, or whether the object was closed properly.
    pub(super) fn step(&mut self) -> Result<Option<Member<'a>>, Broken> {
        let Some(start) = self.start(b'}')? else { return Ok(None) };
        let name_end = match self.bytes.get(start) {
            Some(b'"') => string_end(self.bytes, start).ok_or(Broken)?,
            _ => return Err(Broken),
        };
        let colon = skip_blanks(self.bytes, name_end);
        if self.bytes.get(colon) != Some(&b':') {
            return Err(Broken);
        }
        let value = skip_blanks(self.bytes, colon + 1);
        let end = self.value(value)?;
        Ok(Some(Member {
            name: self.bytes.get(start + 1..name_end - 1).ok_or(Broken)?,
            whole: self.bytes.get(start..end).ok_or(Broken)?,
            value: self.bytes.get(value..end).ok_or(Broken)?,
        }))
    }

    /// The next element, or whether the array was closed properly.
    pub(super) fn step_array(&mut self) -> Result<Option<&'a [u8]>, Broken> {
        let Some(start) = self.start(b']')? else { return Ok(None) };
        let end = self.value(start)?;
        Ok(Some(self.bytes.get(start..end).ok_or(Broken)?))
    }

    fn start(&mut self, close: u8) -> Result<Option<usize>, Broken> {
        if self.done {
            return Ok(None);
        }
        let start = skip_blanks(self.bytes, self.next);
        if self.bytes.get(start) == Some(&close) {
            self.done = true;
            self.next = start + 1;
            return Ok(None);
        }
        Ok(Some(start))
    }

    fn value(&mut self, start: usize) -> Result<usize, Broken> {
        let end = value_end(self.bytes, start).filter(|end| *end > start).ok_or(Broken)?;
        self.next = skip_blanks(self.bytes, end);
        match self.bytes.get(self.next) {
            Some(b',') => self.next += 1,
            Some(b'}' | b']') => {}
            _ => return Err(Broken),
        }
        Ok(end)
    }

    /// Whether nothing but blanks follows the closed object.
    pub(super) fn at_end(&self) -> bool {
        self.done && skip_blanks(self.bytes, self.next) == self.bytes.len()
    }
}

/// The bytes are not what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Broken;

/// The members of an object.
pub(super) type Found<'a> = SmallVec<[Member<'a>; 12]>;

/// The members of the object that all of `bytes` is.
pub(super) fn members_of(bytes: &[u8]) -> Result<Found<'_>, Broken> {
    let mut members = Members::of(bytes).ok_or(Broken)?;
    let mut found = Found::new();
    loop {
        match members.step()? {
            Some(member) => found.push(member),
            None if members.at_end() => return Ok(found),
            None => return Err(Broken),
        }
    }
}
