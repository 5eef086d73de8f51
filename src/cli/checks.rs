//! What must hold on this machine before a server can do well, one function a fact.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use jiff::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::certificates::Certificate;
use super::options::ServeOptions;
use super::paths::DataDir;
use super::preflight::bind_failure;
use super::state::State;
use super::{Failure, user};

/// A watch is a file, and so is a connection: fewer than this are used up by a small cluster.
const FEWEST_FILES: u64 = 1024;
const WANTED_FILES: u64 = 65_536;
/// The store needs room to write beside what it has.
const LEAST_SPACE: u64 = 256 << 20;
/// This program did not exist before.
const FOUNDING_YEAR: i16 = 2026;

/// The finding of a check: what holds, in a few words, or what does not.
pub(crate) type Finding = Result<String, Failure>;

/// The data directory, or the nearest folder it would be made in, can be written.
pub(crate) fn data_directory(dir: &DataDir) -> Finding {
    let path = dir.path();
    let existing = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let here = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    if !here.is_dir() {
        return Err(Failure::because(
            format!("{} cannot be used", path.display()),
            format!("{} is no directory", here.display()),
        )
        .fix("name another directory with --data-dir"));
    }
    access(here, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
        Failure::caused(format!("{} cannot be written", here.display()), &error)
            .fix("make it writable for this user, or name another directory with --data-dir")
    })?;
    let made = if here == path { "" } else { " (will be made)" };
    Ok(format!("{}{made}", path.display()))
}

/// There is room for the store to grow.
pub(crate) fn space(dir: &DataDir) -> Finding {
    let existing = dir.path().ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let here = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let facts =
        statvfs(here).map_err(|error| Failure::caused("the free disk space cannot be read", &error))?;
    let free = facts.blocks_available().saturating_mul(facts.fragment_size());
    let mib = free >> 20;
    if free < LEAST_SPACE {
        return Err(Failure::new(format!("{mib} MiB are free on the disk of {}", dir.path().display()))
            .fix("free some space, or name a directory on another disk with --data-dir"));
    }
    Ok(format!("{mib} MiB free"))
}

/// The clock is plausible, and no certificate is over or not yet valid by it.
pub(crate) fn clock(dir: &DataDir, now: Timestamp) -> Finding {
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    let fix = "set the clock, for example by a time service";
    if year < FOUNDING_YEAR {
        return Err(
            Failure::new(format!("the clock says {now}, which is before this program was written")).fix(fix)
        );
    }
    for certificate in Certificate::all(dir)? {
        let (path, leaf) = (certificate.path.display(), &certificate.leaf);
        if now < leaf.not_before {
            return Err(Failure::new(format!(
                "the clock says {now}, but {path} is valid from {}",
                leaf.not_before
            ))
            .fix(fix));
        }
        if leaf.authority && now > leaf.not_after {
            return Err(Failure::new(format!("the authority {path} ended at {}", leaf.not_after))
                .fix("set the clock if it is wrong; otherwise start with a new --data-dir and move the objects there"));
        }
    }
    Ok(now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Enough files may be open at once; raises the soft limit as far as it may.
pub(crate) fn open_files() -> Finding {
    let fail = |error: nix::Error| Failure::caused("the limit of open files cannot be read", &error);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(fail)?;
    let wanted = WANTED_FILES.min(hard).max(soft);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
    let limit = if raised { wanted } else { soft };
    if limit < FEWEST_FILES {
        return Err(Failure::new(format!("only {limit} files may be open at once"))
            .fix(format!("raise the limit to {FEWEST_FILES} or more: ulimit -n {WANTED_FILES}, or LimitNOFILE= of the service")));
    }
    Ok(format!("{limit} files"))
}

/// The port is free, or held by the server of this very directory.
pub(crate) fn port(options: &ServeOptions, dir: &DataDir) -> Finding {
    let host = options.bind_address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let address = SocketAddr::new(host, options.secure_port.unwrap_or(6443));
    match (TcpListener::bind(address), State::running(dir)) {
        (Ok(_), _) => Ok(format!("{address} is free")),
        (Err(_), Some(state)) if state.server.ends_with(&format!(":{}", address.port())) => {
            Ok(format!("{address} is held by this directory's server"))
        }
        (Err(error), _) => Err(bind_failure(address, &error)),
    }
}

/// Whether a server runs on the directory. Either is fine; a second one would not be.
pub(crate) fn store(dir: &DataDir) -> Finding {
    match State::running(dir) {
        Some(state) => Ok(format!("in use by {} (pid {})", state.server, state.pid)),
        None if dir.store().exists() => Ok("not in use".to_owned()),
        None => Ok("will be made".to_owned()),
    }
}

/// The user's kubeconfig can be changed by `up`.
pub(crate) fn kubeconfig() -> Finding {
    let fix = "make it writable, set KUBECONFIG to another file, or start with --no-kubeconfig";
    let path = user::kubeconfig().ok_or_else(|| Failure::new("this user has no home directory").fix(fix))?;
    let existing = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"));
    access(existing, AccessFlags::W_OK).map_err(|error| {
        Failure::caused(format!("{} cannot be written", existing.display()), &error).fix(fix)
    })?;
    Ok(path.display().to_string())
}

/// Where kubectl is. Nothing here needs it, so its absence is no failure.
pub(crate) fn kubectl() -> Finding {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).map(|folder| folder.join("kubectl")).find(|file| file.is_file());
    let missing = "not on the PATH; https://kubernetes.io/docs/tasks/tools/ says how to install it";
    Ok(found.map_or_else(|| missing.to_owned(), |file| file.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somewhere() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        (folder, dir)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_of_long_ago_is_noticed() {
        let (_folder, dir) = somewhere();
        assert!(clock(&dir, at("1970-01-01T00:00:10Z")).unwrap_err().to_string().contains("set the clock"));
        assert!(clock(&dir, at("2027-01-01T00:00:00Z")).is_ok());
    }

    #[test]
    fn a_clock_before_a_certificate_is_noticed() {
        let (folder, dir) = somewhere();
        portcullis_pki::Pki::open_or_issue(folder.path(), portcullis_pki::Options::default()).unwrap();
        assert!(clock(&dir, Timestamp::now()).is_ok());
        let yesterday = Timestamp::now() - jiff::SignedDuration::from_hours(24);
        assert!(clock(&dir, yesterday).unwrap_err().to_string().contains("is valid from"));
        let in_forty_years = Timestamp::now() + jiff::SignedDuration::from_hours(40 * 366 * 24);
        assert!(clock(&dir, in_forty_years).unwrap_err().to_string().contains("ended at"));
    }

    #[test]
    fn a_port_in_use_names_who_holds_it() {
        let (_folder, dir) = somewhere();
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let secure_port = Some(held.local_addr().unwrap().port());
        let options = ServeOptions { secure_port, ..ServeOptions::default() };
        let words = port(&options, &dir).unwrap_err().to_string();
        assert!(words.contains(&format!("pid {}", std::process::id())), "{words}");
    }

    #[test]
    fn a_directory_below_a_file_is_refused() {
        let (folder, _) = somewhere();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let dir = DataDir::resolve(Some(&folder.path().join("file/below"))).unwrap();
        assert!(data_directory(&dir).is_err());
    }
}
