//! What a phase cost.

use std::time::{Duration, Instant};

/// `USER_HZ`, which Linux fixes for all its interfaces.
const TICKS: f64 = 100.0;
const PAGE: u64 = 4096;

/// A phase that is being measured.
pub(crate) struct Phase {
    name: String,
    pids: Vec<u32>,
    began: Instant,
    cpu: f64,
}

/// What the requests of a phase came to.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) failed: usize,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.bytes += other.bytes;
    }

    fn quantile(&self, part: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a short list"
        )]
        let place = (self.latencies.len().saturating_sub(1) as f64 * part) as usize;
        self.latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }
}

impl Phase {
    pub(crate) fn begin(name: &str, pids: &[u32]) -> Self {
        Self { name: name.to_owned(), pids: pids.to_vec(), began: Instant::now(), cpu: cpu_seconds(pids) }
    }

    /// Prints the phase's line.
    pub(crate) fn end(self, mut tally: Tally) {
        let took = self.began.elapsed().as_secs_f64();
        let cpu = cpu_seconds(&self.pids) - self.cpu;
        tally.latencies.sort();
        let count = tally.latencies.len().max(1) as f64;
        println!(
            "{:12} n={:<8} failed={:<5} rate={:<9.0} p50={:<8.2} p99={:<8.2} cpu_us={:<10.1} mb_s={:<7.0} bytes={:<10.0} rss_mib={}",
            self.name,
            tally.latencies.len(),
            tally.failed,
            count / took,
            tally.quantile(0.5),
            tally.quantile(0.99),
            cpu * 1e6 / count,
            tally.bytes as f64 / took / 1e6,
            tally.bytes as f64 / count,
            resident(&self.pids) >> 20,
        );
    }
}

/// The CPU time of processes, in user and kernel.
fn cpu_seconds(pids: &[u32]) -> f64 {
    let one = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let field = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some((field(11)? + field(12)?) / TICKS)
    };
    pids.iter().filter_map(one).sum()
}

/// The memory of processes, in bytes.
pub(crate) fn resident(pids: &[u32]) -> u64 {
    let one = |pid: &u32| {
        let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        statm.split(' ').nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(one).sum::<u64>() * PAGE
}
