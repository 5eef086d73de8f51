//! What etcd's version says about it.

/// Whether a watch's progress notifications can be trusted: before these versions one could overtake
/// the events it speaks of.
pub(super) fn tells_progress(version: &str) -> bool {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor)), Some(Some(patch))) =
        (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    match (major, minor) {
        (3, 4) => patch >= 31,
        (3, 5) => patch >= 13,
        (major, minor) => (major, minor) > (3, 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_trusted_from_the_mended_versions_on() {
        for good in ["3.4.31", "3.5.13", "3.6.0", "3.6.0-rc.1", "3.10.2", "4.0.0"] {
            assert!(tells_progress(good), "{good}");
        }
        for bad in ["3.4.23", "3.5.12", "3.3.99", "2.3.8", "", "3.5", "three"] {
            assert!(!tells_progress(bad), "{bad}");
        }
    }
}
