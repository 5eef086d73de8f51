//! Times, read as Go's `time.Parse` reads them for the two layouts of the API, with its words for mistakes.

use std::fmt::Write as _;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

use crate::moment;

/// The two layouts.
#[derive(Clone, Copy)]
pub(super) enum Layout {
    /// `metav1.Time`
    Seconds,
    /// `metav1.MicroTime`
    Micros,
}

impl Layout {
    fn text(self) -> &'static str {
        match self {
            Self::Seconds => "2006-01-02T15:04:05Z07:00",
            Self::Micros => "2006-01-02T15:04:05.000000Z07:00",
        }
    }
}

/// Brings a time into the form it is written in; none for Go's zero time.
pub(super) fn canonical(text: &str, layout: Layout) -> Result<Option<String>, String> {
    let mut parser = Parser { text, rest: text, layout };
    let parsed = parser.parse();
    let time = parsed.map_err(|bad| bad.words(text, layout))?;
    if is_zero(time) {
        return Ok(None);
    }
    Ok(Some(match layout {
        Layout::Seconds => moment::seconds(time),
        Layout::Micros => moment::micros(time),
    }))
}

/// Checks a time that a parameter gives.
///
/// # Errors
/// Go's words for what is wrong.
pub fn check_time(text: &str) -> Result<(), String> {
    canonical(text, Layout::Seconds).map(drop)
}

/// Whether this is the first second of year 1, which Go takes for no time.
fn is_zero(time: DateTime) -> bool {
    time == jiff::civil::datetime(1, 1, 1, 0, 0, 0, 0)
}

/// A mistake in a time.
enum Bad {
    /// This text does not fit that element of the layout.
    Element(String, &'static str),
    /// A message of its own.
    Message(String),
}

impl Bad {
    fn words(&self, text: &str, layout: Layout) -> String {
        let text = quote(text);
        match self {
            Self::Element(rest, element) => {
                let (layout, rest) = (layout.text(), quote(rest));
                format!("parsing time {text} as \"{layout}\": cannot parse {rest} as \"{element}\"")
            }
            Self::Message(message) => format!("parsing time {text}{message}"),
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
    layout: Layout,
}

impl Parser<'_> {
    fn parse(&mut self) -> Result<DateTime, Bad> {
        let year = self.year()?;
        self.literal("-")?;
        let month = self.two_digits("01", true, 1..=12, "month")?;
        self.literal("-")?;
        let day = self.two_digits("02", true, 0..=99, "day")?;
        self.literal("T")?;
        let hour = self.two_digits("15", false, 0..=23, "hour")?;
        self.literal(":")?;
        let minute = self.two_digits("04", true, 0..=59, "minute")?;
        self.literal(":")?;
        let second = self.two_digits("05", true, 0..=59, "second")?;
        let nanos = self.fraction()?;
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(Bad::Message(format!(": extra text: {}", quote(self.rest))));
        }
        let civil = Date::new(year, month, day).map_err(|_| Bad::Message(": day out of range".to_owned()))?;
        let civil = civil.at(hour, minute, second, nanos);
        let utc = civil.checked_sub(SignedDuration::from_secs(offset));
        utc.map_err(|_| Bad::Message(": year out of range".to_owned()))
    }

    fn year(&mut self) -> Result<i16, Bad> {
        let (digits, rest) = self.rest.split_at_checked(4).unwrap_or_default();
        match digits.parse() {
            Ok(year) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.rest = rest;
                Ok(year)
            }
            _ => Err(self.bad("2006")),
        }
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), Bad> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.bad(literal))?;
        Ok(())
    }

    fn two_digits(
        &mut self,
        element: &'static str,
        fixed: bool,
        range: std::ops::RangeInclusive<i8>,
        name: &str,
    ) -> Result<i8, Bad> {
        let count = self.rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if count == 0 || (fixed && count == 1) {
            return Err(self.bad(element));
        }
        let (digits, rest) = self.rest.split_at_checked(count).unwrap_or_default();
        let value = digits.parse().map_err(|_| self.bad(element))?;
        self.rest = rest;
        if !range.contains(&value) {
            return Err(Bad::Message(format!(": {name} out of range")));
        }
        Ok(value)
    }

    fn fraction(&mut self) -> Result<i32, Bad> {
        let digits = self.rest.strip_prefix(['.', ',']);
        let count = digits.map_or(0, |digits| digits.bytes().take_while(u8::is_ascii_digit).count());
        let count = match self.layout {
            Layout::Seconds if count == 0 => return Ok(0),
            Layout::Seconds => count,
            Layout::Micros if count < 6 => return Err(self.bad(".000000")),
            Layout::Micros => 6,
        };
        let (digits, rest) = digits.and_then(|digits| digits.split_at_checked(count)).unwrap_or_default();
        self.rest = rest;
        let nine = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
        Ok(nine.fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0')))
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Result<i64, Bad> {
        const ELEMENT: &str = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let (zone, rest) = self.rest.split_at_checked(6).ok_or_else(|| self.bad(ELEMENT))?;
        let sign = match zone.bytes().next() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(self.bad(ELEMENT)),
        };
        let (hours, minutes) =
            zone.get(1..).and_then(|zone| zone.split_once(':')).ok_or_else(|| self.bad(ELEMENT))?;
        let number =
            |text: &str| text.parse::<u8>().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
        let (Some(hours), Some(minutes)) = (number(hours), number(minutes)) else {
            return Err(self.bad(ELEMENT));
        };
        self.rest = rest;
        match (hours, minutes) {
            (25.., _) => Err(Bad::Message(": time zone offset hour out of range".to_owned())),
            (_, 61..) => Err(Bad::Message(": time zone offset minute out of range".to_owned())),
            _ => Ok(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60)),
        }
    }

    fn bad(&self, element: &'static str) -> Bad {
        debug_assert!(self.text.ends_with(self.rest));
        Bad::Element(self.rest.to_owned(), element)
    }
}

/// A text as Go's `time` package quotes it.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            0x20..0x7f => quoted.push(char::from(byte)),
            _ => {
                let _infallible = write!(quoted, "\\x{byte:02x}");
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Result<Option<String>, String> {
        canonical(text, Layout::Seconds)
    }

    #[test]
    fn times_are_written_in_utc() {
        for (text, expected) in [
            ("2020-02-29T01:02:03Z", "2020-02-29T01:02:03Z"),
            ("2020-01-01T00:30:00.999+01:00", "2019-12-31T23:30:00Z"),
            ("2020-01-01T5:04:05Z", "2020-01-01T05:04:05Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("0001-01-01T00:00:00+01:00", "0000-12-31T23:00:00Z"),
        ] {
            assert_eq!(seconds(text).unwrap().as_deref(), Some(expected));
        }
        let micro = canonical("2020-01-01T00:00:00.123456Z", Layout::Micros).unwrap();
        assert_eq!(micro.as_deref(), Some("2020-01-01T00:00:00.123456Z"));
        assert_eq!(seconds("0001-01-01T00:00:00Z"), Ok(None));
    }

    #[test]
    fn mistakes_have_gos_words() {
        let layout = "2006-01-02T15:04:05Z07:00";
        let cannot = |text: &str, rest: &str, element: &str| {
            assert_eq!(
                seconds(text).unwrap_err(),
                format!("parsing time \"{text}\" as \"{layout}\": cannot parse \"{rest}\" as \"{element}\"")
            );
        };
        cannot("yesterday", "yesterday", "2006");
        cannot("", "", "2006");
        cannot("2020-1-01T00:00:00Z", "1-01T00:00:00Z", "01");
        cannot("2020-01-01 00:00:00Z", " 00:00:00Z", "T");
        cannot("2020-01-01T00:00:00", "", "Z07:00");
        cannot("2020-01-01T00:00:00+0100", "+0100", "Z07:00");
        assert_eq!(
            seconds("2020-13-01T00:00:00Z").unwrap_err(),
            "parsing time \"2020-13-01T00:00:00Z\": month out of range"
        );
        assert_eq!(
            seconds("2021-02-29T00:00:00Z").unwrap_err(),
            "parsing time \"2021-02-29T00:00:00Z\": day out of range"
        );
        assert!(seconds("2020-01-01T00:00:00Zx").unwrap_err().ends_with(": extra text: \"x\""));
        let micro = canonical("2020-01-01T00:00:00Z", Layout::Micros).unwrap_err();
        assert!(micro.ends_with("cannot parse \"Z\" as \".000000\""), "{micro}");
    }
}
