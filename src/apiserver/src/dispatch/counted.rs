//! What a request and its answer hold in memory, counted against the budgets of whoever asks.
//!
//! A frame is counted from the moment it is made until the connection has written it, so a client that
//! reads slowly uses up its own share and nobody else's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use metrics::gauge;
use parking_lot::Mutex;
use portcullis_api::body::Refused;
use portcullis_api::{ApiError, Body, BodyError, Verb};
use portcullis_authz::budget::{Account, Charge};
use portcullis_authz::{Authorized, Budget, Budgets};

/// A body that is known to be no larger is not worth counting: the ceiling on requests bounds those.
const SMALL: u64 = 16 * 1024;
/// Larger frames are handed out in pieces, so that what HTTP/2 holds of one stream is little.
const PIECE: usize = 64 * 1024;
/// What an open watch takes, its stream, its place in the cache and its buffers included.
const WATCH: u64 = 12 * 1024;

/// The accounts of one request.
pub(super) struct Counted {
    bodies: Option<Arc<Mutex<Charge>>>,
    answers: Account,
    /// What a watch is counted with from its beginning.
    watch: Option<Charge>,
}

impl Counted {
    /// Opens the accounts of whoever asks.
    ///
    /// # Errors
    /// 429 that names what is used up.
    pub(super) fn of(budgets: &Budgets, request: &Authorized) -> Result<Self, ApiError> {
        let info = request.info();
        budgets.admit(info.verb)?;
        let streams = info.is_long_running();
        let answers = if streams { &budgets.watches } else { &budgets.lists }.account(request.user());
        let watch = if info.verb == Verb::Watch { Some(answers.charge(WATCH)?) } else { None };
        // A stream's body passes through and is not gathered.
        let gathered = !streams && request.body().size_hint().upper().is_none_or(|size| size > SMALL);
        let bodies = match gathered {
            true => Some(Arc::new(Mutex::new(budgets.bodies.account(request.user()).charge(0)?))),
            false => None,
        };
        Ok(Self { bodies, answers, watch })
    }

    /// The request with its body counted.
    pub(super) fn request(&self, request: Authorized) -> Authorized {
        match &self.bodies {
            Some(charge) => request.map_body(|body| Gathered { body, charge: charge.clone() }.boxed_unsync()),
            None => request,
        }
    }

    /// The answer with its body counted.
    ///
    /// # Errors
    /// 429 if the whole answer is ready and there is no room for it.
    pub(super) fn answer(self, response: Response<Body>) -> Result<Response<Body>, ApiError> {
        let size = response.body().size_hint().exact();
        if size.is_some_and(|size| size <= SMALL) {
            return Ok(response);
        }
        let ready = match size {
            Some(size) => Some(self.answers.charge(size)?),
            None => None,
        };
        let Self { answers, watch, .. } = self;
        let sent = |body| Sent { body, answers, ready, rest: Bytes::new(), _watch: watch };
        Ok(response.map(|body| sent(body).boxed_unsync()))
    }
}

/// Tells the metrics how much is held.
pub(super) fn measure(budgets: &Budgets) {
    let number = |bytes: u64| u32::try_from(bytes >> 10).map_or(f64::from(u32::MAX), f64::from) * 1024.0;
    let all: [&Budget; 3] = [&budgets.bodies, &budgets.lists, &budgets.watches];
    for budget in all {
        gauge!("portcullis_memory_held_bytes", "budget" => budget.name()).set(number(budget.held()));
    }
    gauge!("portcullis_memory_ceiling_bytes").set(number(budgets.ceiling()));
}

/// A request's body on its way into memory.
struct Gathered {
    body: Body,
    charge: Arc<Mutex<Charge>>,
}

impl HttpBody for Gathered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let size = frame.data_ref().map_or(0, Bytes::len);
            if let Err(over) = self.charge.lock().grow(u64::try_from(size).unwrap_or(u64::MAX)) {
                return Poll::Ready(Some(Err(Box::new(Refused(over.into())))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body on its way out.
struct Sent {
    body: Body,
    answers: Account,
    /// The charge of an answer that is one frame.
    ready: Option<Charge>,
    /// What is left of a frame that is handed out in pieces.
    rest: Bytes,
    _watch: Option<Charge>,
}

impl Sent {
    fn counted(&mut self, data: Bytes) -> Result<Bytes, BodyError> {
        let charge = match self.ready.take() {
            Some(charge) => charge,
            None => self.answers.charge(u64::try_from(data.len()).unwrap_or(u64::MAX))?,
        };
        Ok(Bytes::from_owner(Frozen { data, _charge: charge }))
    }

    fn piece(&mut self) -> Frame<Bytes> {
        Frame::data(self.rest.split_to(self.rest.len().min(PIECE)))
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
        match frame.into_data() {
            Ok(data) => {
                self.rest = self.counted(data)?;
                Poll::Ready(Some(Ok(self.piece())))
            }
            Err(other) => Poll::Ready(Some(Ok(other))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, of_body) = (u64::try_from(self.rest.len()).unwrap_or(u64::MAX), self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower().saturating_add(rest));
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// Bytes that are counted as long as somebody holds them.
struct Frozen {
    data: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
