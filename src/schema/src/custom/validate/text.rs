//! Lengths, patterns and formats of texts.

use portcullis_api::field::Error;

use super::super::node::Checks;
use super::Walk;
use super::outcome::Outcome;

impl Walk<'_> {
    pub(super) fn text(&self, checks: Option<&Checks>, text: &str, out: &mut Outcome) {
        out.fits();
        let Some(checks) = checks else { return };
        if let Some(error) = self.text_error(checks, text) {
            out.push(error);
        }
        let Some(format) = &checks.format else { return };
        if format.is_for_text() {
            out.fits();
            if !format.allows(text) {
                out.push(self.wrong_type(format.name(), text));
            }
        }
    }

    /// The first thing wrong.
    fn text_error(&self, checks: &Checks, text: &str) -> Option<Error> {
        let length = || i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        if let Some(max) = checks.max_length.filter(|max| length() > *max) {
            return Some(Error::too_long(&self.place(), usize::try_from(max).unwrap_or_default()));
        }
        if let Some(min) = checks.min_length.filter(|min| length() < *min) {
            return Some(self.invalid(text, format!("should be at least {min} chars long")));
        }
        let pattern = checks.pattern.as_ref().filter(|pattern| !pattern.matches(text))?;
        Some(self.invalid(text, format!("should match '{}'", pattern.text())))
    }
}
