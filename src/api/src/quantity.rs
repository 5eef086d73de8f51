//! Resource quantities: `500m`, `1.5Gi`, `2e3`.
//!
//! A text is parsed into an exact decimal (a mantissa and a power of ten) and a format. It is written
//! back in canonical form unless it was canonical enough to be kept as it came. Precision ends at nano:
//! what is smaller is rounded up, away from zero.

use std::cmp::Ordering;
use std::fmt;

/// The pattern that the first error message quotes.
const PATTERN: &str = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";
const NANO: i32 = -9;
/// Longest mantissa kept exactly; 10^36 still leaves room to scale within an `i128`.
const MAX_DIGITS: usize = 36;

/// Why a text is not a quantity. The words are upstream's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuantityError {
    /// The text has another shape.
    #[error("quantities must match the regular expression '{PATTERN}'")]
    Format,
    /// The number cannot be read.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The family of suffixes a quantity is written with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`
    BinarySi,
    /// `12M`
    DecimalSi,
}

/// An exact amount with the format it is written in.
#[derive(Clone, Debug)]
pub struct Quantity {
    value: i128,
    scale: i32,
    format: Format,
    text: Option<Box<str>>,
}

impl Quantity {
    /// Zero.
    pub const ZERO: Self = Self { value: 0, scale: 0, format: Format::DecimalSi, text: None };

    /// A whole number in a format.
    pub fn new(value: i64, format: Format) -> Self {
        Self { value: i128::from(value), scale: 0, format, text: None }
    }

    /// Reads a quantity; the text must be trimmed.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let parts = Parts::split(text)?;
        let suffix = Suffix::read(parts.suffix)?;
        match suffix {
            Suffix::Decimal { exponent, format } => parts.decimal(text, exponent, format),
            Suffix::Binary { shift } => parts.binary(text, shift),
        }
    }

    /// The number rounded up to whole units, within `i64`.
    pub fn value(&self) -> i64 {
        self.scaled(0)
    }

    /// The number of thousandths, rounded up, within `i64`.
    pub fn milli_value(&self) -> i64 {
        self.scaled(-3)
    }

    /// The number, if it was given without a fraction and fits. `1000m` has a fraction, though it is whole.
    pub fn as_int(&self) -> Option<i64> {
        if self.scale < 0 {
            return None;
        }
        i64::try_from(self.whole()?).ok()
    }

    /// The number with what digits a float can keep.
    #[expect(clippy::cast_precision_loss, reason = "an approximation is asked for")]
    pub fn approximate(&self) -> f64 {
        self.value as f64 * 10_f64.powi(self.scale)
    }

    /// Below, at or above zero.
    pub fn signum(&self) -> i8 {
        match self.value.cmp(&0) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.value == 0
    }

    /// Adds another amount; zero takes the other's format.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, other.value);
    }

    /// Takes another amount away; zero takes the other's format.
    pub fn sub(&mut self, other: &Self) {
        self.combine(other, -other.value);
    }

    /// Rounds up to a power of ten, away from zero. An amount that is exact there keeps its text.
    pub fn round_up(&mut self, scale: i32) {
        if self.scale < scale {
            self.value = divide_up(self.value, i64::from(scale) - i64::from(self.scale));
            self.scale = scale;
            self.text = None;
        }
    }

    fn scaled(&self, scale: i32) -> i64 {
        let shift = i64::from(self.scale) - i64::from(scale);
        let exact =
            if shift <= 0 { divide_up(self.value, -shift) } else { saturating_shift(self.value, shift) };
        i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
    }

    fn combine(&mut self, other: &Self, addend: i128) {
        self.text = None;
        if self.value == 0 {
            *self = Self { value: addend, scale: other.scale, format: other.format, text: None };
            return;
        }
        if addend == 0 {
            return;
        }
        let scale = self.scale.min(other.scale);
        let left = saturating_shift(self.value, i64::from(self.scale) - i64::from(scale));
        let right = saturating_shift(addend, i64::from(other.scale) - i64::from(scale));
        self.value = left.saturating_add(right);
        self.scale = scale;
    }

    /// The canonical number and the suffix after it.
    fn canonical(&self) -> (i128, String) {
        let whole = self.whole();
        if self.format == Format::BinarySi
            && let Some(whole) = whole
            && whole.unsigned_abs() >= 1024
        {
            return binary_form(whole);
        }
        let format = if self.format == Format::BinarySi { Format::DecimalSi } else { self.format };
        self.decimal_form(format)
    }

    /// The value in units if it has no fraction and fits.
    fn whole(&self) -> Option<i128> {
        match self.scale {
            0 => Some(self.value),
            scale if scale > 0 => pow10(i64::from(scale)).and_then(|p| self.value.checked_mul(p)),
            scale => {
                let divisor = pow10(-i64::from(scale))?;
                (self.value % divisor == 0).then(|| self.value / divisor)
            }
        }
    }

    fn decimal_form(&self, format: Format) -> (i128, String) {
        let (mut number, mut exponent) = strip_tens(self.value, i64::from(self.scale));
        while exponent % 3 != 0 {
            number = number.saturating_mul(10);
            exponent -= 1;
        }
        (number, decimal_suffix(exponent, format))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        if self.value == 0 {
            return f.write_str("0");
        }
        let (number, suffix) = self.canonical();
        write!(f, "{number}{suffix}")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.signum().cmp(&other.signum());
        if signs != Ordering::Equal || self.value == 0 {
            return signs;
        }
        let magnitudes = magnitude_order(self, other);
        if self.value < 0 { magnitudes.reverse() } else { magnitudes }
    }
}

/// A quantity's text cut into sign, digits and suffix.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, QuantityError> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, rest) = split_digits(unsigned.trim_start_matches('0'));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        let tail = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
        if !tail.bytes().all(|b| b.is_ascii_digit()) {
            return Err(QuantityError::Format);
        }
        Ok(Self { negative, whole, fraction, suffix })
    }

    fn decimal(&self, text: &str, exponent: i32, format: Format) -> Result<Quantity, QuantityError> {
        if self.whole.is_empty() && self.fraction.is_empty() {
            return self.zero(text, format);
        }
        let digits = self.whole.len().max(1) + self.fraction.len();
        let (value, dropped) = self.mantissa()?;
        let scale = exponent.wrapping_sub(i32::try_from(self.fraction.len()).unwrap_or(i32::MAX));
        let keep = digits <= 18 && scale >= NANO && scale % 3 == 0 && self.reads_canonical();
        let mut quantity =
            Quantity { value: self.signed(value), scale: scale.saturating_add(dropped), format, text: None };
        quantity.round_up(NANO);
        quantity.text = keep.then(|| text.into());
        Ok(quantity)
    }

    fn binary(&self, text: &str, shift: u32) -> Result<Quantity, QuantityError> {
        if self.whole.is_empty() && self.fraction.is_empty() {
            return self.zero(text, Format::BinarySi);
        }
        let (value, dropped) = self.mantissa()?;
        let factor = 1_i128 << shift;
        let mut quantity = Quantity {
            value: value.saturating_mul(factor),
            scale: dropped.saturating_sub(i32::try_from(self.fraction.len()).unwrap_or(i32::MAX)),
            format: Format::BinarySi,
            text: None,
        };
        quantity.round_up(NANO);
        let small = self.fraction.is_empty() && self.whole.len() + (shift as usize * 3 / 10) < 15;
        let cap = Quantity::new(i64::MAX, Format::BinarySi);
        if !small && quantity > cap {
            quantity = cap;
        }
        if quantity.value != 0 && quantity < Quantity::new(1, Format::BinarySi) {
            quantity.format = Format::DecimalSi;
        }
        quantity.value = self.signed(quantity.value);
        quantity.text = (small && value & 7 != 0 && dropped == 0).then(|| text.into());
        Ok(quantity)
    }

    /// Nothing but zeros before the suffix. Upstream then forgets the suffix when nothing follows the zeros.
    fn zero(&self, text: &str, format: Format) -> Result<Quantity, QuantityError> {
        let keep = (text == "0").then(|| text.into());
        Ok(Quantity { value: 0, scale: 0, format, text: keep })
    }

    /// The digits as a number and how many trailing zeros were left off.
    fn mantissa(&self) -> Result<(i128, i32), QuantityError> {
        let digits = || self.whole.bytes().chain(self.fraction.bytes());
        let total = self.whole.len() + self.fraction.len();
        let zeros = if total > MAX_DIGITS { digits().rev().take_while(|b| *b == b'0').count() } else { 0 };
        let significant = digits().skip_while(|b| *b == b'0').count().saturating_sub(zeros);
        if significant > MAX_DIGITS {
            return Err(QuantityError::Numeric);
        }
        let value = digits().take(total - zeros).fold(0_i128, |sum, b| sum * 10 + i128::from(b - b'0'));
        Ok((value, i32::try_from(zeros).map_err(|_| QuantityError::Numeric)?))
    }

    fn reads_canonical(&self) -> bool {
        let trailing =
            self.whole.bytes().chain(self.fraction.bytes()).rev().take_while(|b| *b == b'0').count();
        !self.whole.is_empty() && trailing < 3
    }

    fn signed(&self, value: i128) -> i128 {
        if self.negative { -value } else { value }
    }
}

/// What a suffix means.
enum Suffix {
    Decimal { exponent: i32, format: Format },
    Binary { shift: u32 },
}

impl Suffix {
    fn read(text: &str) -> Result<Self, QuantityError> {
        let decimal = |exponent| Ok(Self::Decimal { exponent, format: Format::DecimalSi });
        match text {
            "" => decimal(0),
            "n" => decimal(-9),
            "u" => decimal(-6),
            "m" => decimal(-3),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => Ok(Self::Binary { shift: 10 }),
            "Mi" => Ok(Self::Binary { shift: 20 }),
            "Gi" => Ok(Self::Binary { shift: 30 }),
            "Ti" => Ok(Self::Binary { shift: 40 }),
            "Pi" => Ok(Self::Binary { shift: 50 }),
            "Ei" => Ok(Self::Binary { shift: 60 }),
            other => {
                let digits = other.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
                let exponent: i64 = digits.parse().map_err(|_| QuantityError::Suffix)?;
                // Out of range exponents saturate: nothing is scaled by materialising zeros.
                let exponent =
                    i32::try_from(exponent).unwrap_or(if exponent < 0 { i32::MIN } else { i32::MAX });
                Ok(Self::Decimal { exponent, format: Format::DecimalExponent })
            }
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn pow10(exponent: i64) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// Divides by a power of ten, rounding away from zero.
fn divide_up(value: i128, exponent: i64) -> i128 {
    let Some(divisor) = pow10(exponent) else { return value.signum() };
    let quotient = value / divisor;
    if value % divisor == 0 { quotient } else { quotient + value.signum() }
}

fn saturating_shift(value: i128, exponent: i64) -> i128 {
    let limit = if value < 0 { i128::MIN } else { i128::MAX };
    if value == 0 { 0 } else { pow10(exponent).and_then(|p| value.checked_mul(p)).unwrap_or(limit) }
}

fn strip_tens(mut number: i128, mut exponent: i64) -> (i128, i64) {
    while number != 0 && number % 10 == 0 {
        number /= 10;
        exponent += 1;
    }
    (number, exponent)
}

fn binary_form(mut number: i128) -> (i128, String) {
    let mut power = 0;
    while number.unsigned_abs() >= 1024 && number % 1024 == 0 {
        number /= 1024;
        power += 1;
    }
    let suffix = match power {
        1 => "Ki",
        2 => "Mi",
        3 => "Gi",
        4 => "Ti",
        5 => "Pi",
        6 => "Ei",
        _ => "",
    };
    (number, suffix.to_owned())
}

fn decimal_suffix(exponent: i64, format: Format) -> String {
    if format == Format::DecimalExponent {
        return if exponent == 0 { String::new() } else { format!("e{exponent}") };
    }
    let suffix = match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => "",
    };
    suffix.to_owned()
}

/// Compares sizes of two amounts of the same sign, neither zero.
fn magnitude_order(left: &Quantity, right: &Quantity) -> Ordering {
    let digits = |q: &Quantity| i64::from(q.value.unsigned_abs().ilog10());
    let leading = (digits(left) + i64::from(left.scale)).cmp(&(digits(right) + i64::from(right.scale)));
    if leading != Ordering::Equal {
        return leading;
    }
    let shift = i64::from(left.scale) - i64::from(right.scale);
    let scale = |value: i128, by: i64| saturating_shift(value, by.max(0)).unsigned_abs();
    scale(left.value, shift).cmp(&scale(right.value, -shift))
}

#[cfg(test)]
mod tests;
