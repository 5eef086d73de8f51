use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::SignedDuration;

use super::*;
use crate::Renewer;

fn open(dir: &Path) -> Pki {
    let token_algorithm = Some(Algorithm::Es256);
    Pki::open_or_issue(dir, Options { token_algorithm, ..Options::default() }).unwrap()
}

#[test]
fn a_new_directory_has_upstreams_files_and_modes() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("pki")), 0o700);
    for name in ["ca", "front-proxy-ca", "apiserver", "apiserver-kubelet-client", "front-proxy-client"] {
        assert_eq!(mode(&dir.path().join(format!("pki/{name}.key"))), 0o600, "{name}");
        assert!(dir.path().join(format!("pki/{name}.crt")).exists(), "{name}");
    }
    assert_eq!(mode(&dir.path().join("pki/sa.key")), 0o600);
    assert!(dir.path().join("pki/sa.pub").exists());
}

#[test]
fn opening_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let serials = |pki: &Pki| pki.list().unwrap().into_iter().map(|e| e.leaf.serial).collect::<Vec<_>>();
    let first = serials(&open(dir.path()));
    assert_eq!(first.len(), 5);
    assert_eq!(serials(&open(dir.path())), first);
}

#[test]
fn the_serving_certificate_names_every_place() {
    let dir = tempfile::tempdir().unwrap();
    let leaf = |pki: Pki| pki.list().unwrap().into_iter().find(|e| e.profile == "apiserver").unwrap().leaf;
    let before = leaf(open(dir.path()));
    for name in ["kubernetes", "kubernetes.default.svc.cluster.local", "localhost"] {
        assert!(before.dns_names.iter().any(|n| n == name), "{name}");
    }
    for address in ["127.0.0.1", "::1", "10.96.0.1"] {
        assert!(before.addresses.contains(&address.parse().unwrap()), "{address}");
    }
    let mut options = Options::default();
    options.sites.hostnames = vec!["box.example".into()];
    options.sites.addresses = vec!["192.0.2.7".parse().unwrap()];
    let after = leaf(Pki::open_or_issue(dir.path(), options).unwrap());
    assert!(after.dns_names.iter().any(|n| n == "box.example"));
    assert_ne!(before.serial, after.serial);
}

#[test]
fn c019_an_exposed_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    fs::set_permissions(dir.path().join("pki/sa.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Pki::open_or_issue(dir.path(), Options::default());
    assert!(matches!(refused, Err(Error::Exposed { .. })));
}

#[test]
fn a_lost_authority_key_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    fs::remove_file(dir.path().join("pki/ca.key")).unwrap();
    assert!(Pki::open_or_issue(dir.path(), Options::default()).is_err());
}

#[test]
fn renewal_comes_at_two_thirds_and_swaps_what_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Arc::new(open(dir.path()));
    let before = pki.list().unwrap();
    let apiserver = before.iter().find(|e| e.profile == "apiserver").unwrap();
    let now = Timestamp::now();
    assert!(!due(&apiserver.leaf, now));
    assert!(due(&apiserver.leaf, now + SignedDuration::from_hours(24 * 244)));
    assert!(!due(&apiserver.leaf, now + SignedDuration::from_hours(24 * 243)));

    let renewer = Renewer::new(pki.clone()).swapping("apiserver", pki.live("apiserver").unwrap());
    assert_eq!(renewer.turn(now).unwrap(), pki.next_renewal().unwrap());
    let serial =
        |pki: &Pki| pki.list().unwrap().into_iter().find(|e| e.profile == "apiserver").unwrap().leaf.serial;
    assert_eq!(serial(&pki), apiserver.leaf.serial);
    renewer.turn(now + SignedDuration::from_hours(24 * 244)).unwrap();
    assert_ne!(serial(&pki), apiserver.leaf.serial);
}

#[test]
fn users_get_what_the_profile_and_the_caller_say() {
    let dir = tempfile::tempdir().unwrap();
    let pki = open(dir.path());
    let jane = Overrides {
        name: "jane".into(),
        organizations: Some(vec!["dev".into(), "ops".into()]),
        lifetime: Some(SignedDuration::from_hours(1)),
        ..Overrides::default()
    };
    let issued = pki.issue("user", &jane).unwrap();
    assert_eq!(issued.leaf.common_name, "jane");
    assert_eq!(issued.leaf.organizations, ["dev", "ops"]);
    assert!(issued.leaf.client_auth && !issued.leaf.authority);
    assert!(issued.leaf.serial.len() >= 30);
    assert!(!format!("{issued:?}").contains("BEGIN PRIVATE"));
    for bad in [String::new(), "a".repeat(65), "a\nb".into()] {
        assert!(pki.issue("user", &Overrides { name: bad, ..Overrides::default() }).is_err());
    }
    assert!(pki.issue("ca", &Overrides::default()).is_err());
    assert!(pki.issue("nobody", &Overrides::default()).is_err());
}

#[test]
fn parts_of_the_process_are_who_their_certificate_would_make_them() {
    let dir = tempfile::tempdir().unwrap();
    let pki = open(dir.path());
    let scheduler = pki.in_process("kube-scheduler", &Overrides::default()).unwrap();
    assert_eq!(&*scheduler.user().name, "system:kube-scheduler");
    assert!(scheduler.user().in_group("system:authenticated"));
    let controller = pki.in_process_service_account("kube-system", "deployment-controller").unwrap();
    assert_eq!(controller.user().service_account(), Some(("kube-system", "deployment-controller")));
    assert!(controller.user().in_group("system:serviceaccounts:kube-system"));
    for (namespace, name) in [("", "x"), ("a", ""), ("a:b", "c"), ("a", "b:c")] {
        assert!(pki.in_process_service_account(namespace, name).is_err());
    }
}

#[test]
fn d022_retired_token_keys_still_verify() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path()).token_verification_keys().unwrap();
    let path = dir.path().join("pki/sa.key");
    let new = SigningKey::generate(Algorithm::Rs256).unwrap();
    files::write(&path, new.to_pem().unwrap().as_bytes(), files::PRIVATE).unwrap();
    let pki = open(dir.path());
    let keys = pki.token_verification_keys().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].kid(), new.public().kid());
    assert_eq!(keys[1], old[0]);
}
