//! What HTTP/1.1 lets pass but two readers may read in two ways.
//!
//! hyper refuses most of it: obsolete folding, spaces before colons, bare line ends, differing lengths.
//! A body length given twice (`Content-Length` beside chunks) it decides for the chunks and hides the
//! length, so a connection that sent chunks is not used again: what follows is never a request.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Version};
use portcullis_api::{ApiError, Reason};

/// Why a request is refused before it is looked at, if it is.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<ApiError> {
    let headers = request.headers();
    if request.version() < Version::HTTP_2 && has_two_readings(request.version(), headers) {
        return Some(ApiError::bad_request("the request can be read in more than one way"));
    }
    let encoded = headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity");
    encoded.then(|| {
        ApiError::new(Reason::UnsupportedMediaType, "the body of the request may not have a content encoding")
    })
}

/// Whether the connection must not carry another request.
pub(super) fn ends_connection<B>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_2 && request.headers().contains_key(TRANSFER_ENCODING)
}

fn has_two_readings(version: Version, headers: &HeaderMap) -> bool {
    let hosts = headers.get_all(HOST).iter().count();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        _ => return true,
    };
    hosts > 1
        || (hosts == 0 && version == Version::HTTP_11)
        || (chunked && headers.contains_key(CONTENT_LENGTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&'static str, &'static str)]) -> bool {
        let mut request = Request::new(());
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        refusal(&request).is_some()
    }

    #[test]
    fn f001_lengths_and_hosts_have_one_reading() {
        assert!(!refused(&[("host", "a")]));
        assert!(!refused(&[("host", "a"), ("transfer-encoding", "chunked")]));
        assert!(refused(&[]));
        assert!(refused(&[("host", "a"), ("host", "b")]));
        assert!(refused(&[("host", "a"), ("transfer-encoding", "identity, chunked")]));
        assert!(refused(&[
            ("host", "a"),
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked")
        ]));
        assert!(refused(&[("host", "a"), ("transfer-encoding", "xchunked")]));
        assert!(refused(&[("host", "a"), ("transfer-encoding", "chunked"), ("content-length", "5")]));
    }

    #[test]
    fn f010_compressed_bodies_are_refused() {
        assert!(refused(&[("host", "a"), ("content-encoding", "gzip")]));
        assert!(!refused(&[("host", "a"), ("content-encoding", "identity")]));
    }
}
