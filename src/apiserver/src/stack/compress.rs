//! Large answers are compressed for clients that ask for it, by upstream's rule: beyond 128 KiB.
//!
//! Secrets are not: text that an attacker has put beside a secret would tell by its length.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use portcullis_api::{ApiError, Body, BodyError};
use tower::{Layer, Service};

use crate::arrival::Arrival;

/// A smaller answer is not worth it.
const THRESHOLD: u64 = 128 * 1024;

/// Makes [`Compress`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompressLayer;

impl<S> Layer<S> for CompressLayer {
    type Service = Compress<S>;

    fn layer(&self, inner: S) -> Compress<S> {
        Compress { inner }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub(crate) struct Compress<S> {
    inner: S,
}

impl<S> Service<Arrival> for Compress<S>
where
    S: Service<Arrival, Response = Response<Body>, Error = ApiError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, arrival: Arrival) -> Self::Future {
        let wanted = *arrival.request.method() == Method::GET
            && accepts_gzip(arrival.request.headers())
            && !arrival.is_long_running()
            && arrival.info.resource().is_some_and(|target| &*target.resource != "secrets");
        let answer = self.inner.call(arrival);
        if !wanted {
            return Box::pin(answer);
        }
        Box::pin(async move {
            answer.await.map(|response| if is_large(&response) { compressed(response) } else { response })
        })
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| coding.trim() == "gzip")
}

fn is_large(response: &Response<Body>) -> bool {
    response.body().size_hint().lower() > THRESHOLD && !response.headers().contains_key(CONTENT_ENCODING)
}

fn compressed(response: Response<Body>) -> Response<Body> {
    let mut response = response.map(|body| Gzip { body, encoder: Some(encoder()) }.boxed_unsync());
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// Level 1 costs the least and is hardly worse.
fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::fast())
}

/// Compresses frame by frame, so that a list is never in memory as a whole.
struct Gzip {
    body: Body,
    /// `None` once finished.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Gzip {
    fn push(&mut self, data: &Bytes) -> std::io::Result<Bytes> {
        let Some(encoder) = self.encoder.as_mut() else { return Ok(Bytes::new()) };
        encoder.write_all(data)?;
        Ok(std::mem::take(encoder.get_mut()).into())
    }

    fn finish(&mut self) -> std::io::Result<Bytes> {
        self.encoder.take().map_or_else(|| Ok(Bytes::new()), |encoder| Ok(encoder.finish()?.into()))
    }
}

impl HttpBody for Gzip {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.encoder.is_none() {
                return Poll::Ready(None);
            }
            let packed = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(cause))) => return Poll::Ready(Some(Err(cause))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.push(&data),
                    Err(_) => continue,
                },
                Poll::Ready(None) => self.finish(),
            };
            match packed {
                Ok(bytes) if bytes.is_empty() => {}
                packed => return Poll::Ready(Some(packed.map(Frame::data).map_err(Into::into))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use portcullis_api::body::{collect, full};

    use super::*;

    #[tokio::test]
    async fn compressed_bodies_unpack_to_what_they_were() {
        let text = "portcullis ".repeat(50_000);
        let response = Response::new(full(text.clone()));
        assert!(is_large(&response));
        let response = compressed(response);
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        let packed = collect(response.into_body(), 1 << 20).await.unwrap();
        assert!(packed.len() < text.len() / 20);
        let mut unpacked = String::new();
        GzDecoder::new(&*packed).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
    }

    #[test]
    fn small_answers_are_left_alone() {
        assert!(!is_large(&Response::new(full(vec![b'x'; 128 * 1024]))));
    }
}
