//! A request as it enters: what came over the wire and over which connection.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, Request};
use jiff::Timestamp;
use portcullis_api::attributes::{self, Target};
use portcullis_api::{ApiError, Body, RequestInfo, Verb};
use portcullis_pki::Peer;

/// The facts of a connection that its requests share.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Who is on the other end.
    pub peer: Peer,
    /// From which address; none in process.
    pub source: Option<IpAddr>,
}

/// A request with its connection. It proves nothing.
#[derive(Debug)]
pub(crate) struct Raw {
    /// The request; its upgrade handle, if any, is among the extensions until the gate `Attributes`.
    pub request: Request<Body>,
    /// The connection it came over.
    pub connection: Connection,
}

/// A request that has an id and has been parsed, whether or not the parse was to its favour.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) request: Request<Body>,
    pub(crate) connection: Connection,
    pub(crate) audit_id: Arc<str>,
    pub(crate) received: Timestamp,
    /// What is asked; for a refused request line what can be said of it.
    pub(crate) info: Arc<RequestInfo>,
    /// Why the request line is refused.
    pub(crate) refusal: Option<ApiError>,
}

impl Arrival {
    /// Parses the request line. A refusal travels along and is spoken by the gate `Attributes`, so
    /// that it is measured and recorded as any other.
    pub(crate) fn new(raw: Raw) -> Self {
        let Raw { request, connection } = raw;
        let (info, refusal) = match attributes::parse(request.method(), request.uri()) {
            Ok(info) => (info, None),
            Err(error) => (unparsed(&request), Some(error)),
        };
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        let audit_id = id.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).into();
        Self { request, connection, audit_id, received: Timestamp::now(), info: Arc::new(info), refusal }
    }

    /// Whether the request is a stream without a deadline.
    pub(crate) fn is_long_running(&self) -> bool {
        self.info.is_long_running()
    }
}

/// What audit and metrics say of a request line that is refused.
fn unparsed(request: &Request<Body>) -> RequestInfo {
    let verb = match *request.method() {
        Method::POST => Verb::Post,
        Method::PUT => Verb::Put,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        Method::HEAD => Verb::Head,
        Method::OPTIONS => Verb::Options,
        _ => Verb::Get,
    };
    RequestInfo { verb, path: Arc::from("/"), target: Target::NonResource }
}
