//! `/livez`, `/readyz`, `/healthz`: lists of named checks, in upstream's words.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use http::{Response, StatusCode};
use portcullis_api::attributes::query;
use portcullis_api::{ApiError, Body};
use tracing::warn;

use crate::respond;

/// Says what is wrong, to the log and to who may read the single check.
type Probe = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// One named check.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    probe: Probe,
}

impl Check {
    /// Names a check. The probe must not block.
    pub fn new(name: &'static str, probe: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { name, probe: Arc::new(probe) }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// The checks of the three endpoints. One is always there: `ping`, that the server answers at all.
#[derive(Clone, Debug)]
pub struct Health {
    /// Asked by all endpoints.
    live: Vec<Check>,
    /// Asked by `/readyz` only.
    ready: Vec<Check>,
}

/// Which list of checks is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Livez,
    Readyz,
    Healthz,
}

impl Endpoint {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "livez" => Self::Livez,
            "readyz" => Self::Readyz,
            "healthz" => Self::Healthz,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Livez => "livez",
            Self::Readyz => "readyz",
            Self::Healthz => "healthz",
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { live: vec![Check::new("ping", || Ok(()))], ready: Vec::new() }
    }
}

impl Health {
    /// Adds a check that a living server passes.
    #[must_use]
    pub fn live(mut self, check: Check) -> Self {
        self.live.push(check);
        self
    }

    /// Adds a check that a server passes when it should get requests.
    #[must_use]
    pub fn ready(mut self, check: Check) -> Self {
        self.ready.push(check);
        self
    }

    fn checks(&self, endpoint: Endpoint) -> impl Iterator<Item = &Check> {
        let ready = if endpoint == Endpoint::Readyz { self.ready.as_slice() } else { &[] };
        self.live.iter().chain(ready)
    }

    /// Answers for a whole endpoint, with the names of its checks or without.
    pub(crate) fn all(&self, endpoint: Endpoint, query: &str, names: bool) -> Response<Body> {
        let excluded: BTreeSet<String> = query::pairs(query)
            .filter(|(name, _)| name == "exclude")
            .map(|(_, value)| value.into_owned())
            .collect();
        let mut unknown = excluded.clone();
        let (mut report, mut failed) = (String::new(), Vec::new());
        for check in self.checks(endpoint) {
            let line = match excluded.contains(check.name) {
                true => {
                    unknown.remove(check.name);
                    format!("[+]{} excluded: ok", check.name)
                }
                false => match (check.probe)() {
                    Ok(()) => format!("[+]{} ok", check.name),
                    Err(why) => {
                        warn!(check = check.name, why, "Health check failed");
                        failed.push(check.name);
                        format!("[-]{} failed: reason withheld", check.name)
                    }
                },
            };
            writeln!(report, "{line}").ok();
        }
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.iter().map(|name| format!("{name:?}")).collect();
            let names = names.join(",");
            writeln!(report, "warn: some health checks cannot be excluded: no matches for {names}").ok();
        }
        let name = endpoint.name();
        if !names {
            report.clear();
        }
        if !failed.is_empty() {
            return respond::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("{report}{name} check failed\n"),
            );
        }
        if names && query::first(query, "verbose").is_some() {
            return respond::text(StatusCode::OK, format!("{report}{name} check passed\n"));
        }
        respond::text(StatusCode::OK, "ok")
    }

    /// Answers for one check of an endpoint.
    pub(crate) fn one(&self, endpoint: Endpoint, name: &str) -> Result<Response<Body>, ApiError> {
        let Some(check) = self.checks(endpoint).find(|check| check.name == name) else {
            return Ok(not_found());
        };
        Ok(match (check.probe)() {
            Ok(()) => respond::text(StatusCode::OK, "ok"),
            Err(why) => {
                respond::text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {why}\n"))
            }
        })
    }
}

/// 404 as Go's own router says it.
pub(crate) fn not_found() -> Response<Body> {
    respond::text(StatusCode::NOT_FOUND, "404 page not found\n")
}
