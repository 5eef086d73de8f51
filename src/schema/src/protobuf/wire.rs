//! The wire format: tags, varints and what they frame.

/// A message being written.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer of what follows a head.
    pub(super) fn headed(head: &[u8]) -> Self {
        Self { bytes: head.to_vec() }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn varint(&mut self, number: u8, value: u64) {
        self.tag(number, 0);
        self.raw_varint(value);
    }

    pub(super) fn double(&mut self, number: u8, value: f64) {
        self.tag(number, 1);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, number: u8, value: &[u8]) {
        self.tag(number, 2);
        self.raw_varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// Writes a message inside this one.
    pub(super) fn message<R>(&mut self, number: u8, fill: impl FnOnce(&mut Self) -> R) -> R {
        let start = self.begin(number);
        let filled = fill(self);
        self.frame(start);
        filled
    }

    /// Writes a message inside this one, or nothing if there is nothing to fill it with.
    pub(super) fn message_if<E>(
        &mut self,
        number: u8,
        fill: impl FnOnce(&mut Self) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let before = self.bytes.len();
        let start = self.begin(number);
        let filled = fill(self)?;
        match filled {
            true => self.frame(start),
            false => self.bytes.truncate(before),
        }
        Ok(filled)
    }

    /// Begins a message of a known length that is written elsewhere.
    pub(super) fn opening(&mut self, number: u8, length: usize) {
        self.tag(number, 2);
        self.raw_varint(length as u64);
    }

    /// Writes what another one has written.
    pub(super) fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// How much was written.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Begins a message; what follows the returned place is in it.
    fn begin(&mut self, number: u8) -> usize {
        self.tag(number, 2);
        // Most are short: their length is one byte.
        self.bytes.push(0);
        self.bytes.len()
    }

    /// Puts the length of a message before it.
    fn frame(&mut self, start: usize) {
        let length = self.bytes.len() - start;
        if let (Some(place), Ok(short @ ..0x80)) = (self.bytes.get_mut(start - 1), u8::try_from(length)) {
            *place = short;
            return;
        }
        let mut head = Self { bytes: Vec::with_capacity(5) };
        head.raw_varint(length as u64);
        self.bytes.splice(start - 1..start, head.bytes);
    }

    fn tag(&mut self, number: u8, wire_type: u64) {
        self.raw_varint(u64::from(number) << 3 | wire_type);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// The content of a field on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// A message is cut short or is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Broken;

/// A message being read: its fields, in the order they come.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field and its number; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Broken> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.raw_varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.raw_varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| Broken)?)),
            2 => {
                let length = usize::try_from(self.raw_varint()?).map_err(|_| Broken)?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Field::Fixed32
            }
            _ => return Err(Broken),
        };
        if tag >> 3 == 0 { Err(Broken) } else { Ok(Some((tag >> 3, field))) }
    }

    pub(super) fn raw_varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first().ok_or(Broken)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Broken);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Broken)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.varint(1, u64::MAX);
        writer.message(16, |inner| inner.bytes(2, b"x"));
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert!(matches!(reader.next(), Ok(Some((1, Field::Varint(u64::MAX))))));
        assert!(matches!(reader.next(), Ok(Some((16, Field::Bytes(b"\x12\x01x"))))));
        assert!(matches!(reader.next(), Ok(None)));
    }

    #[test]
    fn broken_messages_are_refused() {
        for broken in [
            &[0x08][..],
            &[0x0a, 5, 1],
            &[0x0b],
            &[0x00, 1],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert!(Reader::new(broken).next().is_err(), "{broken:?}");
        }
    }
}
