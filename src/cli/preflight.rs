//! Start-up failures, each with its fix.

use std::io;
use std::net::SocketAddr;

use jiff::Timestamp;
use portcullis_storage::StoreError;

use super::paths::DataDir;
use super::{Failure, checks};

/// What can be known before anything is made.
pub(crate) fn before_serving(dir: &DataDir) -> Result<(), Failure> {
    checks::data_directory(dir)?;
    checks::space(dir)?;
    checks::clock(dir, Timestamp::now())?;
    checks::open_files()?;
    Ok(())
}

/// Why an address cannot be served on, and by whom it is held.
pub(crate) fn bind_failure(address: SocketAddr, error: &io::Error) -> Failure {
    let what = format!("{address} cannot be served on");
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = holder(address.port()).map_or_else(String::new, |who| format!(" by {who}"));
            Failure::because(what, format!("the port is in use{holder}"))
                .fix("stop that process, or choose another port with --secure-port (0 picks a free one)")
        }
        io::ErrorKind::PermissionDenied => Failure::caused(what, error).fix("choose a port above 1023"),
        io::ErrorKind::AddrNotAvailable => {
            Failure::caused(what, error).fix("choose an address of this machine with --bind-address")
        }
        _ => Failure::caused(what, error),
    }
}

/// Why the store cannot be opened.
pub(crate) fn store_failure(dir: &DataDir, error: &StoreError) -> Failure {
    let failure = Failure::caused(format!("the store {} cannot be opened", dir.store().display()), error);
    match error {
        StoreError::InUse { .. } => {
            failure.fix("stop the other server (portcullis down), or use another --data-dir")
        }
        StoreError::DiskFull(_) => failure.fix("free some space on the disk"),
        StoreError::Corrupt { .. } => {
            failure.fix("restore the file from a backup; the damaged one was not changed")
        }
        _ => failure.fix("see that the directory is writable for this user"),
    }
}

/// The process that listens on a port, as far as this user may see it: `name (pid N)`.
pub(crate) fn holder(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| listening_inode(table, port))?;
    let wanted = format!("socket:[{inode}]");
    std::fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = std::fs::read_dir(process.path().join("fd")).ok()?.filter_map(Result::ok).any(|fd| {
            std::fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str())
        });
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        holds.then(|| format!("{} (pid {pid})", name.trim()))
    })
}

/// The inode of the socket that listens on a port, from one of the kernel's tables.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let text = std::fs::read_to_string(table).ok()?;
    text.lines().skip(1).find_map(|line| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (cells.get(1)?, cells.get(3)?, cells.get(9)?);
        let here = local.rsplit(':').next().and_then(|hex| u16::from_str_radix(hex, 16).ok()) == Some(port);
        (here && *state == LISTEN).then(|| (*inode).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let holder = holder(port).unwrap();
        assert!(holder.contains(&format!("pid {}", std::process::id())), "{holder}");
    }
}
