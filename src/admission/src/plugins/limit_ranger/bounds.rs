//! The bounds themselves: a minimum, a maximum, how far a limit may exceed its request.

use portcullis_api::Value;
use portcullis_api::quantity::Quantity;

use portcullis_api::resources::{self, Amounts};

/// The most that can be counted in thousandths.
const MAX_MILLI: i64 = i64::MAX / 1000;

/// What is asked for, and by what.
pub(super) struct Asked<'a> {
    /// `Container`, `Pod` or `PersistentVolumeClaim`
    pub(super) of: &'static str,
    pub(super) requests: Amounts<'a>,
    pub(super) limits: Amounts<'a>,
}

impl Asked<'_> {
    /// Collects the bounds of one entry of a limit range that are overstepped.
    pub(super) fn check(&self, limit: &Value, errors: &mut Vec<String>) {
        for (name, bound) in resources::read(limit.get("min")) {
            errors.extend(self.below(name, &bound));
        }
        for (name, bound) in resources::read(limit.get("max")) {
            errors.extend(self.above(name, &bound));
        }
        for (name, bound) in resources::read(limit.get("maxLimitRequestRatio")) {
            errors.extend(self.beyond_ratio(name, &bound));
        }
    }

    /// The same for a claim, whose requests alone count.
    pub(super) fn check_claim(&self, limit: &Value, errors: &mut Vec<String>) {
        for (name, bound) in resources::read(limit.get("min")) {
            errors.extend(self.below(name, &bound));
        }
        for (name, bound) in resources::read(limit.get("max")) {
            let words = format!("maximum {name} usage per {} is {bound}", self.of);
            match self.requests.get(name) {
                None => errors.push(format!("{words}.  No request is specified")),
                Some(request) if compared([request, &Quantity::ZERO, &bound], |r, _, b| r > b) => {
                    errors.push(format!("{words}, but request is {request}"));
                }
                Some(_) => {}
            }
        }
    }

    fn below(&self, name: &str, bound: &Quantity) -> Option<String> {
        let words = format!("minimum {name} usage per {} is {bound}", self.of);
        let Some(request) = self.requests.get(name) else {
            return Some(format!("{words}.  No request is specified"));
        };
        let limit = self.limits.get(name);
        let amounts = [request, limit.unwrap_or(&Quantity::ZERO), bound];
        if compared(amounts, |request, _, bound| request < bound) {
            return Some(format!("{words}, but request is {request}"));
        }
        let limit = limit.filter(|_| compared(amounts, |_, limit, bound| limit < bound))?;
        Some(format!("{words}, but limit is {limit}"))
    }

    fn above(&self, name: &str, bound: &Quantity) -> Option<String> {
        let words = format!("maximum {name} usage per {} is {bound}", self.of);
        let Some(limit) = self.limits.get(name) else {
            return Some(format!("{words}.  No limit is specified"));
        };
        let request = self.requests.get(name);
        let amounts = [request.unwrap_or(&Quantity::ZERO), limit, bound];
        if compared(amounts, |_, limit, bound| limit > bound) {
            return Some(format!("{words}, but limit is {limit}"));
        }
        let request = request.filter(|_| compared(amounts, |request, _, bound| request > bound))?;
        Some(format!("{words}, but request is {request}"))
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio is shown with six digits")]
    fn beyond_ratio(&self, name: &str, bound: &Quantity) -> Option<String> {
        let words = format!("{name} max limit to request ratio per {} is {bound}", self.of);
        let zero = Quantity::ZERO;
        let request = self.requests.get(name).unwrap_or(&zero);
        let limit = self.limits.get(name).unwrap_or(&zero);
        let (asked, most) = compared([request, limit, bound], |request, limit, _| (request, limit));
        if asked == 0 {
            return Some(format!("{words}, but no request is specified or request is 0"));
        }
        if most == 0 {
            return Some(format!("{words}, but no limit is specified or limit is 0"));
        }
        let ratio = most as f64 / asked as f64;
        let beyond = if bound.value() <= MAX_MILLI {
            ratio * 1000.0 > bound.milli_value() as f64
        } else {
            ratio > bound.value() as f64
        };
        beyond.then(|| format!("{words}, but provided ratio is {ratio:.6}"))
    }
}

/// Request, limit and bound at the finest common precision: thousandths, unless one is too large.
fn compared<T>([request, limit, bound]: [&Quantity; 3], judge: impl Fn(i64, i64, i64) -> T) -> T {
    if [request, limit, bound].iter().all(|amount| amount.value() <= MAX_MILLI) {
        judge(request.milli_value(), limit.milli_value(), bound.milli_value())
    } else {
        judge(request.value(), limit.value(), bound.value())
    }
}
