//! How much memory the process may use: as a flag says, or most of what there is.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_api::quantity::Quantity;

use super::Failure;

/// Less serves nobody.
const LEAST: u64 = 128 << 20;
/// What is assumed where nothing can be read.
const UNKNOWN: u64 = 1 << 30;

/// The ceiling in bytes.
pub(super) fn ceiling(flag: Option<&str>) -> Result<u64, Failure> {
    let Some(text) = flag else {
        return Ok(available(Path::new("/")).map_or(UNKNOWN, |all| (all / 4 * 3).max(LEAST)));
    };
    let fix = "write it like 512Mi or 2Gi; 128Mi is the least";
    let wrong =
        |why: String| Failure::because(format!("--memory-ceiling {text:?} cannot be used"), why).fix(fix);
    let bytes = Quantity::parse(text).map_err(|error| wrong(error.to_string()))?.value();
    match u64::try_from(bytes) {
        Ok(bytes) if bytes >= LEAST => Ok(bytes),
        _ => Err(wrong("it is too small".to_owned())),
    }
}

/// The least of what the machine has and the control groups of this process allow.
fn available(root: &Path) -> Option<u64> {
    let limits = control_groups(root).into_iter().filter_map(|file| number(&file));
    limits.chain(machine(root)).min()
}

/// The files that may hold a limit: those of this process's groups and of all above them.
fn control_groups(root: &Path) -> Vec<PathBuf> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            others if others.split(',').any(|one| one == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = Path::new(path.trim_start_matches('/'));
        files.extend(group.ancestors().map(|above| root.join(mount).join(above).join(file)));
    }
    files
}

/// A limit; `max` is none.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn machine(root: &Path) -> Option<u64> {
    let all = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = all.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_narrowest_limit_counts() {
        let memory = ("proc/meminfo", "MemFree: 1 kB\nMemTotal:       8388608 kB\n");
        let available = |files: &[(&str, &str)]| available(machine_with(files).path());
        assert_eq!(available(&[memory]), Some(8 << 30));
        let group = ("proc/self/cgroup", "0::/system.slice/portcullis.service\n");
        let own = ("sys/fs/cgroup/system.slice/portcullis.service/memory.max", "max\n");
        assert_eq!(available(&[memory, group, own]), Some(8 << 30));
        let above = ("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
        assert_eq!(available(&[memory, group, own, above]), Some(1 << 30));
        let old = ("proc/self/cgroup", "4:cpu,cpuacct:/x\n7:memory:/x\n");
        let limit = ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "536870912\n");
        assert_eq!(available(&[memory, old, limit]), Some(512 << 20));
        assert_eq!(available(&[]), None);
    }

    #[test]
    fn the_flag_is_a_size() {
        assert_eq!(ceiling(Some("2Gi")).unwrap(), 2 << 30);
        assert_eq!(ceiling(Some("134217728")).unwrap(), LEAST);
        for wrong in ["", "much", "-1Gi", "1Mi"] {
            assert!(ceiling(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(ceiling(None).unwrap() >= LEAST);
    }
}
