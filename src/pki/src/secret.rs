//! Random secrets in files: made once, read ever after.

use std::path::Path;

use zeroize::Zeroizing;

use crate::{Error, Result, files};

const BYTES: usize = 32;

/// The 32 random bytes of a file, which is made if it is missing. A file others can read is refused.
pub fn secret_file(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    if let Some(text) = files::read_private(path)? {
        return decoded(path, &text);
    }
    let mut random = Zeroizing::new([0; BYTES]);
    aws_lc_rs::rand::fill(&mut *random).map_err(|_| Error::Crypto("make a secret"))?;
    let text = Zeroizing::new(hex::encode(*random));
    files::write(path, text.as_bytes(), files::PRIVATE)?;
    decoded(path, &text)
}

fn decoded(path: &Path, text: &str) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = hex::decode(text.trim()).ok().filter(|bytes| bytes.len() == BYTES).map(Zeroizing::new);
    bytes.ok_or_else(|| Error::malformed(path.display().to_string(), "holds no secret of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.key");
        let first = secret_file(&path).unwrap();
        assert_eq!((first.len(), &*first), (BYTES, &*secret_file(&path).unwrap()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        assert!(secret_file(&path).is_err());
    }
}
