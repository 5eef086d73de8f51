//! Certificates that were handed out: each is kept, without its key, in `pki/issued/`, until it ends. A server
//! writes them into its ledger.
//!
//! Whoever looks again and again has a [`Seen`]: what was read before and has not changed since is not read again.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;

use crate::issue::{self, Issued};
use crate::{Error, Leaf, Result, files};

const FOLDER: &str = "issued";
const EXTENSION: &str = "crt";

/// Certificates that were read before; those that left their folder are forgotten.
#[derive(Debug, Default)]
pub struct Seen {
    files: HashMap<PathBuf, File>,
    /// Goes up with each look.
    look: u64,
}

/// One file, as it was when it was read.
#[derive(Debug)]
struct File {
    modified: SystemTime,
    /// `None` for what is no certificate.
    ends: Option<Timestamp>,
    look: u64,
}

impl Seen {
    /// Begins a look at everything.
    pub(crate) fn begin(&mut self) {
        self.look = self.look.wrapping_add(1);
    }

    /// Ends it: what was not met is not there any more.
    pub(crate) fn end(&mut self) {
        let look = self.look;
        self.files.retain(|_, file| file.look == look);
    }

    /// Whether a file is as it was when it was read.
    fn knows(&mut self, path: &Path, modified: SystemTime) -> bool {
        let Some(file) = self.files.get_mut(path) else { return false };
        file.look = self.look;
        file.modified == modified
    }

    /// Reads the certificate in a file, if it is there and was not read before.
    pub(crate) fn read(&mut self, path: &Path) -> Result<Option<Leaf>> {
        let modified = match fs::metadata(path).and_then(|file| file.modified()) {
            Ok(modified) => modified,
            // Another process may have been first.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::file("inspect", path)(cause)),
        };
        if self.knows(path, modified) {
            return Ok(None);
        }
        let Some(pem) = files::read(path)? else { return Ok(None) };
        let leaf = issue::leaf_of(&pem).ok();
        let ends = leaf.as_ref().map(|leaf| leaf.not_after);
        self.files.insert(path.to_owned(), File { modified, ends, look: self.look });
        Ok(leaf)
    }

    fn has_ended(&self, path: &Path, now: Timestamp) -> bool {
        self.files.get(path).and_then(|file| file.ends).is_some_and(|ends| ends <= now)
    }
}

/// Keeps a certificate, as `PROFILE.FINGERPRINT.crt`.
pub(crate) fn keep(directory: &Path, profile: &str, issued: &Issued) -> Result<()> {
    let folder = directory.join(FOLDER);
    files::private_directory(&folder)?;
    let path = folder.join(format!("{profile}.{}.{EXTENSION}", issued.leaf.fingerprint));
    files::write(&path, issued.certificate_pem.as_bytes(), files::PUBLIC)
}

/// Those that were not seen before and have not ended; files of those that have are removed. What is no
/// certificate is left alone.
pub(crate) fn read(directory: &Path, seen: &mut Seen, now: Timestamp) -> Result<Vec<(Leaf, String)>> {
    let folder = directory.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::file("read", &folder)(cause)),
    };
    let mut new = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::file("read", &folder))?.path();
        let Some(profile) = profile_of(&path) else { continue };
        let leaf = seen.read(&path)?;
        if seen.has_ended(&path, now) {
            // Another process may have been first.
            let _ = fs::remove_file(&path);
        } else if let Some(leaf) = leaf {
            new.push((leaf, profile));
        }
    }
    Ok(new)
}

fn profile_of(path: &Path) -> Option<String> {
    let (profile, _) = path.file_stem()?.to_str()?.split_once('.')?;
    (path.extension()? == EXTENSION).then(|| profile.to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::Seen;
    use crate::{Algorithm, Options, Overrides, Pki};

    #[test]
    fn what_is_handed_out_is_kept_without_its_key_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { token_algorithm: Some(Algorithm::Es256), ..Options::default() };
        let pki = Pki::open_or_issue(dir.path(), options).unwrap();
        let now = jiff::Timestamp::now();
        let stored = pki.all_issued(now).unwrap().len();
        assert!(stored > 0);
        let lifetime = Some(SignedDuration::from_hours(1));
        let issued =
            pki.issue("user", &Overrides { name: "jane".into(), lifetime, ..Overrides::default() }).unwrap();
        let all = pki.all_issued(now).unwrap();
        assert_eq!(all.len(), stored + 1);
        assert!(all.iter().any(|(leaf, profile)| *leaf == issued.leaf && profile == "user"));
        let folder = dir.path().join("pki/issued");
        let texts =
            std::fs::read_dir(&folder).unwrap().map(|e| std::fs::read_to_string(e.unwrap().path()).unwrap());
        assert!(texts.into_iter().all(|text| !text.contains("PRIVATE KEY")));
        let later = now + SignedDuration::from_hours(2);
        assert_eq!(pki.all_issued(later).unwrap().len(), stored);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_certificate_there_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("issued");
        std::fs::create_dir(&folder).unwrap();
        for name in ["user.x.crt", "readme", "user.x.crt.12-1.new"] {
            std::fs::write(folder.join(name), "nothing").unwrap();
        }
        let now = jiff::Timestamp::now();
        assert!(super::read(dir.path(), &mut Seen::default(), now).unwrap().is_empty());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[test]
    fn only_what_is_new_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { token_algorithm: Some(Algorithm::Es256), ..Options::default() };
        let pki = Pki::open_or_issue(dir.path(), options).unwrap();
        let (now, mut seen) = (jiff::Timestamp::now(), Seen::default());
        let lifetime = Some(SignedDuration::from_hours(1));
        let issue = |name: &str| {
            pki.issue("user", &Overrides { name: name.into(), lifetime, ..Overrides::default() })
                .unwrap()
                .leaf
        };
        let jane = issue("jane");
        let first = pki.newly_issued(&mut seen, now).unwrap();
        assert!(first.len() > 1 && first.iter().any(|(leaf, _)| *leaf == jane));
        assert!(pki.newly_issued(&mut seen, now).unwrap().is_empty());

        // Not even opened: nobody would notice what stands in it now.
        let file = dir.path().join(format!("pki/issued/user.{}.crt", jane.fingerprint));
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        let pem = std::fs::read(&file).unwrap();
        std::fs::write(&file, "nothing").unwrap();
        let opened = std::fs::File::options().write(true).open(&file).unwrap();
        opened.set_modified(modified).unwrap();
        assert!(pki.newly_issued(&mut seen, now).unwrap().is_empty());
        std::fs::write(&file, pem).unwrap();
        opened.set_modified(modified + std::time::Duration::from_secs(1)).unwrap();
        assert_eq!(pki.newly_issued(&mut seen, now).unwrap(), [(jane, "user".to_owned())]);

        let john = issue("john");
        assert_eq!(pki.newly_issued(&mut seen, now).unwrap(), [(john, "user".to_owned())]);
        pki.renew("apiserver").unwrap();
        let renewed = pki.newly_issued(&mut seen, now).unwrap();
        assert_eq!(renewed.iter().map(|(_, profile)| &**profile).collect::<Vec<_>>(), ["apiserver"]);

        let known = seen.files.len();
        let later = now + SignedDuration::from_hours(2);
        assert!(pki.newly_issued(&mut seen, later).unwrap().is_empty());
        assert_eq!(std::fs::read_dir(dir.path().join("pki/issued")).unwrap().count(), 0);
        assert!(pki.newly_issued(&mut seen, later).unwrap().is_empty());
        assert_eq!(seen.files.len(), known - 2);
    }
}
