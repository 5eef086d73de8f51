//! The pull policy an image reference implies.
//!
//! A reference that names the tag `latest`, or neither tag nor digest, is pulled always; every other
//! one, malformed references included, only if it is not present.

/// `Always` or `IfNotPresent`.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

/// The tag of a well-formed reference, `latest` if it has neither tag nor digest.
fn tag(image: &str) -> Option<&str> {
    if image.len() == 64 && image.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return None;
    }
    let (domain, remainder) = split_domain(image);
    let (rest, digest) = match remainder.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (remainder, None),
    };
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    let name_length = domain.map_or("docker.io/library".len(), str::len) + 1 + path.len();
    let well_formed = domain.is_none_or(is_domain)
        && path.split('/').all(is_path_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
        && name_length <= 255;
    match (well_formed, tag, digest) {
        (false, ..) => None,
        (true, Some(tag), _) => Some(tag),
        (true, None, Some(_)) => Some(""),
        (true, None, None) => Some("latest"),
    }
}

/// The registry is what stands before the first slash if it looks like a host.
fn split_domain(image: &str) -> (Option<&str>, &str) {
    match image.split_once('/') {
        Some((head, rest))
            if head.contains(['.', ':']) || head == "localhost" || head.chars().any(char::is_uppercase) =>
        {
            (Some(head), rest)
        }
        _ => (None, image),
    }
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = if domain.starts_with('[') {
        match domain.split_once(']') {
            Some((v6, port)) => {
                return is_bracketed(v6) && port.strip_prefix(':').map_or(port.is_empty(), is_number);
            }
            None => return false,
        }
    } else {
        match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        }
    };
    port.is_none_or(is_number) && host.split('.').all(is_host_label)
}

fn is_bracketed(text: &str) -> bool {
    text.strip_prefix('[')
        .is_some_and(|v6| !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Lower-case words joined by one dot, one or two underscores, or dashes.
fn is_path_component(component: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let edges = component.bytes().next().is_some_and(word) && component.bytes().last().is_some_and(word);
    let mut separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    edges
        && separators.all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_is_pulled_always() {
        let digest = format!("x@sha256:{}", "a".repeat(64));
        for (image, policy) in [
            ("i", "Always"),
            ("repo/x:latest", "Always"),
            ("registry:5000/a/b", "Always"),
            ("nginx:1.2", "IfNotPresent"),
            ("registry:5000/a/b:v1", "IfNotPresent"),
            (digest.as_str(), "IfNotPresent"),
            ("x@sha256:abc", "IfNotPresent"),
            ("UPPER", "IfNotPresent"),
            ("", "IfNotPresent"),
            (" x ", "IfNotPresent"),
            ("a__b/c--d.e", "Always"),
            ("a___b", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }
}
