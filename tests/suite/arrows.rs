//! The order of the crates: who may know whom.
//!
//! The order is the order in which a request meets them, and an arrow points up the list only. What a
//! stage proves lives in the crate that alone may prove it, so a wrong arrow is a way around a gate.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Each crate with all it may build on.
const HOUSE: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("cel", &["api"]),
    ("schema", &["api", "cel"]),
    ("storage", &["api"]),
    ("pki", &["api"]),
    ("outbound", &["api", "pki"]),
    ("audit", &["api", "outbound"]),
    ("authn", &["api", "cel", "pki", "outbound", "audit"]),
    ("authz", &["api", "cel", "outbound", "authn", "audit"]),
    ("admission", &["api", "cel", "schema", "outbound", "authz", "audit"]),
    ("registry", &["api", "cel", "schema", "storage", "outbound", "authn", "authz", "admission", "audit"]),
    (
        "apiserver",
        &["api", "schema", "storage", "pki", "outbound", "audit", "authn", "authz", "admission", "registry"],
    ),
    ("client", &["api"]),
    ("controllers", &["api", "client"]),
];
/// The binary puts all parts together; the testkit is a part of no program.
const ABOVE_ALL: &[&str] = &["portcullis", "testkit"];

#[test]
fn arrows_point_up_the_list() {
    let wrong: Vec<String> = arrows().iter().filter_map(|arrow| verdict(arrow).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_has_its_place() {
    let places: BTreeMap<&str, usize> =
        HOUSE.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
    for (name, allowed) in HOUSE {
        for below in *allowed {
            assert!(places[below] < places[name], "{name} stands above {below}");
        }
    }
    let named = |name: &str| places.contains_key(name) || ABOVE_ALL.contains(&name);
    let homeless: Vec<String> = packages().iter().map(short).filter(|name| !named(name)).collect();
    assert!(homeless.is_empty(), "no place in the house: {homeless:?}");
}

#[test]
fn every_crate_keeps_the_common_lints() {
    for package in packages() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let text = std::fs::read_to_string(manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{manifest}");
    }
}

/// A dependency between two crates of the house.
struct Arrow {
    from: String,
    to: String,
    for_tests: bool,
}

fn verdict(arrow: &Arrow) -> Result<(), String> {
    let Arrow { from, to, for_tests } = arrow;
    let place = |name: &str| HOUSE.iter().position(|(known, _)| *known == name);
    if ABOVE_ALL.contains(&from.as_str()) {
        return Ok(());
    }
    // Tests may look further, but not down.
    let fine = match (place(from), place(to)) {
        (Some(_), None) => *for_tests && to == "testkit",
        (Some(from), Some(to)) if *for_tests => to < from,
        (Some(place), Some(_)) => HOUSE[place].1.contains(&to.as_str()),
        (None, _) => false,
    };
    if fine { Ok(()) } else { Err(format!("{from} may not build on {to}")) }
}

fn arrows() -> Vec<Arrow> {
    let packages = packages();
    let names: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let arrows = packages.iter().flat_map(|package| {
        let ours = package["dependencies"].as_array().unwrap().iter();
        let ours = ours.filter(|known| names.contains(&known["name"].as_str().unwrap()));
        ours.map(|known| Arrow { from: short(package), to: short(known), for_tests: known["kind"] == "dev" })
    });
    arrows.collect()
}

fn short(package: &Value) -> String {
    let name = package["name"].as_str().unwrap();
    name.strip_prefix("portcullis-").unwrap_or(name).to_owned()
}

fn packages() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output =
        Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}
