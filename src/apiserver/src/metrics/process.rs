//! What the kernel says of this process, by the names every Prometheus client uses.

use std::fmt::Write as _;
use std::fs;

/// `USER_HZ`, which Linux fixes for all its interfaces.
const TICKS: f64 = 100.0;

/// Appends the process's numbers; what cannot be read is left out.
pub(super) fn render(text: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command's name may hold spaces and brackets; the fields are counted from its end.
    let fields: Vec<&str> =
        stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let field = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    if let (Some(user), Some(system)) = (field(11), field(12)) {
        line(text, "process_cpu_seconds_total", "counter", (user + system) / TICKS);
    }
    if let (Some(started), Some(boot)) = (field(19), boot_time()) {
        line(text, "process_start_time_seconds", "gauge", boot + started / TICKS);
    }
    if let Some(bytes) = field(20) {
        line(text, "process_virtual_memory_bytes", "gauge", bytes);
    }
    if let Some(kib) = resident_kib() {
        line(text, "process_resident_memory_bytes", "gauge", f64::from(kib) * 1024.0);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        line(text, "process_open_fds", "gauge", f64::from(u32::try_from(open.count()).unwrap_or(u32::MAX)));
    }
}

fn line(text: &mut String, name: &str, kind: &str, value: f64) {
    writeln!(text, "# TYPE {name} {kind}\n{name} {value}").ok();
}

/// The bytes of memory the process uses.
pub(crate) fn resident() -> Option<u64> {
    resident_kib().map(|kib| u64::from(kib) * 1024)
}

fn resident_kib() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
