//! Counts what an evaluation costs, and ends it when that is too much.
//!
//! Two things are counted. The *cost* is upstream's: what an operation is said to take by the sizes of its arguments. It is
//! blind in places (the elements within elements that `==` compares, the size of what `replace` makes), so *work* is
//! counted beside it, roughly in octets touched; no evaluation can do more of it than [`MOST_WORK`], and
//! those that share a budget share [`ALL_WORK`].

use crate::error::Fault;

/// The most work of one evaluation.
pub(crate) const MOST_WORK: u64 = 1 << 26;
/// The most work of all evaluations that share a budget.
pub(crate) const ALL_WORK: u64 = 1 << 29;
/// The work of touching a value.
pub(crate) const TOUCH: u64 = 8;
/// The work of making a value.
pub(crate) const MAKE: u64 = 32;

/// What one evaluation has cost so far.
#[derive(Debug)]
pub(crate) struct Meter {
    cost: u64,
    limit: u64,
    work: u64,
    most_work: u64,
}

impl Meter {
    pub(crate) fn new(limit: u64, most_work: u64) -> Self {
        Self { cost: 0, limit, work: 0, most_work }
    }

    /// A meter for what is constant; such parts are as small as the expression.
    pub(crate) fn for_constants() -> Self {
        Self::new(u64::MAX, MOST_WORK)
    }

    /// The work that was done; what was too much was not begun.
    pub(crate) fn worked(&self) -> u64 {
        self.work.min(self.most_work)
    }

    /// What it has cost.
    pub(crate) fn cost(&self) -> u64 {
        self.cost
    }

    /// Adds to the cost.
    pub(crate) fn charge(&mut self, cost: u64) -> Result<(), Fault> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(Fault::Cost) } else { Ok(()) }
    }

    /// Takes back what was charged for a step that turned out free.
    pub(crate) fn refund(&mut self, cost: u64) {
        self.cost = self.cost.saturating_sub(cost);
    }

    /// Adds to the work.
    pub(crate) fn work(&mut self, amount: u64) -> Result<(), Fault> {
        self.work = self.work.saturating_add(amount);
        if self.work > self.most_work { Err(Fault::Cost) } else { Ok(()) }
    }

    /// Adds the work of so many steps of one kind.
    pub(crate) fn work_of(&mut self, count: usize, each: u64) -> Result<(), Fault> {
        self.work(u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(each))
    }
}
