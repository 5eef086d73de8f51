//! What plugins say beside their decision.

use std::borrow::Cow;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_audit::Latency;

/// The most notes one request may collect; more would only be noise.
const MAX_NOTES: usize = 64;
/// The most bytes of warnings a client is sent.
const MAX_WARNED: usize = 4096;
/// What is left of a warning where there are too many, in characters.
const MAX_CUT: usize = 256;

/// Warnings for the client and annotations for the audit event, collected while a write is judged.
///
/// The caller owns it and lends it to [`Attributes`](crate::Attributes); an attempt that is repeated
/// leaves each warning once.
#[derive(Default, Debug)]
pub struct Notes(Mutex<Inner>);

#[derive(Default, Debug)]
struct Inner {
    warnings: Vec<String>,
    annotations: Vec<Annotation>,
    latencies: Vec<(Latency, Duration)>,
}

/// An annotation of the audit event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Annotation {
    /// Its key.
    pub key: Cow<'static, str>,
    /// Its value.
    pub value: String,
    /// Whether it shows something of the request's body, and is to be left out where bodies are.
    pub quotes: bool,
}

impl Notes {
    /// Warns the client. Where there is much to warn of, long texts are cut, and then left out.
    pub fn warn(&self, mut text: String) {
        let mut inner = self.0.lock();
        if inner.warnings.contains(&text) {
            return;
        }
        let said: usize = inner.warnings.iter().map(String::len).sum();
        if said.saturating_add(text.len()) > MAX_WARNED {
            text = text.chars().take(MAX_CUT).collect();
        }
        let fits = said.saturating_add(text.len()) <= MAX_WARNED && inner.warnings.len() < MAX_NOTES;
        if fits && !inner.warnings.contains(&text) {
            inner.warnings.push(text);
        }
    }

    /// Sets an annotation of the audit event.
    pub fn annotate(&self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.set(Annotation { key: key.into(), value: value.into(), quotes: false });
    }

    /// Sets an annotation that shows something of the request's body.
    pub fn quote(&self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.set(Annotation { key: key.into(), value: value.into(), quotes: true });
    }

    fn set(&self, annotation: Annotation) {
        let mut inner = self.0.lock();
        inner.annotations.retain(|known| known.key != annotation.key);
        if inner.annotations.len() < MAX_NOTES {
            inner.annotations.push(annotation);
        }
    }

    /// Notes how long something took that held the request up.
    pub fn took(&self, what: Latency, time: Duration) {
        let mut inner = self.0.lock();
        match inner.latencies.iter_mut().find(|(known, _)| *known == what) {
            Some((_, total)) => *total = total.saturating_add(time),
            None => inner.latencies.push((what, time)),
        }
    }

    /// Hands out how long what took so far.
    pub fn take_latencies(&self) -> Vec<(Latency, Duration)> {
        std::mem::take(&mut self.0.lock().latencies)
    }

    /// Hands out the warnings collected so far.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().warnings)
    }

    /// Hands out the audit annotations collected so far.
    pub fn take_annotations(&self) -> Vec<Annotation> {
        std::mem::take(&mut self.0.lock().annotations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_attempt_warns_once() {
        let notes = Notes::default();
        for _ in 0..3 {
            notes.warn("mind the gap".into());
            notes.annotate("example.com/level", "high");
        }
        assert_eq!(notes.take_warnings(), ["mind the gap"]);
        let level = Annotation { key: "example.com/level".into(), value: "high".to_owned(), quotes: false };
        assert_eq!(notes.take_annotations(), [level]);
        assert!(notes.take_warnings().is_empty());
    }
}
