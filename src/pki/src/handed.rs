//! Certificates that were handed out: each is kept, without its key, in `pki/issued/`, until it ends. A server
//! writes them into its ledger.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use crate::issue::{self, Issued};
use crate::{Error, Leaf, Result, files};

const FOLDER: &str = "issued";
const EXTENSION: &str = "crt";

/// Keeps a certificate, as `PROFILE.FINGERPRINT.crt`.
pub(crate) fn keep(directory: &Path, profile: &str, issued: &Issued) -> Result<()> {
    let folder = directory.join(FOLDER);
    files::private_directory(&folder)?;
    let path = folder.join(format!("{profile}.{}.{EXTENSION}", issued.leaf.fingerprint));
    files::write(&path, issued.certificate_pem.as_bytes(), files::PUBLIC)
}

/// Those that have not ended; the others are removed. What is no certificate is left alone.
pub(crate) fn read(directory: &Path, now: Timestamp) -> Result<Vec<(Leaf, String)>> {
    let folder = directory.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::file("read", &folder)(cause)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::file("read", &folder))?.path();
        let Some((profile, leaf)) = certificate(&path)? else { continue };
        if leaf.not_after > now {
            all.push((leaf, profile));
        } else {
            // Another process may have been first.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(all)
}

fn certificate(path: &Path) -> Result<Option<(String, Leaf)>> {
    let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { return Ok(None) };
    let Some((profile, _)) = stem.split_once('.') else { return Ok(None) };
    if path.extension().is_none_or(|extension| extension != EXTENSION) {
        return Ok(None);
    }
    let Some(pem) = files::read(path)? else { return Ok(None) };
    Ok(issue::leaf_of(&pem).ok().map(|leaf| (profile.to_owned(), leaf)))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

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
        assert!(super::read(dir.path(), jiff::Timestamp::now()).unwrap().is_empty());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    }
}
