//! What all kinds of these groups have in common.

use super::*;

#[test]
fn no_resource_has_two_strategies() {
    let keys: Vec<(&str, &str, &str)> =
        STRATEGIES.iter().copied().flatten().map(|row| (row.0, row.1, row.2)).collect();
    let once: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(once.len(), keys.len());
}
