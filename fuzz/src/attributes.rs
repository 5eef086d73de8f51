//! The request line: what is accepted has one reading.

use http::{Method, Uri};
use portcullis_api::attributes::parse;

/// A method, a space, and the request target.
pub fn attributes(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == b' ');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else { return };
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method), Uri::try_from(target)) else { return };
    let Ok(info) = parse(&method, &uri) else { return };
    assert!(info.path.starts_with('/'), "a path begins at the root");
    let hides = |c: char| c.is_control() || matches!(c, '\\' | '%');
    assert!(!info.path.contains(hides), "nothing in a path hides anything");
    let inner = info.path.trim_matches('/');
    let dots = |segment: &str| matches!(segment, "" | "." | "..");
    assert!(inner.is_empty() || !inner.split('/').any(dots), "no segment is empty or dots");
    if let Some(target) = info.resource() {
        let parts = [&target.group, &target.version, &target.namespace, &target.resource, &target.name];
        assert!(parts.iter().all(|part| !part.contains('/')), "a name is one segment");
        assert!(!target.resource.is_empty(), "a resource has a name");
    }
}
