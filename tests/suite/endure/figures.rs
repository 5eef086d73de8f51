//! What a server takes while it works: memory, files, open descriptors, sampled at even distances.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// A shorter run has not come to rest when it ends.
const LONG_ENOUGH: Duration = Duration::from_secs(600);
/// What a quarter may have on an earlier one.
const SLACK: u64 = 16 << 20;

/// One moment.
#[derive(Clone, Copy)]
struct Sample {
    at: Duration,
    resident: u64,
    store: u64,
    audit: u64,
    descriptors: u64,
}

/// All moments of a run.
pub(super) struct Figures(Vec<Sample>);

/// Looks at a process until the end of a run.
pub(super) async fn watch(pid: u32, dir: PathBuf, until: Instant, every: Duration) -> Figures {
    let begun = Instant::now();
    let mut samples = Vec::new();
    while Instant::now() < until {
        sleep(every).await;
        samples.push(Sample::take(pid, &dir, begun.elapsed()));
    }
    Figures(samples)
}

impl Sample {
    fn take(pid: u32, dir: &Path, at: Duration) -> Self {
        Self {
            at,
            resident: resident(pid),
            store: size_of(dir, "store.redb"),
            audit: size_of(dir, "audit"),
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |all| all.count() as u64),
        }
    }
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a figure");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

/// Bytes of the files of a directory whose names begin so.
fn size_of(dir: &Path, prefix: &str) -> u64 {
    let files = std::fs::read_dir(dir).expect("the data directory").filter_map(Result::ok);
    let named = files.filter(|file| file.file_name().to_string_lossy().starts_with(prefix));
    // A rotated file may go away between the two looks.
    named.filter_map(|file| file.metadata().ok()).map(|facts| facts.len()).sum()
}

impl Figures {
    /// Of a long run, the last quarter takes no more than the second did.
    #[track_caller]
    pub(super) fn assert_flat(&self, length: Duration) {
        if length < LONG_ENOUGH {
            return;
        }
        self.assert_kept("memory", SLACK, |sample| sample.resident);
        self.assert_kept("the store", SLACK, |sample| sample.store);
        self.assert_kept("the number of open files", 16, |sample| sample.descriptors);
    }

    #[track_caller]
    fn assert_kept(&self, what: &str, slack: u64, figure: fn(&Sample) -> u64) {
        let (early, late) = (self.quarter(1, figure), self.quarter(3, figure));
        assert!(late <= early + early / 10 + slack, "{what} grew from {early} to {late}");
    }

    /// The median of a figure in a quarter of the run.
    fn quarter(&self, number: usize, figure: impl Fn(&Sample) -> u64) -> u64 {
        let Self(samples) = self;
        let size = samples.len() / 4;
        let mut part: Vec<u64> = samples.iter().skip(number * size).take(size).map(figure).collect();
        part.sort_unstable();
        part[part.len() / 2]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seconds  memory MiB  store MiB  audit MiB  open files")?;
        for sample in self.0.iter().step_by((self.0.len() / 24).max(1)) {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            writeln!(
                f,
                "{:>7}  {:>10.1}  {:>9.1}  {:>9.1}  {:>10}",
                sample.at.as_secs(),
                mib(sample.resident),
                mib(sample.store),
                mib(sample.audit),
                sample.descriptors
            )?;
        }
        Ok(())
    }
}
