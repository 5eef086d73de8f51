//! What the audit crate reads: policies, the store's records, logs with their chains, heads and keys.

use std::path::Path;

use http::Method;
use portcullis_api::UserInfo;
use portcullis_api::attributes::parse;
use portcullis_audit::read::{Lines, Query, Seen};
use portcullis_audit::{Head, Level, Policy, PublicKey, Record, Verifier};

/// The public key of nobody: what it verifies, nobody signed.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

/// The whole input is each of them; split at its first NUL it is a log and its chain.
pub fn audit(input: &[u8]) {
    record(input);
    log(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = (Head::parse(text), PublicKey::parse(text));
    if let Ok(policy) = Policy::parse(text) {
        plan(&policy);
    }
}

/// What a policy may never switch on, whatever it says.
fn plan(policy: &Policy) {
    let user = UserInfo::new("eve", ["system:authenticated"]);
    for path in
        ["/api/v1/namespaces/a/secrets/s", "/api/v1/namespaces/a/configmaps", "/api/v1/pods", "/metrics"]
    {
        let Ok(info) = parse(&Method::PUT, &path.parse().unwrap()) else { panic!("{path}") };
        let plan = policy.plan(&info, Some(&user));
        let sealed = path.contains("secrets") || path.contains("configmaps");
        assert!(!sealed || plan.level <= Level::Metadata, "{path}: {plan:?}");
        policy.plan(&info, None);
    }
}

fn record(input: &[u8]) {
    let record = Record { sequence: 1, revision: 7, line: input.to_vec().into() };
    record.audit_id();
    // What is no line itself becomes one.
    if !input.starts_with(b"{") && record.to_line() != input {
        let line = record.to_line();
        assert!(!line.contains(&b'\n'), "{}", String::from_utf8_lossy(&line));
        assert!(Seen::parse(&line).is_some(), "{}", String::from_utf8_lossy(&line));
    }
}

fn log(input: &[u8]) {
    let mut halves = input.splitn(2, |byte| *byte == 0);
    let (lines, chain) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let mut reader = Lines::new(lines);
    while let Ok(Some((line, _))) = reader.next_line() {
        if let Some(event) = Seen::parse(line) {
            Query::default().wants(&event);
        }
    }
    let key = PublicKey::parse(KEY).expect("a key");
    let mut verifier = Verifier::new(&key, &[]);
    let (log, records) = (Path::new("audit.log"), Path::new("audit.log.chain"));
    if verifier.file((log, lines), (records, chain), false).is_ok() {
        let report = verifier.finish(log);
        assert_eq!(report.segments, 0, "nobody signed it");
        assert!(lines.is_empty() || !report.findings.is_empty(), "a log without its chain");
    }
}
