//! `EventRateLimit`: events beyond a rate are refused with 429. An option, as upstream, which wants limits.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;
use portcullis_api::{ApiError, Object, Result, Value};
use serde::Deserialize;

use crate::attributes::Attributes;
use crate::chain::Plugin;

/// How many buckets a limit has if it does not say, as upstream.
const BUCKETS: usize = 4096;
const VERSION: &str = "eventratelimit.admission.k8s.io/v1alpha1";

/// The limits, as upstream's configuration has them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventRateLimits {
    api_version: String,
    kind: String,
    limits: Vec<Limit>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Limit {
    #[serde(rename = "type")]
    of: By,
    qps: i32,
    burst: i32,
    #[serde(default)]
    cache_size: i32,
}

/// Whose events share a bucket.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum By {
    Server,
    Namespace,
    User,
    SourceAndObject,
}

impl EventRateLimits {
    /// Reads a configuration.
    ///
    /// # Errors
    /// In upstream's words where it refuses the same.
    pub fn read(configuration: &Value) -> std::result::Result<Self, String> {
        let read: Self = serde_json::from_value(configuration.clone()).map_err(|error| error.to_string())?;
        if (read.api_version.as_str(), read.kind.as_str()) != (VERSION, "Configuration") {
            return Err(format!("no kind {:?} is registered for version {:?}", read.kind, read.api_version));
        }
        if read.limits.is_empty() {
            return Err("limits: Invalid value: null: must not be empty".to_owned());
        }
        for (index, limit) in read.limits.iter().enumerate() {
            let positive = [("burst", limit.burst), ("qps", limit.qps)];
            if let Some((field, value)) = positive.into_iter().find(|(_, value)| *value <= 0) {
                return Err(format!("limits[{index}].{field}: Invalid value: {value}: must be positive"));
            }
            if limit.cache_size < 0 && limit.of != By::Server {
                let size = limit.cache_size;
                return Err(format!(
                    "limits[{index}].cacheSize: Invalid value: {size}: must not be negative"
                ));
            }
        }
        Ok(read)
    }
}

/// The plugin; without limits it refuses nothing.
#[derive(Default)]
pub(super) struct EventRateLimit(Vec<Enforcer>);

impl EventRateLimit {
    pub(super) fn new(limits: &EventRateLimits) -> Self {
        Self(limits.limits.iter().map(Enforcer::new).collect())
    }
}

impl Plugin for EventRateLimit {
    fn name(&self) -> &'static str {
        "EventRateLimit"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.stores() && !write.dry_run && (write.is("", "events") || write.is("events.k8s.io", "events"))
    }

    fn validate(&self, write: &Attributes<'_>, event: Option<&Object>) -> Result<()> {
        let Some(event) = event else { return Ok(()) };
        let now = Instant::now();
        // Each limit counts the event, also where another refuses it.
        let refused: Vec<String> =
            self.0.iter().filter_map(|limit| limit.refuses(limit.key(write, event), now)).collect();
        let why = match refused.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        Err(ApiError::too_many_requests(why, 1))
    }
}

struct Enforcer {
    limit: Limit,
    buckets: Mutex<HashMap<String, Bucket>>,
    most: usize,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Enforcer {
    fn new(limit: &Limit) -> Self {
        let most = usize::try_from(limit.cache_size).ok().filter(|size| *size > 0).unwrap_or(BUCKETS);
        Self { limit: limit.clone(), buckets: Mutex::default(), most }
    }

    /// Takes a token of a bucket, or says why there is none.
    fn refuses(&self, key: String, now: Instant) -> Option<String> {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= self.most && !buckets.contains_key(&key) {
            self.make_room(&mut buckets, now);
        }
        let burst = f64::from(self.limit.burst);
        let bucket = buckets.entry(key.clone()).or_insert(Bucket { tokens: burst, filled: now });
        bucket.tokens = self.filled(bucket, now);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        Some(format!("limit reached on type {:?} for key {key}", self.limit.of))
    }

    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let came = now.saturating_duration_since(bucket.filled).as_secs_f64() * f64::from(self.limit.qps);
        (bucket.tokens + came).min(f64::from(self.limit.burst))
    }

    /// Full buckets say nothing; where all say something the one that was used longest ago goes.
    fn make_room(&self, buckets: &mut HashMap<String, Bucket>, now: Instant) {
        let full = f64::from(self.limit.burst);
        buckets.retain(|_, bucket| self.filled(bucket, now) < full);
        if buckets.len() >= self.most
            && let Some(oldest) =
                buckets.iter().min_by_key(|(_, bucket)| bucket.filled).map(|(key, _)| key.clone())
        {
            buckets.remove(&oldest);
        }
    }

    fn key(&self, write: &Attributes<'_>, event: &Object) -> String {
        match self.limit.of {
            By::Server => String::new(),
            By::Namespace => write.namespace.to_owned(),
            By::User => write.user.name.to_string(),
            By::SourceAndObject => {
                let core = write.is("", "events");
                let (source, host, about) = if core {
                    (["source", "component"].as_slice(), ["source", "host"].as_slice(), "involvedObject")
                } else {
                    (
                        ["deprecatedSource", "component"].as_slice(),
                        ["deprecatedSource", "host"].as_slice(),
                        "regarding",
                    )
                };
                let mut key = [event.str_at(source), event.str_at(host)].concat();
                for field in ["kind", "namespace", "name", "uid", "apiVersion"] {
                    key.push_str(event.str_at(&[about, field]));
                }
                key
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::attributes::Operation;
    use crate::fake::{Cluster, Write};

    fn limits(limits: Value) -> std::result::Result<EventRateLimits, String> {
        EventRateLimits::read(&json!({ "apiVersion": VERSION, "kind": "Configuration", "limits": limits }))
    }

    #[test]
    fn c013_beyond_the_burst_events_are_refused_for_each_namespace_alone() {
        let limits = limits(json!([{ "type": "Namespace", "qps": 1, "burst": 2 }])).unwrap();
        let enforcer = Enforcer::new(&limits.limits[0]);
        let now = Instant::now();
        let ask = |namespace: &str, at: Instant| enforcer.refuses(namespace.to_owned(), at);
        assert_eq!(ask("a", now), None);
        assert_eq!(ask("a", now), None);
        assert_eq!(ask("a", now).unwrap(), "limit reached on type Namespace for key a");
        assert_eq!(ask("b", now), None, "others are fine");
        assert_eq!(ask("a", now + Duration::from_secs(1)), None, "the rate holds");
    }

    #[test]
    fn c013_a_refusal_is_429_and_says_when_to_come_back() {
        let limits = limits(
            json!([{ "type": "User", "qps": 1, "burst": 1 }, { "type": "SourceAndObject", "qps": 1, "burst": 1 }]),
        );
        let plugin = EventRateLimit::new(&limits.unwrap());
        for limit in &plugin.0 {
            limit.refuses(
                if limit.limit.of == By::User { "alice" } else { "kubeletPoda" }.to_owned(),
                Instant::now(),
            );
        }
        let event = json!({ "metadata": { "name": "e" }, "source": { "component": "kubelet" }, "involvedObject": { "kind": "Pod", "name": "a" } });
        let write = Write::of(Operation::Create, "events", "Event");
        let refused = write.judge(plugin, &Cluster::default(), event).refused();
        assert_eq!(
            refused,
            "[limit reached on type User for key alice, limit reached on type SourceAndObject for key kubeletPoda]"
        );
    }

    #[test]
    fn c013_buckets_are_bounded() {
        let limits = limits(json!([{ "type": "User", "qps": 1, "burst": 1, "cacheSize": 3 }])).unwrap();
        let enforcer = Enforcer::new(&limits.limits[0]);
        let mut buckets = enforcer.buckets.lock();
        let now = Instant::now();
        for name in 0..100 {
            if buckets.len() >= enforcer.most {
                enforcer.make_room(&mut buckets, now);
            }
            buckets.insert(name.to_string(), Bucket { tokens: 0.0, filled: now });
        }
        assert!(buckets.len() <= 3);
    }

    #[test]
    fn configurations_are_checked_as_upstreams() {
        let refused = |given: Value| limits(given).unwrap_err();
        assert_eq!(refused(json!([])), "limits: Invalid value: null: must not be empty");
        assert_eq!(
            refused(json!([{ "type": "Server", "qps": 1, "burst": 0 }])),
            "limits[0].burst: Invalid value: 0: must be positive"
        );
        assert!(refused(json!([{ "type": "Cluster", "qps": 1, "burst": 1 }])).contains("Cluster"));
        assert!(
            EventRateLimits::read(&json!({ "apiVersion": "v1", "kind": "Configuration", "limits": [] }))
                .is_err()
        );
    }
}
