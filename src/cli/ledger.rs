//! Keeps the ledger of credentials complete: certificates that are issued beside the API are written into it.
//!
//! What is in it already is not read again, and files are read where that holds nobody up.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_pki::{Leaf, Pki, Seen};
use portcullis_registry::Registry;
use tokio::sync::Mutex;

use super::Failure;

/// How soon a certificate that was issued beside the API is in the ledger.
const WRITE_DOWN: Duration = Duration::from_secs(5);
/// Records of what ended early are looked for every so many times, which is every minute.
const SWEEP_EVERY: u64 = 12;

/// Clones keep the same ledger.
#[derive(Clone)]
pub(crate) struct Ledger {
    registry: Arc<Registry>,
    pki: Arc<Pki>,
    /// What is written down.
    seen: Arc<Mutex<Seen>>,
}

impl Ledger {
    pub(crate) fn new(registry: Arc<Registry>, pki: Arc<Pki>) -> Self {
        Self { registry, pki, seen: Arc::default() }
    }

    /// Writes new certificates down for ever, and forgets credentials that ended early.
    pub(crate) async fn keep(self) {
        for times in 1_u64.. {
            tokio::time::sleep(WRITE_DOWN).await;
            if let Err(failure) = self.write_down().await {
                tracing::warn!(why = %failure, "Certificates of the installation are not in the ledger");
            }
            if times.is_multiple_of(SWEEP_EVERY)
                && let Err(error) = self.registry.sweep_ledger().await
            {
                let why = error.log().unwrap_or(error.message());
                tracing::warn!(why, "Records of credentials that ended early stay");
            }
        }
    }

    /// Writes down the certificates that are not written down yet.
    pub(crate) async fn write_down(&self) -> Result<(), Failure> {
        let mut seen = self.seen.clone().lock_owned().await;
        // Whatever goes wrong from here on, everything is read again the next time.
        let before = std::mem::take(&mut *seen);
        let pki = self.pki.clone();
        let read = tokio::task::spawn_blocking(move || read(&pki, before));
        let (new, known) = read.await.map_err(|error| Failure::caused(UNREAD, &error))??;
        self.registry
            .write_down_certificates(&new)
            .await
            .map_err(|error| super::assemble::api_failure("the certificates are not written down", &error))?;
        *seen = known;
        Ok(())
    }
}

const UNREAD: &str = "the certificates cannot be listed";

fn read(pki: &Pki, mut seen: Seen) -> Result<(Vec<(Leaf, String)>, Seen), Failure> {
    let new =
        pki.newly_issued(&mut seen, Timestamp::now()).map_err(|error| Failure::caused(UNREAD, &error))?;
    Ok((new, seen))
}
