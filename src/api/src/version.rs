//! Versions of an API in the order in which clients should prefer them.

use std::cmp::Ordering;

/// Orders versions: `v2` before `v1` before `v2beta1` before `v1alpha1`, then whatever else in the order of
/// the alphabet. The preferred version compares as greater.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => b.cmp(a),
    }
}

/// Maturity, major, minor.
fn parse(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at_checked(digits)?;
    let major = number(major)?;
    if rest.is_empty() {
        return Some((2, major, 0));
    }
    let stages = [("alpha", 0), ("beta", 1)];
    let (word, stage) = stages.into_iter().find(|(word, _)| rest.starts_with(word))?;
    Some((stage, major, number(rest.strip_prefix(word)?)?))
}

/// A number without leading zeros, from one on.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first() {
        let mut versions = ["foo10", "v1alpha1", "v2", "v1beta1", "foo1", "v10", "v3beta1", "v01", "v1"];
        versions.sort_by(|a, b| compare_versions(b, a));
        assert_eq!(versions, ["v10", "v2", "v1", "v3beta1", "v1beta1", "v1alpha1", "foo1", "foo10", "v01"]);
    }
}
