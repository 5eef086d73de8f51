//! The slot of one request: opened at the front, filled by the gates, completed once.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use parking_lot::Mutex;
use portcullis_api::{ApiError, Reason, RequestInfo, UserInfo};

use crate::event::{Event, ObjectRef, Opening, Outcome, Stage, Story};
use crate::policy::Policy;
use crate::sink::{Discard, Lost, Sink};

/// The annotation that tells why an event has no outcome of its own.
const OUTCOME: &str = "portcullis.io/outcome";

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
    policy: Policy,
    opening: Arc<Opening>,
    /// `None` once completed.
    story: Mutex<Option<Story>>,
}

impl AuditSlot {
    /// Opens the slot of a request.
    pub fn begin(sink: Arc<dyn Sink>, policy: Policy, opening: Opening) -> Self {
        let story = Mutex::new(Some(Story::default()));
        Self(Arc::new(Inner { sink, policy, opening: Arc::new(opening), story }))
    }

    /// A slot that records nothing, for work that is no request.
    pub fn unrecorded(info: Arc<RequestInfo>) -> Self {
        let opening = Opening {
            info,
            uri: http::Uri::from_static("/"),
            audit_id: Arc::from(""),
            source: None,
            user_agent: None,
            received: Timestamp::now(),
        };
        Self::begin(Arc::new(Discard), Policy::default(), opening)
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

    /// Notes whom the user acts as.
    pub fn impersonated(&self, user: &UserInfo) {
        self.tell(|story| story.impersonated = Some(user.clone()));
    }

    /// Notes something by a fixed key; a key noted again replaces what was noted.
    pub fn annotate(&self, key: &'static str, value: impl Into<String>) {
        let value = value.into();
        self.tell(|story| match story.annotations.iter_mut().find(|(k, _)| *k == key) {
            Some((_, noted)) => *noted = value,
            None => story.annotations.push((key, value)),
        });
    }

    /// Notes the object that a write made or changed.
    pub fn object(&self, object: ObjectRef) {
        self.tell(|story| story.object = object);
    }

    /// Records that the request came in, if the policy wants to know before the work is done.
    pub fn received(&self) -> Result<(), Lost> {
        if !self.0.policy.wants_intent(&self.0.opening.info) {
            return Ok(());
        }
        let user = self.0.story.lock().as_ref().and_then(|story| story.user.clone());
        self.0.emit(Stage::RequestReceived, Story { user, ..Story::default() }, None)
    }

    /// Records that a stream's head was sent.
    pub fn started(&self, code: StatusCode) {
        let Some(story) = self.0.story.lock().clone() else { return };
        let outcome = Outcome { code, reason: None };
        // A loss is counted by the sink; the stream goes on, since its end is recorded too.
        self.0.emit(Stage::ResponseStarted, story, Some(outcome)).ok();
    }

    /// Records the end; whoever comes first is heard.
    pub fn complete(&self, code: StatusCode) {
        self.0.finish(Stage::ResponseComplete, code, None);
    }

    /// Records the end by a refusal.
    pub fn refused(&self, error: &ApiError) {
        self.0.finish(Stage::ResponseComplete, error.code(), Some(error.reason()));
    }

    /// Records the end by a bug.
    pub fn panicked(&self) {
        self.0.finish(Stage::Panic, StatusCode::INTERNAL_SERVER_ERROR, Some(Reason::InternalError));
    }

    fn tell(&self, tell: impl FnOnce(&mut Story)) {
        if let Some(story) = self.0.story.lock().as_mut() {
            tell(story);
        }
    }
}

impl Inner {
    fn finish(&self, stage: Stage, code: StatusCode, reason: Option<Reason>) {
        let Some(story) = self.story.lock().take() else { return };
        if self.policy.wants_outcome(&self.opening.info, code) {
            // A loss is counted by the sink; the deed is done and cannot be taken back.
            self.emit(stage, story, Some(Outcome { code, reason })).ok();
        }
    }

    fn emit(&self, stage: Stage, story: Story, outcome: Option<Outcome>) -> Result<(), Lost> {
        let opening = self.opening.clone();
        self.sink.record(Event { opening, story, stage, at: Timestamp::now(), outcome })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(mut story) = self.story.get_mut().take() else { return };
        let (stage, outcome, note) = if std::thread::panicking() {
            let outcome =
                Outcome { code: StatusCode::INTERNAL_SERVER_ERROR, reason: Some(Reason::InternalError) };
            (Stage::Panic, Some(outcome), "unknown: the server has a bug")
        } else {
            (Stage::ResponseComplete, None, "unknown: the client disconnected")
        };
        story.annotations.push((OUTCOME, note.to_owned()));
        self.emit(stage, story, outcome).ok();
    }
}

impl fmt::Debug for AuditSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditSlot").field("audit_id", &self.0.opening.audit_id).finish_non_exhaustive()
    }
}
