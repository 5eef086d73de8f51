//! The gate that settles whose turn it is: `Effective` in, `Seated` out.
//!
//! ```text
//! schema   which requests belong together, by the effective user and the attributes alone
//! level    so many of them at once; the rest waits in fair queues, bounded, or is refused with 429
//! ```
//!
//! Masters and health checks are exempt. A stream holds no seat: it would keep it for hours.

mod level;
mod schema;
mod stamp;

use std::fmt::Write as _;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Response;
use parking_lot::RwLock;
use portcullis_api::{ApiError, Body, Object, RequestInfo, UserInfo, Verb};
use portcullis_audit::{HasSlot, Latency};
use tower::{Layer, Service};

use self::level::{Level, Seat};
use self::schema::Table;
use self::stamp::Stamp;
use crate::attributes::Attributes;
use crate::chain::MASTERS;
use crate::evidence::{Effective, Seated};

/// Upstream's default of requests in flight.
pub const DEFAULT_SEATS: usize = 600;

/// Seconds after which a refused client may try again.
const RETRY_AFTER: u32 = 1;

/// The schemas and levels in force.
pub struct Fairness {
    table: RwLock<Arc<Table>>,
    seats: usize,
}

impl Fairness {
    /// Reads FlowSchemas and PriorityLevelConfigurations; `seats` requests are served at once.
    pub fn new<'a>(objects: impl Iterator<Item = &'a Object> + Clone, seats: usize) -> Self {
        Self { table: RwLock::new(Arc::new(Table::new(objects, seats))), seats }
    }

    /// Takes other schemas and levels from now on. Who is seated or waits does so under the old ones.
    pub fn reload<'a>(&self, objects: impl Iterator<Item = &'a Object> + Clone) {
        *self.table.write() = Arc::new(Table::new(objects, self.seats));
    }

    /// The seats of all levels, in Prometheus' text form. Levels come and go with their objects, so these are
    /// no gauges of the recorder, which forgets none.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        for (metric, help) in SEATS {
            let _ = writeln!(text, "# HELP {metric} {help}\n# TYPE {metric} gauge");
            for (level, seats) in self.table.read().seats() {
                let _ = writeln!(text, "{metric}{{priority_level=\"{level}\"}} {seats}");
            }
        }
        text
    }

    fn place(&self, user: &UserInfo, info: &RequestInfo) -> (Place, Option<Stamp>) {
        if info.is_long_running() && info.verb != Verb::Watch {
            return (Place::Free, None);
        }
        let attributes = Attributes::from(info);
        let table = self.table.read();
        let Some(schema) = table.classify(user, &attributes) else { return (Place::Free, None) };
        let level = schema.level.as_ref().filter(|_| !info.is_long_running() && !user.in_group(MASTERS));
        let place = level.map_or(Place::Free, |level| match level.try_sit() {
            Some(seat) => Place::Seat(seat),
            None => Place::Queue(Arc::clone(level), table.flow(schema, user, &attributes)),
        });
        (place, schema.stamp.clone())
    }
}

/// What a level has and may have; they are the same, since levels lend each other no seats.
const SEATS: [(&str, &str); 2] = [
    ("apiserver_flowcontrol_nominal_limit_seats", "Seats that each priority level has by its shares."),
    ("apiserver_flowcontrol_current_limit_seats", "Seats that each priority level may fill now."),
];

/// Where a request goes.
enum Place {
    /// It needs no seat.
    Free,
    /// It has one.
    Seat(Seat),
    /// It has to wait in a flow of a level.
    Queue(Arc<Level>, u64),
}

impl Place {
    /// A seat, if one is needed.
    async fn seat(self) -> Result<Option<Seat>, ApiError> {
        match self {
            Self::Free => Ok(None),
            Self::Seat(seat) => Ok(Some(seat)),
            Self::Queue(level, flow) => match level.sit(flow).await {
                Some(seat) => Ok(Some(seat)),
                None => {
                    let words = "Too many requests, please try again later.";
                    Err(ApiError::too_many_requests(words, RETRY_AFTER))
                }
            },
        }
    }
}

/// Makes [`Queue`] services.
#[derive(Clone)]
pub struct FairnessLayer(Arc<Fairness>);

impl FairnessLayer {
    /// Seats by these rules.
    pub fn new(fairness: Arc<Fairness>) -> Self {
        Self(fairness)
    }
}

impl<S> Layer<S> for FairnessLayer {
    type Service = Queue<S>;

    fn layer(&self, inner: S) -> Queue<S> {
        Queue { inner, fairness: Arc::clone(&self.0) }
    }
}

/// The gate.
#[derive(Clone)]
pub struct Queue<S> {
    inner: S,
    fairness: Arc<Fairness>,
}

impl<S> Service<Effective> for Queue<S>
where
    S: Service<Seated, Response = Response<Body>, Error = ApiError> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Effective) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        let (place, stamp) = self.fairness.place(request.user(), request.info());
        Box::pin(async move {
            let (begun, waits) = (Instant::now(), matches!(place, Place::Queue(..)));
            let seat = place.seat().await;
            if waits {
                request.slot().took(Latency::QueueWait, begun.elapsed());
            }
            let answer = match seat {
                Ok(_seat) => ready.call(Seated::assertion(request)).await,
                Err(refused) => Err(refused),
            };
            let Some(stamp) = stamp else { return answer };
            match answer {
                Ok(mut response) => {
                    stamp.put_on(response.headers_mut());
                    Ok(response)
                }
                Err(error) => Err(stamp.put_beside(error)),
            }
        })
    }
}

#[cfg(test)]
mod tests;
