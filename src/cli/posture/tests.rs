use std::collections::HashSet;
use std::sync::Arc;

use clap::Parser;
use portcullis_admission::plugins;
use portcullis_audit::Policy;
use portcullis_authn::{Anonymous, Authenticator, Schemes};
use portcullis_authz::Authorities;

use super::*;
use crate::cli::options::ServeOptions;
use crate::cli::paths::DataDir;
use crate::cli::up;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: ServeOptions,
}

struct World {
    folder: tempfile::TempDir,
    options: ServeOptions,
    anonymous: Anonymous,
    policy: &'static str,
}

fn own_only(mode: u32) -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

impl World {
    /// As `portcullis up` starts it with these flags.
    fn of(line: &str) -> Self {
        let words = std::iter::once("portcullis").chain(line.split_whitespace());
        let options = up::defaults(Line::try_parse_from(words).unwrap().serve);
        let folder = tempfile::Builder::new().permissions(own_only(0o700)).tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        crate::cli::sealing::Plan::read(&options, &dir).unwrap().prepare();
        Self { folder, options, anonymous: Anonymous::default(), policy: portcullis_audit::DEFAULT_POLICY }
    }

    fn report(&self) -> Value {
        let dir = DataDir::resolve(Some(self.folder.path())).unwrap();
        let list = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
        let (enable, disable) =
            (&self.options.enable_admission_plugins, &self.options.disable_admission_plugins);
        let plugins = plugins::chosen(&list(enable), &list(disable), &plugins::Settings::default()).unwrap();
        let names = plugins.iter().map(|plugin| plugin.name()).collect();
        let anonymous = self.anonymous.clone();
        let authenticator = Authenticator::new(Schemes { anonymous, ..Schemes::default() });
        let limits = self.options.tls_limits().unwrap();
        let policy = Arc::new(Policy::parse(self.policy).unwrap());
        let who = (authenticator, Authorities::built_in());
        report(&Facts::new((&self.options, &dir), names, limits, who, policy))
    }

    fn verdict(&self, id: &str) -> String {
        let report = self.report();
        let item = report["items"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap().clone();
        item["verdict"].as_str().unwrap().to_owned()
    }
}

#[test]
fn i043_by_default_nothing_fails_and_everything_has_evidence() {
    let report = World::of("").report();
    assert_eq!(report["fail"], 0, "{report:#}");
    assert!(report["pass"].as_u64().unwrap() >= 25, "{report:#}");
    let mut ids = HashSet::new();
    for item in report["items"].as_array().unwrap() {
        assert!(ids.insert(item["id"].clone()), "{item} twice");
        assert_ne!(item["evidence"], "", "{item}");
    }
}

#[test]
fn i043_what_is_open_fails() {
    let table = [
        ("1.2.2", "--token-auth-file=x", "FAIL"),
        ("1.2.3", "--disable-admission-plugins=DenyServiceExternalIPs", "WARN"),
        ("1.2.11", "--enable-admission-plugins=AlwaysPullImages", "PASS"),
        ("1.2.12", "--disable-admission-plugins=ServiceAccount", "FAIL"),
        ("1.2.13", "--disable-admission-plugins=NamespaceLifecycle", "FAIL"),
        ("1.2.14", "--disable-admission-plugins=NodeRestriction", "FAIL"),
        ("1.2.17", "--audit-log-maxage=7", "FAIL"),
        ("1.2.17", "--audit-log-maxage=0", "PASS"),
        ("1.2.18", "--audit-log-maxbackup=3", "FAIL"),
        ("1.2.19", "--audit-log-maxsize=1", "FAIL"),
        ("1.2.20", "--request-timeout=3600", "WARN"),
        ("1.2.23", "--etcd-servers=https://127.0.0.1:1", "FAIL"),
        ("1.2.23", "--etcd-servers=https://127.0.0.1:1 --etcd-certfile=c --etcd-keyfile=k", "PASS"),
        ("1.2.26", "--etcd-servers=https://127.0.0.1:1", "FAIL"),
        ("1.2.26", "--etcd-servers=https://127.0.0.1:1 --etcd-cafile=c", "PASS"),
        ("1.2.27", "--etcd-servers=https://127.0.0.1:1", "FAIL"),
        ("1.2.29", "--tls-min-version=VersionTLS13", "PASS"),
    ];
    for (id, line, verdict) in table {
        assert_eq!(World::of(line).verdict(id), verdict, "{id} with {line}");
    }
}

#[test]
fn i043_the_rule_in_force_counts_and_not_the_flag() {
    let mut world = World::of("");
    world.anonymous = Anonymous::Everywhere;
    assert_eq!(world.verdict("1.2.1"), "FAIL");
    world.anonymous = Anonymous::Paths(["/version".to_owned()].into());
    assert_eq!(world.verdict("1.2.1"), "FAIL");
    world.anonymous = Anonymous::Refused;
    assert_eq!(world.verdict("1.2.1"), "PASS");
    world.policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, resources: [{group: '', resources: [pods/exec]}]}]";
    assert_eq!(world.verdict("3.2.2"), "FAIL");
}

#[test]
fn i043_files_that_others_may_read_fail() {
    let world = World::of("");
    assert_eq!(world.verdict("1.1.11"), "PASS");
    let key = world.folder.path().join("encryption.key");
    std::fs::set_permissions(key, own_only(0o640)).unwrap();
    assert_eq!(world.verdict("1.1.11"), "FAIL");
}
