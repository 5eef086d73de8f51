//! The pages whose commands are promised to work: they are run as they stand, in a shell, one after the other.
//!
//! An indented line that begins with `$ ` is a command, what follows it until the next is what it prints, and a line
//! of `…` is whatever comes. Names, times and numbers that differ from run to run are taken for one another.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use regex::Regex;

use crate::kubectl;
use crate::program::Home;

const ELLIPSIS: &str = "…";
const READY: Duration = Duration::from_secs(60);

#[test]
fn two_tenants() {
    run("docs/walkthrough.md");
}

fn run(page: &str) {
    let Some(kubectl) = kubectl::find() else { return };
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let steps = steps(&text);
    assert!(steps.len() > 5, "{page} has no commands");
    let home = Home::new();
    let mut shell = Shell::begin(&home, &kubectl);
    for step in steps {
        let printed = shell.run(&step.command, &home);
        assert!(
            fits(&step.prints, &printed),
            "{page}: {}\nshould print:\n{}\nbut prints:\n{}",
            step.command,
            step.prints.join("\n"),
            printed.join("\n")
        );
    }
}

/// A command of a page.
struct Step {
    command: String,
    prints: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut document_end: Option<String> = None;
    let mut inside = false;
    for line in page.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            inside = false;
            continue;
        };
        let last = steps.last_mut();
        match (line.strip_prefix("$ "), &document_end, last) {
            (_, Some(end), Some(step)) => {
                step.command.push('\n');
                step.command.push_str(line);
                if line == end {
                    document_end = None;
                }
            }
            (Some(command), ..) => {
                inside = true;
                document_end =
                    command.split_once("<<'").map(|(_, end)| end.trim_end_matches('\'').to_owned());
                steps.push(Step { command: command.to_owned(), prints: Vec::new() });
            }
            (None, None, Some(step)) if inside => step.prints.push(line.to_owned()),
            _ => {}
        }
    }
    steps
}

/// A shell that keeps its variables from one command to the next.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Shell {
    fn begin(home: &Home, kubectl: &Path) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
        let folders = [program, kubectl.parent().unwrap()].map(Path::to_path_buf).into_iter();
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&others))).unwrap();
        let mut command = Command::new("bash");
        command.arg("--norc").env("HOME", home.path()).env("PATH", path).current_dir(home.path());
        for name in ["KUBECONFIG", "XDG_DATA_HOME", "PORTCULLIS_LOG"] {
            command.env_remove(name);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        input.write_all(b"exec 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n").unwrap();
        Self { child, input, output }
    }

    /// What a command prints. A server stays in the background; it gets a port that is free.
    fn run(&mut self, command: &str, home: &Home) -> Vec<String> {
        const END: &str = "-- this was the last line --";
        let server = command.strip_prefix("portcullis up");
        let command = server.map_or_else(
            || command.to_owned(),
            |flags| format!("portcullis up --secure-port 0{flags} >server.log 2>&1 &"),
        );
        writeln!(self.input, "{command}\necho; echo '{END}'").unwrap();
        let mut lines: Vec<String> =
            self.output.by_ref().lines().map(Result::unwrap).take_while(|line| line != END).collect();
        // The line that was ended above is empty where the command ended its own.
        if lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        if server.is_some() {
            wait_for(&home.path().join(".local/share/portcullis/apiserver.json"));
        }
        lines
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.input.write_all(b"exit\n");
        let _ = self.child.wait();
    }
}

fn wait_for(file: &Path) {
    let begun = Instant::now();
    while std::fs::read(file).map_or(true, |text| text.is_empty()) {
        assert!(begun.elapsed() < READY, "{} did not come", file.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn fits(wanted: &[String], printed: &[String]) -> bool {
    match (wanted.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == ELLIPSIS => {
            (0..=printed.len()).any(|skip| fits(rest, &printed[skip..]))
        }
        (Some((first, rest)), Some((line, more))) => masked(first) == masked(line) && fits(rest, more),
        _ => false,
    }
}

/// A line without what differs from run to run.
fn masked(line: &str) -> String {
    static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
            (r"\b[0-9a-f]{64}\b", "DIGEST"),
            (r"\b[0-9a-f]{8}-[0-9a-f]+\b", "DECISION"),
            (r"/\S*/audit\.log", "AUDITLOG"),
            (r"\d+", "N"),
            (r"\s+", " "),
        ]
        .map(|(mask, name)| (Regex::new(mask).unwrap(), name))
        .into()
    });
    MASKS.iter().fold(line.to_owned(), |line, (mask, name)| mask.replace_all(&line, *name).into_owned())
}
