//! `portcullis audit`: verifies and reads the audit log of a data directory, or any other.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use portcullis_api::time;
use portcullis_audit::read::{Lines, Query, Seen, files, open};
use portcullis_audit::{Head, PublicKey, Report, verify};

use super::options::Output;
use super::paths::DataDir;
use super::place::Place;
use super::{Failure, lifetime, print};

/// How often `tail --follow` looks for new lines.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check the log and its backups against their chain.
    Verify(Verify),
    /// Print the newest events.
    Tail(Tail),
    /// Print the events that fit.
    Query(Ask),
    /// Print the public key that verifies the chain.
    Key(Where),
    /// Print the head of the chain, to be kept where nobody of this machine can change it.
    Head(Where),
}

#[derive(Args, Debug)]
struct Where {
    #[command(flatten)]
    place: Place,
    /// The log; the data directory's own if not given.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Verify {
    #[command(flatten)]
    at: Where,
    /// A file with the public key; the data directory's own if not given.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// A head that `portcullis audit head` printed before: all up to it must be there, unchanged.
    #[arg(long, value_name = "HEAD")]
    expect: Vec<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
struct Tail {
    #[command(flatten)]
    at: Where,
    /// How many events.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 10)]
    lines: usize,
    /// Go on with what comes, until interrupted.
    #[arg(long, short)]
    follow: bool,
    /// How to print: one line for people, or the event's JSON.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
struct Ask {
    #[command(flatten)]
    at: Where,
    /// The user's name, own or impersonated.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group of the user's.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// The verb: get, list, create, …
    #[arg(long, value_name = "VERB")]
    verb: Option<String>,
    /// The resource: pods, pods/log, deployments.apps
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// The namespace.
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The object's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What authorization decided: allow or forbid.
    #[arg(long, value_name = "DECISION")]
    decision: Option<String>,
    /// The HTTP code of the answer.
    #[arg(long, value_name = "CODE")]
    code: Option<u16>,
    /// The id in the answer's Audit-Id header.
    #[arg(long, value_name = "ID")]
    audit_id: Option<String>,
    /// Not before: a time (2026-01-31T12:00:00Z) or so long ago (90m, 8h, 30d).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Not after.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// How to print: one line for people, or the event's JSON.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Verify(arguments) => check(arguments),
        Command::Tail(arguments) => tail(arguments),
        Command::Query(arguments) => query(arguments),
        Command::Key(at) => print::text(&key(&at.place.dir()?, None)?.to_pem()).map(|()| ExitCode::SUCCESS),
        Command::Head(at) => {
            let head = at.head()?.ok_or_else(|| Failure::new("nothing is sealed yet"))?;
            print::text(&format!("{head}\n")).map(|()| ExitCode::SUCCESS)
        }
    }
}

impl Where {
    fn log(&self) -> Result<PathBuf, Failure> {
        Ok(match &self.log {
            Some(path) => path.clone(),
            None => match self.place.options()?.audit.audit_log_path {
                Some(path) => path,
                None => self.place.dir()?.audit_log(),
            },
        })
    }

    fn head(&self) -> Result<Option<Head>, Failure> {
        let directory = self.place.dir()?.audit_keys();
        Head::in_directory(&directory)
            .map_err(|error| Failure::caused("the head of the audit chain cannot be read", &error))
    }
}

fn key(dir: &DataDir, file: Option<&PathBuf>) -> Result<PublicKey, Failure> {
    let key = match file {
        Some(path) => PublicKey::read(path),
        None => PublicKey::in_directory(&dir.audit_keys()),
    };
    key.map_err(|error| {
        Failure::caused("the key that verifies the audit chain cannot be read", &error)
            .fix("name a data directory with --data-dir, or the key with --public-key")
    })
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Some(at) = time::parse(text) {
        return Ok(at);
    }
    let ago: SignedDuration = lifetime::parse(text)?;
    Timestamp::now().checked_sub(ago).map_err(|error| error.to_string())
}

fn check(arguments: &Verify) -> Result<ExitCode, Failure> {
    let dir = arguments.at.place.dir()?;
    let key = key(&dir, arguments.public_key.as_ref())?;
    let mut heads = Vec::new();
    for text in &arguments.expect {
        let head = Head::parse(text).ok_or_else(|| Failure::new(format!("--expect {text:?} is no head")))?;
        heads.push(head);
    }
    // A key of somewhere else belongs to a head of somewhere else. The head is read before the log, which
    // may grow meanwhile.
    if arguments.public_key.is_none() {
        heads.extend(arguments.at.head()?);
    }
    let log = arguments.at.log()?;
    let report = verify(&log, &key, &heads).map_err(|error| {
        Failure::caused(format!("the audit log {} cannot be read", log.display()), &error)
    })?;
    match arguments.output {
        Output::Text => print::text(&told(&report))?,
        Output::Json => print::json(&tree(&report))?,
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let line = finding.line.map_or(String::new(), |line| format!(":{line}"));
        text.push_str(&format!("✗ {}{line}: {}\n", finding.file.display(), finding.what));
    }
    if report.findings.is_empty() {
        text.push_str("✓ nothing was changed, removed, inserted or moved\n");
    }
    text.push_str(&format!(
        "{} lines in {} segments ({} to {}) of {} files; {} events lost; {} not sent to the webhook; {} lines sealed after a restart; {} not \
         sealed yet\nhead {}\n",
        report.lines,
        report.segments,
        report.first_segment,
        report.head.segment,
        report.files,
        report.lost,
        report.unsent,
        report.found,
        report.unsealed,
        report.head,
    ));
    text
}

fn tree(report: &Report) -> serde_json::Value {
    let findings = report.findings.iter().map(
        |finding| serde_json::json!({ "file": finding.file, "line": finding.line, "what": finding.what }),
    );
    serde_json::json!({
        "ok": report.findings.is_empty(),
        "findings": findings.collect::<Vec<_>>(),
        "files": report.files,
        "lines": report.lines,
        "segments": report.segments,
        "firstSegment": report.first_segment,
        "lost": report.lost,
        "unsent": report.unsent,
        "sealedAfterRestart": report.found,
        "unsealed": report.unsealed,
        "head": report.head.to_string(),
    })
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::caused("the audit log cannot be read", &error)
}

fn query(arguments: &Ask) -> Result<ExitCode, Failure> {
    let query = Query {
        user: arguments.user.clone(),
        group: arguments.group.clone(),
        verb: arguments.verb.clone(),
        resource: arguments.resource.clone(),
        namespace: arguments.namespace.clone(),
        name: arguments.name.clone(),
        decision: arguments.decision.clone(),
        code: arguments.code,
        audit_id: arguments.audit_id.clone(),
        since: arguments.since,
        until: arguments.until,
    };
    for file in files(&arguments.at.log()?).map_err(unreadable)? {
        let mut lines = Lines::new(open(&file).map_err(unreadable)?);
        while let Some((line, _)) = lines.next_line().map_err(unreadable)? {
            if let Some(event) = Seen::parse(line)
                && query.wants(&event)
            {
                show(line, arguments.output)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tail(arguments: &Tail) -> Result<ExitCode, Failure> {
    let log = arguments.at.log()?;
    let mut lines = Lines::new(open(&log).map_err(unreadable)?);
    let mut newest = std::collections::VecDeque::with_capacity(arguments.lines.min(4096));
    while let Some((line, whole)) = lines.next_line().map_err(unreadable)? {
        if !whole || arguments.lines == 0 {
            continue;
        }
        if newest.len() == arguments.lines {
            newest.pop_front();
        }
        newest.push_back(line.to_vec());
    }
    newest.iter().try_for_each(|line| show(line, arguments.output))?;
    if arguments.follow {
        follow(&log, arguments.output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what is appended from now on; goes on in the new file when the log is put aside.
fn follow(log: &std::path::Path, output: Output) -> Result<(), Failure> {
    use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
    use std::os::unix::fs::MetadataExt as _;
    let opened = || std::fs::File::open(log).map_err(unreadable);
    let mut reader = BufReader::new(opened()?);
    reader.seek(SeekFrom::End(0)).map_err(unreadable)?;
    let mut line = Vec::new();
    loop {
        while reader.read_until(b'\n', &mut line).map_err(unreadable)? > 0 && line.ends_with(b"\n") {
            line.pop();
            show(&line, output)?;
            line.clear();
        }
        std::thread::sleep(LOOK);
        let inode =
            |meta: std::io::Result<std::fs::Metadata>| meta.map(|meta| meta.ino()).map_err(unreadable);
        if inode(std::fs::metadata(log))? != inode(reader.get_ref().metadata())? {
            reader = BufReader::new(opened()?);
        }
    }
}

fn show(line: &[u8], output: Output) -> Result<(), Failure> {
    let raw = || format!("{}\n", String::from_utf8_lossy(line));
    match (output, Seen::parse(line)) {
        (Output::Text, Some(event)) => print::text(&sentence(&event)),
        _ => print::text(&raw()),
    }
}

/// One line for people. What a stranger chose is shown with its control characters escaped.
fn sentence(event: &Seen<'_>) -> String {
    let user = match &event.impersonated_user {
        Some(other) => format!("{} as {}", event.user.username, other.username),
        None => event.user.username.to_string(),
    };
    let user = if user.is_empty() { "-".to_owned() } else { user };
    let code = event.response_status.as_ref().map_or("-".to_owned(), |status| status.code.to_string());
    let decision = event.decision().unwrap_or("-");
    let words = [
        &*event.stage_timestamp,
        &code,
        decision,
        &user,
        &event.verb,
        &event.request_uri,
        &event.stage,
        &event.audit_id,
    ];
    let mut text = words.map(|word| word.escape_debug().to_string().replace("\\'", "'")).join("  ");
    text.push('\n');
    text
}
