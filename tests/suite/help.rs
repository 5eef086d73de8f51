//! Every command explains itself, without a data directory and without being root.

use crate::program::Home;

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[track_caller]
fn explains_itself(home: &Home, path: &[&str]) -> usize {
    let help = home.told(&[path, &["--help"]].concat());
    assert!(help.contains("Usage: portcullis"), "{path:?}: {help}");
    let options = help.lines().filter(|line| line.trim_start().starts_with("--"));
    for option in options {
        assert!(!option.trim().is_empty());
    }
    let below = commands(&help);
    let texts: usize =
        below.iter().map(|name| explains_itself(home, &[path, &[name.as_str()]].concat())).sum();
    texts + 1
}

#[test]
fn every_command_has_a_help_text() {
    assert!(explains_itself(&Home::new(), &[]) >= 10);
}

#[test]
fn commands_that_only_look_need_nothing() {
    let home = Home::new();
    assert!(home.told(&["version"]).starts_with("portcullis "));
    assert!(home.told(&["status"]).starts_with("not running"));
    assert!(home.told(&["status", "--output", "json"]).contains("\"running\": false"));
    assert!(home.told(&["down"]).starts_with("nothing runs on "));
    assert!(home.told(&["certs", "list"]).starts_with("no certificates in "));
    assert!(home.told(&["doctor", "--secure-port", "0"]).contains("✓ clock: "));
    assert!(!home.path().join(".local").exists(), "looking makes nothing");
}

#[test]
fn an_unknown_flag_or_key_is_an_error() {
    let home = Home::new();
    let output = home.run(&["apiserver", "--secure-prot", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let file = home.path().join("flags.yaml");
    std::fs::write(&file, "secure-prot: 1\n").unwrap();
    for command in ["up", "apiserver", "status", "down", "doctor"] {
        let output = home.run(&[command, "--config", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains("secure-prot") && said.contains("fix: "),
            "{command}: {said}"
        );
    }
}
