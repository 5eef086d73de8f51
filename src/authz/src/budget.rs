//! What the server may hold in memory for its clients, counted in bytes.
//!
//! ```text
//! ceiling of the process
//!   bodies    what clients sent, while their requests are served
//!   lists     answers that are made and not yet sent
//!   watches   open watches, and events that were handed out and not yet sent
//!   objects   what the store's cache keeps; more is not created
//! ```
//!
//! Each of the first three also has a share that one client may use. Whoever finds a budget used up is told
//! which, with 429. Because estimates can be wrong, what the process really uses is looked at as well: at the
//! ceiling nothing is served that needs memory, while gets and deletions go on.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use portcullis_api::{ApiError, UserInfo, Verb};

/// Seconds after which a refused client may try again.
const RETRY_AFTER: u32 = 1;
/// The smallest budget that serves anything.
const LEAST: u64 = 16 << 20;
/// Clients that are remembered before those with nothing held are looked for.
const REMEMBERED: usize = 1024;

/// All budgets of a process; clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// What clients sent.
    pub bodies: Budget,
    /// Answers that are made and not yet sent.
    pub lists: Budget,
    /// Watches.
    pub watches: Budget,
    objects: u64,
    ceiling: Arc<Ceiling>,
}

#[derive(Debug)]
struct Ceiling {
    bytes: u64,
    reached: AtomicBool,
}

impl Budgets {
    /// Divides what the process may use.
    pub fn within(ceiling: u64) -> Self {
        Self {
            bodies: Budget::new("bodies", (ceiling / 16).max(LEAST)),
            lists: Budget::new("lists", (ceiling / 8).max(LEAST)),
            watches: Budget::new("watches", (ceiling / 8).max(LEAST)),
            objects: ceiling / 2,
            ceiling: Arc::new(Ceiling { bytes: ceiling, reached: AtomicBool::new(false) }),
        }
    }

    /// What the process may use.
    pub fn ceiling(&self) -> u64 {
        self.ceiling.bytes
    }

    /// Takes note of what the process really uses.
    pub fn resident(&self, bytes: u64) {
        self.ceiling.reached.store(bytes >= self.ceiling.bytes, Ordering::Release);
    }

    /// Refuses what needs memory while the process is at its ceiling.
    ///
    /// # Errors
    /// 429 that names the ceiling.
    pub fn admit(&self, verb: Verb) -> Result<(), ApiError> {
        let frugal = matches!(verb, Verb::Get | Verb::Head | Verb::Delete | Verb::DeleteCollection);
        if frugal || !self.ceiling.reached.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(refused(format!("the server is at its memory ceiling of {} bytes", self.ceiling.bytes)))
    }

    /// Refuses another object where those there are take up what they may.
    ///
    /// # Errors
    /// 429 that names the budget.
    pub fn admit_object(&self, held: u64) -> Result<(), ApiError> {
        if held < self.objects {
            return Ok(());
        }
        Err(Over { budget: "objects", of: "the server", limit: self.objects }.into())
    }
}

impl Default for Budgets {
    /// Those of a process that may use one GiB.
    fn default() -> Self {
        Self::within(1 << 30)
    }
}

/// So many bytes for one purpose; clones are handles to the same.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    name: &'static str,
    total: u64,
    share: u64,
    held: AtomicU64,
    clients: Mutex<HashMap<Arc<str>, Weak<Client>>>,
}

#[derive(Default)]
struct Client {
    held: AtomicU64,
}

impl Budget {
    /// A budget of which one client may use a quarter.
    pub fn new(name: &'static str, total: u64) -> Self {
        Self::shared(name, total, total / 4)
    }

    /// A budget of which one client may use so much.
    pub fn shared(name: &'static str, total: u64, share: u64) -> Self {
        Self(Arc::new(Inner { name, total, share, held: AtomicU64::new(0), clients: Mutex::default() }))
    }

    /// What it is for.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// How much of it is used.
    pub fn held(&self) -> u64 {
        self.0.held.load(Ordering::Acquire)
    }

    /// The account of a client.
    pub fn account(&self, user: &UserInfo) -> Account {
        let mut clients = self.0.clients.lock();
        if let Some(client) = clients.get(&*user.name).and_then(Weak::upgrade) {
            return Account { budget: self.clone(), client };
        }
        if clients.len() >= REMEMBERED && clients.len() == clients.capacity() {
            clients.retain(|_, client| client.strong_count() > 0);
        }
        let client = Arc::new(Client::default());
        clients.insert(Arc::from(&*user.name), Arc::downgrade(&client));
        Account { budget: self.clone(), client }
    }
}

/// What one client uses of a budget.
#[derive(Clone)]
pub struct Account {
    budget: Budget,
    client: Arc<Client>,
}

impl Account {
    /// Counts bytes as held until the charge is dropped.
    ///
    /// # Errors
    /// When the client or all together hold what they may.
    pub fn charge(&self, bytes: u64) -> Result<Charge, Over> {
        let mut charge = Charge { account: self.clone(), bytes: 0 };
        charge.grow(bytes)?;
        Ok(charge)
    }
}

/// Bytes that are counted as held.
pub struct Charge {
    account: Account,
    bytes: u64,
}

impl Charge {
    /// Counts more bytes.
    ///
    /// # Errors
    /// As [`Account::charge`]; what was counted before stays.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Over> {
        let inner = &self.account.budget.0;
        let over = |of, limit| Over { budget: inner.name, of, limit };
        add(&self.account.client.held, bytes, inner.share).ok_or(over("this client", inner.share))?;
        if add(&inner.held, bytes, inner.total).is_none() {
            self.account.client.held.fetch_sub(bytes, Ordering::AcqRel);
            return Err(over("the server", inner.total));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.client.held.fetch_sub(self.bytes, Ordering::AcqRel);
        self.account.budget.0.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

fn add(held: &AtomicU64, bytes: u64, limit: u64) -> Option<u64> {
    let fits = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= limit);
    held.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()
}

/// A budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    budget: &'static str,
    of: &'static str,
    limit: u64,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { budget, of, limit } = self;
        write!(f, "the memory budget {budget:?} of {of} is used up ({limit} bytes)")
    }
}

impl std::error::Error for Over {}

impl From<Over> for ApiError {
    fn from(over: Over) -> Self {
        refused(over.to_string())
    }
}

fn refused(why: String) -> ApiError {
    ApiError::too_many_requests(format!("{why}; ask for less at a time or try again later"), RETRY_AFTER)
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { name, total, share, .. } = &*self.0;
        f.debug_struct("Budget")
            .field("name", name)
            .field("total", total)
            .field("share", share)
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charge").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
