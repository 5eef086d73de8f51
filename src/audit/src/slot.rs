//! The slot of one request: opened at the front, filled by the gates, completed once.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use parking_lot::Mutex;
use portcullis_api::{ApiError, Body, RequestInfo, UserInfo, Value};

use crate::capture;
use crate::event::{Event, ObjectRef, Opening, Outcome, Story};
use crate::latency::{Latencies, Latency};
use crate::level::{Level, Stage};
use crate::mask;
use crate::note::Note;
use crate::outbox::Ticket;
use crate::policy::{self, Plan, Policy};
use crate::sink::{Discard, Lost, Receipt, Sink};
use crate::stored;

/// The annotation that tells why an event has no outcome of its own.
pub(crate) const OUTCOME: &str = "portcullis.io/outcome";
/// The outcome of what only the store's record speaks of.
const RECOVERED: &str = "recovered: it was committed, its end was not recorded";
/// The annotation that tells which object was written.
pub(crate) const WROTE: &str = "portcullis.io/object";
/// The annotation that tells whom somebody wanted to act as who was refused it.
pub(crate) const NOT_IMPERSONATED: &str = "portcullis.io/refused-impersonation";
/// The annotation that tells which body is left out, and why.
const OMITTED: &str = "portcullis.io/omitted";

/// What travels in the request's type has a slot.
pub trait HasSlot {
    /// The slot.
    fn slot(&self) -> &AuditSlot;
}

/// A handle to the event of one request; clones are handles to the same.
///
/// When the last handle goes before anybody completed the slot, the client went away in the middle:
/// an event says so, because what was being done may have been done.
#[derive(Clone)]
pub struct AuditSlot(Arc<Inner>);

struct Inner {
    sink: Arc<dyn Sink>,
    policy: Arc<Policy>,
    opening: Arc<Opening>,
    /// What the policy wants, once asked.
    plan: OnceLock<Plan>,
    /// What the store keeps until the event of this request is on record.
    ticket: OnceLock<Arc<Ticket>>,
    /// Not by the clock on the wall, which may be set meanwhile.
    begun: Instant,
    /// What held it up.
    latencies: Latencies,
    /// `None` once completed.
    story: Mutex<Option<Story>>,
}

/// What there is to wait for before the work is done.
pub(crate) enum Arrival {
    /// Nothing.
    Noted,
    /// The record, and the work is done without it as well.
    Awaited(Receipt),
    /// The record, or nothing is done.
    Required(Receipt),
}

impl Arrival {
    pub(crate) async fn wait(self) -> Result<(), Lost> {
        match self {
            Self::Noted => Ok(()),
            // The sink has counted it.
            Self::Awaited(receipt) => receipt.wait().await.or(Ok(())),
            Self::Required(receipt) => receipt.wait().await,
        }
    }
}

impl AuditSlot {
    /// Opens the slot of a request.
    pub fn begin(sink: Arc<dyn Sink>, policy: Arc<Policy>, opening: Opening) -> Self {
        Self(Arc::new(Inner {
            sink,
            policy,
            opening: Arc::new(opening),
            plan: OnceLock::new(),
            ticket: OnceLock::new(),
            begun: Instant::now(),
            latencies: Latencies::default(),
            story: Mutex::new(Some(Story::default())),
        }))
    }

    /// A slot that records nothing, for work that is no request.
    pub fn unrecorded(info: Arc<RequestInfo>) -> Self {
        let opening = Opening {
            info,
            uri: http::Uri::from_static("/"),
            audit_id: Arc::from(""),
            source: None,
            forwarded: Vec::new(),
            user_agent: None,
            received: Timestamp::now(),
        };
        Self::begin(Arc::new(Discard), Arc::default(), opening)
    }

    /// What was known at arrival.
    pub fn opening(&self) -> &Opening {
        &self.0.opening
    }

    /// The id in the `Audit-Id` header of the answer.
    pub fn audit_id(&self) -> &Arc<str> {
        &self.0.opening.audit_id
    }

    /// Notes who asks.
    pub fn user(&self, user: &UserInfo) {
        self.tell(|story| story.user = Some(user.clone()));
    }

    /// Notes whom the user was refused to act as. Nobody acts as them, so the event does not say so.
    pub fn impersonation_refused(&self, wanted: &str) {
        self.annotate(NOT_IMPERSONATED, wanted.to_owned());
    }

    /// Notes whom the user acts as.
    pub fn impersonated(&self, user: &UserInfo) {
        self.tell(|story| story.impersonated = Some(user.clone()));
    }

    /// Notes the verb of constrained impersonation that allowed it.
    pub fn impersonation_constraint(&self, verb: &str) {
        self.tell(|story| story.constraint = verb.to_owned());
    }

    /// Notes something by a key; a key noted again replaces what was noted.
    pub fn annotate(&self, key: impl Into<Cow<'static, str>>, value: impl Into<Note>) {
        let (key, value) = (key.into(), value.into());
        self.tell(|story| story.annotate(key, value));
    }

    /// Notes how many objects the answer lists.
    pub fn listed(&self, count: usize) {
        self.annotate("portcullis.io/items", count.to_string());
    }

    /// Notes which objects a delete of many removed; with their namespaces where there are several.
    pub fn deleted(&self, names: &[String]) {
        self.annotate(crate::json::DELETED, names.join(","));
    }

    /// Notes that nobody knows whether the change was made.
    pub fn outcome_unknown(&self) {
        self.annotate(OUTCOME, "unknown: the store did not say whether it was committed");
    }

    /// Notes something that quotes the request's body, masked as the body is.
    pub fn annotate_quoting(&self, key: impl Into<Cow<'static, str>>, value: Value) {
        let masked = self.0.masked(value);
        self.annotate(key, masked.to_string());
    }

    /// Notes what a write's body says of its object, as upstream's event does.
    pub fn object(&self, object: ObjectRef) {
        self.tell(|story| story.object = object);
    }

    /// Notes which object a write made or changed: the body cannot know its uid, version and generated name.
    pub fn wrote(&self, object: &ObjectRef) {
        let ObjectRef { name, uid, resource_version } = object;
        self.annotate(WROTE, format!("name={name} uid={uid} resourceVersion={resource_version}"));
    }

    /// Adds to the time that a request was held up by something.
    pub fn took(&self, what: Latency, time: Duration) {
        self.0.latencies.add(what, time);
    }

    /// Notes the `Status` of success that the client is told.
    pub fn succeeded(&self, status: &Value) {
        self.tell(|story| story.status = Some(status.clone()));
    }

    /// Whether the request's body is to be recorded: ask before making a tree of it.
    pub fn wants_request(&self) -> bool {
        self.0.plan().level >= Level::Request
    }

    /// Whether the response's body is to be recorded.
    pub fn wants_response(&self) -> bool {
        self.0.plan().level >= Level::RequestResponse
    }

    /// Records the request's body, if it is wanted.
    pub fn request_body(&self, body: impl FnOnce() -> Value) {
        if self.wants_request() {
            let body = body();
            let masks = !mask::wishes(&body).is_empty();
            let body = self.0.masked(body);
            self.tell(|story| {
                story.request = Some(body);
                story.masks |= masks;
            });
        }
    }

    /// Records the request's body from its JSON, if it is wanted.
    pub fn request_json(&self, json: &[u8]) {
        if !self.wants_request() {
            return;
        }
        match serde_json::from_slice(json) {
            Ok(body) => self.request_body(|| body),
            Err(_) => self.annotate(OMITTED, "requestObject: no JSON"),
        }
    }

    /// Records the response's body, if it is wanted.
    pub fn response_body(&self, body: impl FnOnce() -> Value) {
        if self.wants_response() {
            let body = self.0.masked(body());
            self.tell(|story| story.response = Some(body));
        }
    }

    /// Masks what the annotation of the object in question wants masked, in a request's body that does
    /// not carry that annotation itself: a patch.
    pub fn object_in_question(&self, object: impl FnOnce() -> Value) {
        if self.wants_request() && !mask::wishes(&object()).is_empty() {
            self.tell(|story| {
                story.request = None;
                story.masks = true;
                story.annotate(OMITTED.into(), format!("requestObject: {}", mask::ANNOTATION).into());
            });
        }
    }

    /// The record of a mutation for the store's own commit, as it will read if nothing is heard of the
    /// request any more. `None` where nothing of it is to be recorded, or nobody reads outboxes.
    pub fn outbox(&self, object: &ObjectRef, code: StatusCode) -> Option<Bytes> {
        if self.0.plan().level == Level::None {
            return None;
        }
        if self.0.ticket.get().is_none() {
            let ticket = Arc::new(self.0.sink.ticket()?);
            // One request makes its commits one after the other.
            self.0.ticket.set(ticket).ok();
        }
        self.record(object, code).map(Bytes::from)
    }

    /// The record, without bodies; `None` when the slot is complete.
    pub(crate) fn record(&self, object: &ObjectRef, code: StatusCode) -> Option<Vec<u8>> {
        let level = self.0.plan().level.min(Level::Metadata);
        let story = self.0.story.lock();
        Some(stored::encode(&self.0.opening, story.as_ref()?, object, level, code, (OUTCOME, RECOVERED)))
    }

    /// Records that the request came in, if the policy wants to know before the work is done.
    pub(crate) fn received(&self) -> Result<Arrival, Lost> {
        let plan = self.0.plan();
        if plan.level == Level::None || plan.omit.has(Stage::RequestReceived) {
            return Ok(Arrival::Noted);
        }
        let user = self.0.story.lock().as_ref().and_then(|story| story.user.clone());
        let story = Story { user, ..Story::default() };
        let event = Event {
            at: self.0.opening.received,
            ..self.0.event(Stage::RequestReceived, plan.level, story, None)
        };
        if plan.required {
            return self.0.sink.record_surely(event).map(Arrival::Required);
        }
        // A loss is counted by the sink; only a required event is worth a refusal.
        if plan.waits {
            return Ok(self.0.sink.record_surely(event).map_or(Arrival::Noted, Arrival::Awaited));
        }
        self.0.sink.record(event).ok();
        Ok(Arrival::Noted)
    }

    /// Records that a stream's head was sent.
    pub fn started(&self, code: StatusCode) {
        let Some(story) = self.0.story.lock().clone() else { return };
        let plan = self.0.plan();
        if plan.level == Level::None || plan.omit.has(Stage::ResponseStarted) {
            return;
        }
        // A loss is counted by the sink; the stream goes on, since its end is recorded too.
        self.0.emit(Stage::ResponseStarted, plan.level, story, Some(Outcome::answered(code)));
    }

    /// Records the end; whoever comes first is heard.
    pub fn complete(&self, code: StatusCode) {
        self.0.finish(Stage::ResponseComplete, |story, _| Outcome { code, status: story.status.take() });
    }

    /// Records the end by an answer, with its body where that is wanted.
    pub async fn answered(&self, response: Response<Body>) -> Response<Body> {
        if !self.wants_response() || self.0.story.lock().as_ref().is_none_or(|s| s.response.is_some()) {
            self.complete(response.status());
            return response;
        }
        let (response, captured) = capture::capture(response).await;
        match captured {
            Ok(body) => self.response_body(|| body),
            Err(why) => self.annotate(OMITTED, format!("responseObject: {why}")),
        }
        self.complete(response.status());
        response
    }

    /// Records the end by a refusal, which is an answer with a body too.
    pub fn refused(&self, error: &ApiError) {
        self.0.finish(Stage::ResponseComplete, |story, level| {
            let outcome = Outcome::refused(error, story, level);
            if level >= Level::RequestResponse {
                story.response = outcome.status.clone().map(|status| self.0.masked(status));
            }
            outcome
        });
    }

    /// Records the end by a bug.
    pub fn panicked(&self) {
        self.0.finish(Stage::Panic, |_, _| bug());
    }

    fn tell(&self, tell: impl FnOnce(&mut Story)) {
        if let Some(story) = self.0.story.lock().as_mut() {
            tell(story);
        }
    }
}

impl Inner {
    /// Decided once, by who asks at that time: nothing the gates learn later changes what is recorded.
    fn plan(&self) -> Plan {
        *self.plan.get_or_init(|| {
            let story = self.story.lock();
            self.policy.plan(&self.opening.info, story.as_ref().and_then(|story| story.user.as_ref()))
        })
    }

    fn masked(&self, mut body: Value) -> Arc<Value> {
        mask::mask(&mut body, self.plan().omit_managed_fields);
        Arc::new(body)
    }

    fn finish(&self, stage: Stage, outcome: impl FnOnce(&mut Story, Level) -> Outcome) {
        let plan = self.plan();
        let Some(mut story) = self.story.lock().take() else { return };
        let outcome = outcome(&mut story, plan.level);
        if stage == Stage::ResponseComplete && !self.opening.info.is_long_running() {
            self.latencies.annotate(self.begun.elapsed(), &mut story);
        }
        self.conclude(stage, story, Some(outcome));
    }

    fn conclude(&self, stage: Stage, story: Story, outcome: Option<Outcome>) {
        let plan = self.plan();
        let code = outcome.as_ref().map(|outcome| outcome.code);
        let impersonates = story.impersonated.is_some() || story.annotation(NOT_IMPERSONATED).is_some();
        let level =
            policy::final_level(plan.level, &self.opening.info, story.user.as_ref(), impersonates, code);
        if level == Level::None || (plan.level != Level::None && plan.omit.has(stage)) {
            // Nothing else will speak for what the store keeps: the policy wants no event of it.
            if let Some(ticket) = self.ticket.get() {
                ticket.settle();
            }
            return;
        }
        self.emit(stage, level, story, outcome);
    }

    fn emit(&self, stage: Stage, level: Level, story: Story, outcome: Option<Outcome>) {
        // A loss is counted by the sink; the deed is done and cannot be taken back.
        self.sink.record(self.event(stage, level, story, outcome)).ok();
    }

    fn event(&self, stage: Stage, level: Level, story: Story, outcome: Option<Outcome>) -> Event {
        let last = matches!(stage, Stage::ResponseComplete | Stage::Panic);
        let ticket = if last { self.ticket.get().cloned() } else { None };
        Event { opening: self.opening.clone(), story, level, stage, at: Timestamp::now(), outcome, ticket }
    }
}

fn bug() -> Outcome {
    Outcome { status: Some(ApiError::internal("").to_status()), code: StatusCode::INTERNAL_SERVER_ERROR }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let plan = self.plan();
        let Some(mut story) = self.story.get_mut().take() else { return };
        let (stage, outcome, note) = if std::thread::panicking() {
            (Stage::Panic, Some(bug()), "unknown: the server has a bug")
        } else {
            (Stage::ResponseComplete, None, "unknown: the client disconnected")
        };
        if plan.level == Level::None && self.ticket.get().is_none() {
            return;
        }
        story.annotate(OUTCOME.into(), note.into());
        self.conclude(stage, story, outcome);
    }
}

impl fmt::Debug for AuditSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditSlot").field("audit_id", &self.0.opening.audit_id).finish_non_exhaustive()
    }
}
