//! The layout of keys, which is upstream's: `/registry/<resource prefix>/[<namespace>/]<name>`.

use crate::Key;

/// The root of all keys.
pub const ROOT: &str = "/registry/";

/// The prefix of a resource's keys: `/registry/<prefix>/`. `prefix` is the resource's storage prefix,
/// such as `configmaps`, `services/specs` or `example.com/widgets`.
pub fn resource_prefix(prefix: &str) -> String {
    format!("{ROOT}{prefix}/")
}

/// The key of a namespaced object below `prefix`, which ends in a slash.
pub fn namespaced(prefix: &str, namespace: &str, name: &str) -> Key {
    join(&[prefix, namespace, "/", name])
}

/// The key of a cluster-scoped object below `prefix`, which ends in a slash.
pub fn cluster(prefix: &str, name: &str) -> Key {
    join(&[prefix, name])
}

/// The first key after all keys that start with `prefix`; empty when there is none.
pub fn prefix_end(prefix: &str) -> String {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        let next = (u32::from(last).saturating_add(1)..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            end.push(next);
            break;
        }
    }
    end.into_iter().collect()
}

fn join(parts: &[&str]) -> Key {
    let mut key = String::with_capacity(parts.iter().map(|p| p.len()).sum());
    for part in parts {
        key.push_str(part);
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_laid_out_as_upstream_does() {
        let prefix = resource_prefix("configmaps");
        assert_eq!(&*namespaced(&prefix, "kube-system", "a"), "/registry/configmaps/kube-system/a");
        assert_eq!(&*cluster(&resource_prefix("minions"), "n1"), "/registry/minions/n1");
    }

    #[test]
    fn the_end_of_a_prefix_is_the_first_key_after_it() {
        assert_eq!(prefix_end("/registry/pods/"), "/registry/pods0");
        assert_eq!(prefix_end("a\u{d7ff}"), "a\u{e000}");
        assert_eq!(prefix_end("a\u{10ffff}"), "b");
        assert_eq!(prefix_end(""), "");
        assert!("/registry/pods/\u{10ffff}" < prefix_end("/registry/pods/").as_str());
    }
}
