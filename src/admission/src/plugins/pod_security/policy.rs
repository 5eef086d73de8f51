//! Levels, versions, and what a namespace's labels make of them.

use std::fmt;

use portcullis_api::Object;
use portcullis_api::field::{Error, ErrorList, Path};

use super::checks::{self, Evaluation, Subject};

/// How much a pod may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "privileged" => Ok(Self::Privileged),
            "baseline" => Ok(Self::Baseline),
            "restricted" => Ok(Self::Restricted),
            _ => Err("must be one of privileged, baseline, restricted"),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

/// The release whose rules count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    Latest,
    /// `v1.N`
    Minor(i64),
}

impl Version {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let wrong = "must be \"latest\" or \"v1.x\"";
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let digits = text.strip_prefix("v1.").ok_or(wrong)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        digits.parse().ok().filter(|_| plain).map(Self::Minor).ok_or(wrong)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Minor(minor) => write!(f, "v1.{minor}"),
        }
    }
}

/// A level by the rules of a version; displays as `restricted:v1.30`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mode {
    pub(super) level: Level,
    pub(super) version: Version,
}

impl Mode {
    const DEFAULT: Self = Self { level: Level::Privileged, version: Version::Latest };

    /// Whether everything is allowed.
    pub(super) fn is_privileged(self) -> bool {
        self.level == Level::Privileged
    }

    /// Measures a pod.
    pub(super) fn evaluate(self, subject: &Subject<'_>) -> Evaluation {
        let minor = match self.version {
            Version::Latest => checks::NEWEST,
            Version::Minor(minor) => minor.min(checks::NEWEST),
        };
        checks::evaluate(self.level, minor, subject)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.level.as_str(), self.version)
    }
}

/// What happens at which level in a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Policy {
    pub(super) enforce: Mode,
    pub(super) audit: Mode,
    pub(super) warn: Mode,
}

impl Policy {
    /// Reads a namespace's labels. What cannot be read is reported, enforced strictly and neither
    /// audited nor warned of.
    pub(super) fn of(namespace: &Object) -> (Self, ErrorList) {
        let mut policy = Self { enforce: Mode::DEFAULT, audit: Mode::DEFAULT, warn: Mode::DEFAULT };
        let mut labels = Labels { namespace, errors: Vec::new() };
        let enforced = labels.read("enforce", Level::parse);
        policy.enforce.level = pick(enforced, Level::Restricted).unwrap_or(policy.enforce.level);
        policy.enforce.version = labels.version("enforce-version").unwrap_or(Version::Latest);
        let audited = labels.read("audit", Level::parse);
        policy.audit.level = pick(audited, Level::Privileged).unwrap_or(Level::Privileged);
        policy.audit.version = labels.version("audit-version").unwrap_or(Version::Latest);
        let warned = labels.read("warn", Level::parse);
        policy.warn.level = pick(warned, Level::Privileged).unwrap_or(Level::Privileged);
        let warn_version = labels.version("warn-version");
        policy.warn.version = warn_version.unwrap_or(Version::Latest);
        // Who asks for a level and says nothing of warnings is warned by that level.
        if warned.is_none() && matches!(enforced, Some(Ok(level)) if level > Level::Privileged) {
            policy.warn.level = policy.enforce.level;
            policy.warn.version = warn_version.unwrap_or(policy.enforce.version);
        }
        (policy, labels.errors)
    }

    /// Whether there is nothing to check at all.
    pub(super) fn is_privileged(&self) -> bool {
        [self.enforce, self.audit, self.warn].into_iter().all(Mode::is_privileged)
    }
}

fn pick<T>(read: Option<Result<T, ()>>, otherwise: T) -> Option<T> {
    read.map(|read| read.unwrap_or(otherwise))
}

struct Labels<'a> {
    namespace: &'a Object,
    errors: ErrorList,
}

impl Labels<'_> {
    /// A label's value, if it is there; mistakes are collected.
    fn read<T>(&mut self, name: &str, parse: fn(&str) -> Result<T, &'static str>) -> Option<Result<T, ()>> {
        let is_it = |key: &str| key.strip_prefix("pod-security.kubernetes.io/") == Some(name);
        let (key, value) = self.namespace.labels().find(|(key, _)| is_it(key))?;
        Some(parse(value).map_err(|why| {
            let path = Path::new("metadata").child("labels").key(key);
            self.errors.push(Error::invalid(&path, value, why));
        }))
    }

    fn version(&mut self, name: &str) -> Option<Version> {
        pick(self.read(name, Version::parse), Version::Latest)
    }
}
