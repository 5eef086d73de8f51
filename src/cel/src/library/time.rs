//! Moments and spans of time.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::Native;
use crate::error::Fault;
use crate::meter::Meter;
use crate::value::Val;

const NANOS: i64 = 1_000_000_000;

/// A moment of the years 1 to 9999, as the clock of UTC shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(DateTime);

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

impl Moment {
    fn new(utc: DateTime) -> Option<Self> {
        (utc.year() >= 1).then_some(Self(utc))
    }

    /// The moment so many seconds after 1970, if it is within the years that moments have.
    pub(crate) fn from_seconds(seconds: i64) -> Option<Self> {
        Self::new(EPOCH.checked_add(SignedDuration::from_secs(seconds)).ok()?)
    }

    /// Whole seconds after 1970, rounded down.
    pub(crate) fn seconds(self) -> i64 {
        let since = self.0.duration_since(EPOCH);
        since.as_secs() - i64::from(since.subsec_nanos() < 0)
    }

    /// The moment so many nanoseconds later.
    pub(super) fn shift(self, nanos: i64) -> Result<Self, Fault> {
        let later = self.0.checked_add(SignedDuration::from_nanos(nanos)).ok().and_then(Self::new);
        later.ok_or_else(|| Fault::new("timestamp overflow"))
    }

    /// The nanoseconds from one moment to another.
    pub(super) fn until(self, other: Self) -> Option<i64> {
        i64::try_from(other.0.duration_since(self.0).as_nanos()).ok()
    }

    /// What the clock of a zone shows.
    fn within(self, zone: &TimeZone) -> DateTime {
        let time = Timestamp::from_second(self.seconds()).unwrap_or(if self.0 < EPOCH {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        });
        let offset = i64::from(zone.to_offset(time).seconds());
        self.0.saturating_add(SignedDuration::from_secs(offset))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}Z", self.0)
    }
}

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "getFullYear" => |args, _| part(args, |time| i64::from(time.year())),
        "getMonth" => |args, _| part(args, |time| i64::from(time.month()) - 1),
        "getDayOfYear" => |args, _| part(args, |time| i64::from(time.day_of_year()) - 1),
        "getDayOfMonth" => |args, _| part(args, |time| i64::from(time.day()) - 1),
        "getDate" => |args, _| part(args, |time| i64::from(time.day())),
        "getDayOfWeek" => |args, _| part(args, |time| i64::from(time.weekday().to_sunday_zero_offset())),
        "getHours" => |args, meter| either(args, meter, 3_600 * NANOS, |time| i64::from(time.hour())),
        "getMinutes" => |args, meter| either(args, meter, 60 * NANOS, |time| i64::from(time.minute())),
        "getSeconds" => |args, meter| either(args, meter, NANOS, |time| i64::from(time.second())),
        "getMilliseconds" => |args, meter| {
            either(args, meter, 1_000_000, |time| i64::from(time.subsec_nanosecond()) / 1_000_000)
        },
        _ => return None,
    })
}

/// A part of a moment, or how often a unit is in a span.
fn either<'v>(
    args: &[Val<'v>],
    _: &mut Meter,
    unit: i64,
    take: fn(&DateTime) -> i64,
) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Duration(nanos)] => Ok(Val::Int(nanos.checked_div(unit).unwrap_or_default())),
        _ => part(args, take),
    }
}

fn part<'v>(args: &[Val<'v>], take: fn(&DateTime) -> i64) -> Result<Val<'v>, Fault> {
    let (time, zone) = match args {
        [Val::Timestamp(time)] => (*time, TimeZone::UTC),
        [Val::Timestamp(time), Val::String(zone)] => (*time, zone_named(zone.as_str())?),
        _ => return Err(Fault::Arguments),
    };
    Ok(Val::Int(take(&time.within(&zone))))
}

/// A zone by its name or by its distance from UTC in hours and minutes.
fn zone_named(name: &str) -> Result<TimeZone, Fault> {
    let Some((hours, minutes)) = name.split_once(':') else {
        let safe = name.len() <= 64 && !name.contains("..") && !name.starts_with('/');
        return match name {
            "" | "UTC" => Ok(TimeZone::UTC),
            name if safe => TimeZone::get(name).map_err(|_| unknown_zone(name)),
            name => Err(unknown_zone(name)),
        };
    };
    let number = |text: &str| -> Result<i32, Fault> {
        text.parse().map_err(|_| Fault::new(format!("strconv.Atoi: parsing {text:?}: invalid syntax")))
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let signed = if name.starts_with('-') { minutes.checked_neg() } else { Some(minutes) };
    let seconds = hours.checked_mul(60).zip(signed).and_then(|(hours, minutes)| hours.checked_add(minutes));
    let offset = seconds.and_then(|minutes| Offset::from_seconds(minutes.checked_mul(60)?).ok());
    offset.map(TimeZone::fixed).ok_or_else(|| unknown_zone(name))
}

fn unknown_zone(name: &str) -> Fault {
    Fault::new(format!("unknown time zone {name}"))
}

/// Reads RFC 3339 as Go does.
pub(crate) fn timestamp(text: &str) -> Option<Moment> {
    let (date, rest) = text.split_once('T')?;
    if date.len() != 10 || date.starts_with(['+', '-']) {
        return None;
    }
    let (clock, rest) = rest.split_at_checked(8)?;
    let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => rest.split_at_checked(rest.find(|char: char| !char.is_ascii_digit())?)?,
        None => ("0", rest),
    };
    if fraction.is_empty() || !clock.is_ascii() || clock.ends_with("60") {
        return None;
    }
    let digits = fraction.get(..fraction.len().min(9))?;
    let utc: DateTime = format!("{date}T{clock}.{digits}").parse().ok()?;
    let ahead = SignedDuration::from_secs(distance(zone)?);
    Moment::new(utc.checked_sub(ahead).ok()?)
}

/// The seconds that a zone is ahead of UTC.
fn distance(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = zone.strip_prefix(['+', '-'])?.split_once(':')?;
    let number = |text: &str, most: i64| {
        let plain = text.len() == 2 && text.chars().all(|char| char.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| plain && *number <= most)
    };
    let seconds = number(hours, 24)? * 3_600 + number(minutes, 60)? * 60;
    Some(if zone.starts_with('-') { -seconds } else { seconds })
}

/// Reads the spellings of a moment that data may have.
pub(crate) fn lenient_timestamp(text: &str) -> Option<Moment> {
    timestamp(&text.to_ascii_uppercase().replacen(' ', "T", 1))
}

/// The start of a day.
pub(crate) fn date(text: &str) -> Option<Moment> {
    timestamp(&format!("{text}T00:00:00Z"))
}

/// Reads a duration as Go does: numbers with units.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let (nanos, after) = quantity(rest)?;
        total = total.checked_add(nanos)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// The first number with its unit, in nanoseconds, and what follows.
fn quantity(text: &str) -> Option<(i128, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, rest) = text.split_at_checked(end)?;
    let end = rest.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let unit: i128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| -> Option<i128> { if text.is_empty() { Some(0) } else { text.parse().ok() } };
    let whole = digits(whole)?.checked_mul(unit)?;
    let fraction = fraction.get(..fraction.len().min(18))?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = digits(fraction)?.checked_mul(unit)?.checked_div(scale)?;
    Some((whole.checked_add(part)?, rest))
}

/// Reads the spellings of a duration that data may have: Go's, or one number with a word.
pub(crate) fn lenient_duration(text: &str) -> Option<i64> {
    duration(text).or_else(|| {
        let end = text.find(|char: char| !char.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(end)?;
        let seconds: i64 = match unit.trim() {
            "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => return number.parse().ok(),
            "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => {
                return number.parse::<i64>().ok()?.checked_mul(1_000);
            }
            "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => {
                return number.parse::<i64>().ok()?.checked_mul(1_000_000);
            }
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hr" | "hour" | "hours" => 3_600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return None,
        };
        number.parse::<i64>().ok()?.checked_mul(seconds)?.checked_mul(NANOS)
    })
}
