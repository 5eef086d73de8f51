//! `portcullis store`: the store itself, beside the API. Values stay sealed wherever they are moved.
//!
//! The embedded store belongs to its server as long as that runs; only a backup is taken from a running
//! server. etcd can be looked at and backed up at any time.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use portcullis_storage::{
    Codec, DumpFile, Embedded, KeyValue, Options, Pages, Revision, Store, StoreError, Summary, reseal,
    summary,
};
use serde_json::json;

use super::engine::{At, Engine};
use super::options::Output;
use super::progress::Progress;
use super::spool::{self, Part};
use super::{Failure, online, print};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check that everything stored can be read.
    Check(Check),
    /// Write everything to a file, from a running server too.
    Backup(Backup),
    /// Fill an empty store from a file.
    Restore(Restore),
    /// Move everything between the embedded store and etcd, revisions included.
    Migrate(Migrate),
    /// Tell what was written to a key, as far back as the store keeps it.
    History(History),
    /// Seal everything again that is not sealed as it would be now.
    Reencrypt(Reencrypt),
}

#[derive(Args, Debug)]
struct Check {
    #[command(flatten)]
    at: At,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
struct Backup {
    #[command(flatten)]
    at: At,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Args, Debug)]
struct Restore {
    #[command(flatten)]
    at: At,
    /// The file to read.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

#[derive(Args, Debug)]
struct Migrate {
    #[command(flatten)]
    at: At,
    /// Where everything is.
    #[arg(long)]
    from: Engine,
    /// Where it is to be; nothing may be there yet.
    #[arg(long)]
    to: Engine,
}

#[derive(Args, Debug)]
struct History {
    #[command(flatten)]
    at: At,
    /// The storage key, such as /registry/configmaps/default/settings.
    key: String,
    /// Print the value as of this revision.
    #[arg(long, value_name = "REVISION")]
    revision: Option<u64>,
}

#[derive(Args, Debug)]
struct Reencrypt {
    #[command(flatten)]
    at: At,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::caused("no threads can be started", &error))?;
    runtime.block_on(async {
        match &arguments.command {
            Command::Check(check) => check.run().await,
            Command::Backup(backup) => backup.run().await,
            Command::Restore(restore) => restore.run().await,
            Command::Migrate(migrate) => migrate.run().await,
            Command::History(history) => history.run().await,
            Command::Reencrypt(reencrypt) => reencrypt.run().await,
        }
    })
}

/// What a check found.
#[derive(Default)]
struct Findings {
    stale: usize,
    damaged: Vec<(String, String)>,
}

impl Check {
    async fn run(&self) -> Result<ExitCode, Failure> {
        let store = match self.at.engine() {
            Engine::Embedded => self.at.open_embedded(true)?,
            engine @ Engine::Etcd => self.at.open(engine).await?,
        };
        let codec = self.at.opening(&*store).await?;
        let mut pages = Pages::at_once(&*store);
        let (mut findings, mut progress) = (Findings::default(), Progress::new("keys looked at"));
        loop {
            let page = pages.next().await.map_err(unreadable)?;
            if page.is_empty() {
                break;
            }
            if let Some(unlocking) = codec.unlock(&mut page.iter().map(|kv| (&*kv.key, &*kv.value))) {
                unlocking.await;
            }
            page.iter().for_each(|kv| findings.look(&*codec, kv));
            progress.add(page.len(), pages.keys());
        }
        let all = summary(&*store).await.map_err(unreadable)?;
        self.print(&all, &findings)?;
        Ok(if findings.damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn print(&self, all: &Summary, Findings { stale, damaged }: &Findings) -> Result<(), Failure> {
        if self.output == Output::Json {
            let damaged: Vec<_> =
                damaged.iter().map(|(key, why)| json!({ "key": key, "why": why })).collect();
            return print::json(&json!({
                "revision": all.revision.0, "keys": all.keys, "digest": hex::encode(all.digest),
                "sealedOtherwise": stale, "damaged": damaged,
            }));
        }
        let mut text = format!("{}\n", told(all, ""));
        if *stale > 0 {
            text.push_str(&format!(
                "{stale} are sealed otherwise than they would be now: portcullis store reencrypt\n"
            ));
        }
        for (key, why) in damaged {
            text.push_str(&format!("damaged: {key}: {why}\n"));
        }
        print::text(&text)
    }
}

impl Findings {
    fn look(&mut self, codec: &dyn Codec, kv: &KeyValue) {
        let opened = codec.open(&kv.key, kv.value.clone()).map_err(|error| error.to_string());
        let object = opened.and_then(|value| {
            serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&value)
                .map(drop)
                .map_err(|_| "it is no object".to_owned())
        });
        self.damaged.extend(object.err().map(|why| (kv.key.to_string(), why)));
        self.stale += usize::from(codec.is_stale(&kv.key, &kv.value));
    }
}

impl Backup {
    async fn run(&self) -> Result<ExitCode, Failure> {
        let mut part = Part::new(&self.to)?;
        let live = match self.at.engine() {
            Engine::Embedded => online::ask(&self.at.dir()?.store_socket(), &mut part).await?,
            Engine::Etcd => false,
        };
        if !live {
            let store = self.at.open(self.at.engine()).await?;
            spool::save(&*store, &mut part).await?;
            close(&*store).await?;
        }
        let all = part.finish()?;
        print::text(&format!("{}\n", told(&all, "")))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    async fn run(&self) -> Result<ExitCode, Failure> {
        let what = || format!("{} cannot be restored", self.from.display());
        let all = DumpFile::open(&self.from).map_err(|error| Failure::caused(what(), &error))?;
        self.at.fill(self.at.engine(), &all).await
    }
}

impl Migrate {
    /// Everything goes through a file of its own, so that neither store's keys are ever in memory as a whole.
    async fn run(&self) -> Result<ExitCode, Failure> {
        if self.from == self.to {
            return Err(Failure::new("--from and --to name the same store"));
        }
        let dir = self.at.dir()?;
        dir.create()?;
        let path = dir.migration();
        let mut part = Part::again(&path)?;
        let source = self.at.open(self.from).await?;
        spool::save(&*source, &mut part).await?;
        close(&*source).await?;
        part.finish()?;
        let what = || format!("{} cannot be read", path.display());
        let all = DumpFile::open(&path).map_err(|error| Failure::caused(what(), &error))?;
        let done = self.at.fill(self.to, &all).await?;
        std::fs::remove_file(&path).map_err(|error| Failure::caused(what(), &error))?;
        Ok(done)
    }
}

impl At {
    async fn fill(&self, engine: Engine, all: &DumpFile) -> Result<ExitCode, Failure> {
        let failed = |error: StoreError| {
            Failure::caused("the store cannot be filled", &error)
                .fix("fill an empty one; what was begun in etcd goes on when the command is run again")
        };
        let wanted = all.summary();
        match engine {
            Engine::Embedded => {
                let dir = self.dir()?;
                dir.create()?;
                let options = Options::new(dir.store());
                Embedded::fill(&options, all).map_err(failed)?;
                let filled = Embedded::open(options).map_err(failed)?;
                if summary(&filled).await.map_err(failed)? != *wanted {
                    return Err(Failure::new("the store does not hold what was put into it"));
                }
                close(&filled).await?;
            }
            Engine::Etcd => {
                let mut progress = Progress::new("revisions made");
                let last = usize::try_from(wanted.revision.0).unwrap_or(usize::MAX);
                let told = |revision: Revision| {
                    progress.at(usize::try_from(revision.0).unwrap_or(usize::MAX), last);
                };
                self.open_etcd().await?.fill(all, told).await.map_err(failed)?;
            }
        }
        print::text(&format!("{}\n", told(wanted, "verified, ")))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl History {
    async fn run(&self) -> Result<ExitCode, Failure> {
        let store = self.at.open(self.at.engine()).await?;
        if let Some(revision) = self.revision {
            let found = store.get(&self.key, Some(Revision(revision))).await.map_err(unreadable)?;
            let kv =
                found.ok_or_else(|| Failure::new(format!("{} was not there at {revision}", self.key)))?;
            let codec = self.at.opening(&*store).await?;
            if let Some(unlocking) = codec.unlock(&mut std::iter::once((&*kv.key, &*kv.value))) {
                unlocking.await;
            }
            let value = codec.open(&kv.key, kv.value);
            let value = value.map_err(|error| Failure::caused("the value cannot be opened", &error))?;
            print::text(&format!("{}\n", String::from_utf8_lossy(&value)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut rows = vec![["REVISION", "WHAT", "BYTES", "REPLACED"].map(str::to_owned).to_vec()];
        let mut after = store.oldest_revision();
        loop {
            let found = match store.history(&self.key, after, 1000).await {
                Err(StoreError::Compacted { oldest, .. }) if oldest > after => {
                    after = oldest;
                    continue;
                }
                found => found.map_err(unreadable)?,
            };
            for change in found.changes.iter().filter(|change| *change.key == *self.key) {
                let what = if change.value.is_some() { "put" } else { "deleted" };
                let bytes = change.value.as_ref().map_or(0, bytes::Bytes::len);
                let replaced = change.previous.map_or_else(String::new, |revision| revision.to_string());
                rows.push(vec![change.revision.to_string(), what.to_owned(), bytes.to_string(), replaced]);
            }
            if found.reached <= after || found.reached >= store.current_revision() {
                break;
            }
            after = found.reached;
        }
        print::table(&rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Reencrypt {
    async fn run(&self) -> Result<ExitCode, Failure> {
        let store = self.at.open(self.at.engine()).await?;
        let codec = self.at.codec(&*store).await?;
        let mut progress = Progress::new("values looked at");
        let done = reseal(&*store, &*codec, |done| progress.at(done.seen, done.of)).await;
        let done = done.map_err(|error| {
            Failure::caused("not everything was sealed again", &error)
                .fix("run it again; it goes on where it ended")
        })?;
        close(&*store).await?;
        let (seen, written, unreadable) = (done.seen, done.written, done.unreadable);
        print::text(&format!("{written} of {seen} values sealed again, {unreadable} cannot be opened\n"))?;
        Ok(if unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn told(all: &Summary, how: &str) -> String {
    format!("{} keys at revision {}, {how}SHA-256 {}", all.keys, all.revision, hex::encode(all.digest))
}

async fn close(store: &dyn Store) -> Result<(), Failure> {
    store.close().await.map_err(|error| Failure::caused("the store was not closed cleanly", &error))
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unreadable(error: StoreError) -> Failure {
    Failure::caused("the store cannot be read", &error)
}
