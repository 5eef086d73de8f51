//! `anyOf`, `oneOf`, `allOf`, `not`.

use portcullis_api::field::{Error, go_quote};

use super::super::data::Data;
use super::super::node::{Checks, NodeId};
use super::Walk;
use super::outcome::Outcome;

impl Walk<'_> {
    pub(super) fn logic(&mut self, checks: Option<&Checks>, value: Data<'_>) -> Outcome {
        let mut out = Outcome::default();
        if let Some(checks) = checks {
            self.any_of(&checks.any_of, value, &mut out);
            self.one_of(&checks.one_of, value, &mut out);
            self.all_of(&checks.all_of, value, &mut out);
            if let Some(not) = checks.not
                && !self.value(not, value, None).failed()
            {
                out.push(self.junction("must not validate the schema (not)"));
            }
        }
        out.fits();
        out
    }

    /// At least one fits. If none does, the mistakes of the closest are told.
    fn any_of(&mut self, schemas: &[NodeId], value: Data<'_>, out: &mut Outcome) {
        let mut closest: Option<Outcome> = None;
        for id in schemas {
            let tried = self.value(*id, value, None);
            if !tried.failed() {
                return out.merge(tried);
            }
            if closest.as_ref().is_none_or(|closest| tried.fits_better_than(closest)) {
                closest = Some(tried);
            }
        }
        if let Some(closest) = closest {
            out.push(self.junction("must validate at least one schema (anyOf)"));
            out.merge(closest);
        }
    }

    /// Exactly one fits.
    fn one_of(&mut self, schemas: &[NodeId], value: Data<'_>, out: &mut Outcome) {
        let (mut closest, mut first): (Option<Outcome>, Option<Outcome>) = (None, None);
        let mut fitting = 0_usize;
        for id in schemas {
            let tried = self.value(*id, value, None);
            if !tried.failed() {
                fitting += 1;
                first.get_or_insert(tried);
            } else if fitting == 0 && closest.as_ref().is_none_or(|it| tried.fits_better_than(it)) {
                closest = Some(tried);
            }
        }
        match (fitting, first) {
            (0, _) => {
                let Some(closest) = closest else { return };
                let words = "must validate one and only one schema (oneOf). Found none valid";
                out.push(self.junction(words));
                out.merge(closest);
            }
            (1, Some(first)) => out.merge(first),
            (count, _) => {
                let words = "must validate one and only one schema (oneOf). ";
                out.push(self.junction(&format!("{words}Found {count} valid alternatives")));
            }
        }
    }

    fn all_of(&mut self, schemas: &[NodeId], value: Data<'_>, out: &mut Outcome) {
        let mut fitting = 0_usize;
        for id in schemas {
            let tried = self.value(*id, value, None);
            fitting += usize::from(!tried.failed());
            out.merge(tried);
        }
        if fitting < schemas.len() {
            let none = if fitting == 0 { ". None validated" } else { "" };
            out.push(self.junction(&format!("must validate all the schemas (allOf){none}")));
        }
    }

    fn junction(&self, words: &str) -> Error {
        self.unplaced(format!("{} {words}", go_quote(&self.path)))
    }
}
