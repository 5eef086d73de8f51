//! The front's metrics: names, labels and their closed sets, in one place.
//!
//! Labels come from what was parsed and found among the built-in resources, never from text a client
//! chose; what is unknown counts as `OTHER`. So the number of series has a ceiling whatever is sent.

mod process;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::RwLock;
use portcullis_api::{RequestInfo, Verb};
use portcullis_schema as schema;

pub(crate) use process::resident;

const REQUESTS: &str = "apiserver_request_total";
const DURATION: &str = "apiserver_request_duration_seconds";
const INFLIGHT: &str = "apiserver_current_inflight_requests";
const LONG_RUNNING: &str = "apiserver_longrunning_requests";
const SHED: &str = "apiserver_request_terminations_total";
const HANDSHAKE_ERRORS: &str = "apiserver_tls_handshake_errors_total";
const CONNECTIONS: &str = "portcullis_connections";

/// Upstream's buckets for request durations, in seconds.
const BUCKETS: [f64; 20] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    60.0,
];

/// The process's recorder; all servers of a process share it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Handles to the front's metrics. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    requests_in_flight: Gauge,
    streams: Gauge,
    shed: Counter,
    handshake_errors: Counter,
    connections: Gauge,
    series: RwLock<HashMap<Series, Handles>>,
}

/// What tells one series from another; every part is from a closed set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Series {
    verb: Verb,
    place: Place,
    code: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    subresource: &'static str,
    scope: &'static str,
}

struct Handles {
    requests: Counter,
    duration: Histogram,
}

impl Metrics {
    /// Installs the process's recorder, if none is yet, and registers what is always shown.
    pub(crate) fn install() -> Self {
        RECORDER.get_or_init(install_recorder);
        Self(Arc::new(Inner {
            requests_in_flight: gauge!(INFLIGHT, "request_kind" => "all"),
            streams: gauge!(LONG_RUNNING, "component" => "apiserver"),
            shed: counter!(SHED, "code" => "429", "component" => "apiserver"),
            handshake_errors: counter!(HANDSHAKE_ERRORS),
            connections: gauge!(CONNECTIONS),
            series: RwLock::default(),
        }))
    }

    /// Counts one answered request.
    pub(crate) fn answered(&self, info: &RequestInfo, code: StatusCode, took: Duration) {
        let series = Series { verb: info.verb, place: Place::of(info), code: code.as_u16() };
        if let Some(handles) = self.0.series.read().get(&series) {
            return handles.observe(took);
        }
        let mut all = self.0.series.write();
        all.entry(series).or_insert_with(|| series.register()).observe(took);
    }

    /// Counts one refusal by a ceiling.
    pub(crate) fn shed(&self) {
        self.0.shed.increment(1);
    }

    /// Tells the number of requests or streams in flight.
    pub(crate) fn in_flight(&self, is_stream: bool, change: f64) {
        if is_stream { &self.0.streams } else { &self.0.requests_in_flight }.increment(change);
    }

    /// Counts one connection that never came to a request.
    pub(crate) fn handshake_failed(&self) {
        self.0.handshake_errors.increment(1);
    }

    /// Tells the number of open connections.
    pub(crate) fn connections(&self, change: f64) {
        self.0.connections.increment(change);
    }

    /// Everything the process counts, in Prometheus' text form.
    pub(crate) fn render(&self) -> String {
        let mut text =
            RECORDER.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default();
        process::render(&mut text);
        text
    }

    /// Folds samples into their buckets; called now and then, so that they do not gather.
    pub(crate) fn upkeep(&self) {
        if let Some(recorder) = RECORDER.get().and_then(Option::as_ref) {
            recorder.run_upkeep();
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Handles {
    fn observe(&self, took: Duration) {
        self.requests.increment(1);
        self.duration.record(took.as_secs_f64());
    }
}

impl Series {
    fn register(self) -> Handles {
        let Place { group, version, resource, subresource, scope } = self.place;
        let verb = shown(self.verb);
        Handles {
            requests: counter!(REQUESTS, "verb" => verb, "dry_run" => "", "group" => group, "version" => version,
                "resource" => resource, "subresource" => subresource, "scope" => scope,
                "component" => "apiserver", "code" => self.code.to_string()),
            duration: histogram!(DURATION, "verb" => verb, "dry_run" => "", "group" => group, "version" => version,
                "resource" => resource, "subresource" => subresource, "scope" => scope,
                "component" => "apiserver"),
        }
    }
}

impl Place {
    const NONE: Self = Self { group: "", version: "", resource: "", subresource: "", scope: "" };

    fn of(info: &RequestInfo) -> Self {
        let Some(target) = info.resource() else {
            return Self { subresource: first_segment(&info.path), ..Self::NONE };
        };
        let Some(row) = schema::row(&target.group, &target.version, &target.resource) else {
            return Self { resource: "OTHER", ..Self::NONE };
        };
        let subresource = match row.subresource(&target.subresource) {
            Some(subresource) => subresource.name,
            None if target.subresource.is_empty() => "",
            None => "OTHER",
        };
        Self {
            group: &row.gvr.gv.group,
            version: &row.gvr.gv.version,
            resource: &row.gvr.resource,
            subresource,
            scope: if !target.name.is_empty() {
                "resource"
            } else if target.namespace.is_empty() {
                "cluster"
            } else {
                "namespace"
            },
        }
    }
}

/// The first segment of a path that is no resource, where it is one of ours.
fn first_segment(path: &str) -> &'static str {
    const KNOWN: [&str; 11] = [
        "/api",
        "/apis",
        "/healthz",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi",
        "/openid",
        "/version",
        "/.well-known",
        "/",
    ];
    let first = path.split('/').nth(1).unwrap_or_default();
    KNOWN.into_iter().find(|known| known.strip_prefix('/') == Some(first)).unwrap_or("OTHER")
}

/// The words upstream's dashboards look for.
fn shown(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::List => "LIST",
        Verb::Watch => "WATCH",
        Verb::Create | Verb::Post => "POST",
        Verb::Update | Verb::Put => "PUT",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
        Verb::DeleteCollection => "DELETECOLLECTION",
        Verb::Head => "HEAD",
        Verb::Options | Verb::Nothing => "OPTIONS",
    }
}

fn install_recorder() -> Option<PrometheusHandle> {
    let builder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &BUCKETS).ok()?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // A program that embeds the server may have a recorder of its own; then /metrics shows only the process.
    metrics::set_global_recorder(recorder).ok()?;
    describe_counter!(REQUESTS, "Requests by verb, resource and code.");
    describe_histogram!(DURATION, "Time to the head of the answer, in seconds.");
    describe_gauge!(INFLIGHT, "Requests being served that have a deadline.");
    describe_gauge!(LONG_RUNNING, "Watches and other streams being served.");
    describe_counter!(SHED, "Requests refused because a ceiling was reached.");
    describe_counter!(HANDSHAKE_ERRORS, "Connections that failed before a request.");
    describe_gauge!(CONNECTIONS, "Open connections.");
    Some(handle)
}
