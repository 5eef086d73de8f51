//! Running once among several servers: whoever holds the Lease `kube-system/kube-controller-manager` runs the
//! controllers. It is upstream's lease, with upstream's times, so upstream's controller manager takes turns too.
//!
//! Clocks are not compared: a holder is gone when its record has not changed for as long as it said, by the
//! clock of whoever waits.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "kube-controller-manager";

/// How the lease is held.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// How long a holder that is not heard of is waited for.
    pub lease: Duration,
    /// How long a holder goes on that cannot renew.
    pub renew_within: Duration,
    /// Between attempts.
    pub retry: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { lease: seconds(15), renew_within: seconds(10), retry: seconds(2) }
    }
}

/// One who wants the lease.
pub(crate) struct Candidate {
    leases: Api<Lease>,
    me: String,
    turns: Turns,
    /// The record as it was seen first, and when that was.
    seen: Option<(Option<LeaseSpec>, Instant)>,
}

impl Candidate {
    pub(crate) fn new(client: kube::Client, me: String, turns: Turns) -> Self {
        Self { leases: Api::namespaced(client, NAMESPACE), me, turns, seen: None }
    }

    /// Waits until the lease is held.
    pub(crate) async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => return info!(holder = self.me, "Controllers run here"),
                Ok(false) => {}
                Err(error) => warn!(error = &error as &dyn std::error::Error, "Lease cannot be taken"),
            }
            sleep(self.turns.retry).await;
        }
    }

    /// Renews until somebody else has the lease, or it could not be renewed for too long.
    pub(crate) async fn hold(&mut self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < self.turns.renew_within {
            sleep(self.turns.retry).await;
            let left = self.turns.renew_within.saturating_sub(renewed.elapsed());
            match timeout(left, self.attempt()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => break,
                Ok(Err(error)) => warn!(error = &error as &dyn std::error::Error, "Lease cannot be renewed"),
                Err(_) => break,
            }
        }
        warn!(holder = self.me, "Controllers end here: the lease is lost");
    }

    /// Gives the lease up, so that the next need not wait.
    pub(crate) async fn release(&mut self) {
        let released = async {
            let Some(mut lease) = self.leases.get_opt(NAME).await? else { return Ok(()) };
            let held = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref());
            if held == Some(&self.me) {
                let spec = lease.spec.get_or_insert_default();
                spec.holder_identity = Some(String::new());
                spec.lease_duration_seconds = Some(1);
                self.leases.replace(NAME, &PostParams::default(), &lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        if let Err(error) = released.await {
            warn!(error = &error as &dyn std::error::Error, "Lease is not given up; it ends by itself");
        }
    }

    /// Takes or renews the lease if it is free or ours.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let Some(lease) = self.leases.get_opt(NAME).await? else {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.record(None)) };
            return taken(self.leases.create(&PostParams::default(), &lease).await);
        };
        if !self.may_take(lease.spec.as_ref()) {
            return Ok(false);
        }
        let spec = Some(self.record(lease.spec.as_ref()));
        taken(self.leases.replace(NAME, &PostParams::default(), &Lease { spec, ..lease }).await)
    }

    fn may_take(&mut self, record: Option<&LeaseSpec>) -> bool {
        let holder = record.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder.is_empty() || holder == self.me {
            return true;
        }
        let lasts = record.and_then(|spec| spec.lease_duration_seconds).and_then(|s| u64::try_from(s).ok());
        let lasts = lasts.map_or(self.turns.lease, Duration::from_secs);
        match &self.seen {
            Some((seen, since)) if seen.as_ref() == record => since.elapsed() > lasts,
            _ => {
                self.seen = Some((record.cloned(), Instant::now()));
                false
            }
        }
    }

    fn record(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(jiff::Timestamp::now());
        let before = before.cloned().unwrap_or_default();
        let ours = before.holder_identity.as_ref() == Some(&self.me);
        let transitions = before.lease_transitions.unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: Some(
                i32::try_from(self.turns.lease.as_secs().max(1)).unwrap_or(i32::MAX),
            ),
            acquire_time: if ours { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(if ours { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }
}

/// Whether a write took the lease; one that somebody else was faster with did not.
fn taken(written: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Runs `term` whenever the lease is held, until told to stop; a term is told to end when the lease is lost.
pub(crate) async fn in_turns<F>(
    mut candidate: Candidate,
    mut stop: watch::Receiver<bool>,
    term: impl Fn(watch::Receiver<bool>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = candidate.acquire() => {}
        }
        let (end, ending) = watch::channel(false);
        let running = tokio::spawn(term(ending));
        let stopped = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => true,
            () = candidate.hold() => false,
        };
        end.send_replace(true);
        // A term that failed has ended too.
        let _ = running.await;
        if stopped {
            return candidate.release().await;
        }
    }
}
