//! `portcullis certs`: certificates of a data directory.
//!
//! `issue` makes a client certificate and wraps it in a kubeconfig; nothing of it is kept here. `list`
//! only looks. `renew` replaces stored certificates before their time.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use portcullis_pki::kubeconfig::{Credential, Kubeconfig};
use portcullis_pki::{Options, Overrides, Pki, Sites, renew_at};
use serde_json::{Value, json};

use super::ask::Asker;
use super::certificates::{Certificate, subject};
use super::options::Output;
use super::paths::DataDir;
use super::place::Place;
use super::state::State;
use super::{Failure, lifetime, print, serve, token};

const REVOCATIONS: &str = "/apis/identity.portcullis.io/v1/certificaterevocations";
/// A SHA-256 in hexadecimal; serial numbers are shorter.
const FINGERPRINT_DIGITS: usize = 64;
const MASTERS: &str = "system:masters";

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Issue a client certificate and print a kubeconfig with it.
    Issue(Issue),
    /// List the stored certificates and when they end.
    List(List),
    /// Renew stored certificates now.
    Renew(Renew),
    /// Revoke a certificate on a running server.
    Revoke(Revoke),
}

#[derive(Args, Debug)]
struct Issue {
    #[command(flatten)]
    place: Place,
    /// The user.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// A group of the user; may be given twice.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// How long it is valid: 90m, 8h, 30d.
    #[arg(long, value_name = "LIFETIME", default_value = "8h", value_parser = lifetime::parse)]
    ttl: SignedDuration,
    /// Merge into this kubeconfig instead of printing one.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The server's address; the running server's if not given.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    place: Place,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
struct Renew {
    #[command(flatten)]
    place: Place,
    /// The certificate; all if none is named. `portcullis certs list` shows their names.
    #[arg(value_name = "PROFILE")]
    profile: Option<String>,
}

#[derive(Args, Debug)]
struct Revoke {
    #[command(flatten)]
    place: Place,
    /// Its serial number, or its SHA-256 fingerprint, in hexadecimal digits.
    #[arg(value_name = "CERTIFICATE")]
    certificate: String,
    /// Why, for whoever reads the list.
    #[arg(long, value_name = "WORDS", default_value = "")]
    reason: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Issue(arguments) => issue(arguments)?,
        Command::List(arguments) => list(arguments)?,
        Command::Renew(arguments) => renew(arguments)?,
        Command::Revoke(arguments) => revoke(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn issue(wanted: &Issue) -> Result<(), Failure> {
    let dir = wanted.place.dir()?;
    let config = kubeconfig(&*open(&dir)?, wanted, server(wanted, &dir)?)?;
    if wanted.group.iter().any(|group| group == MASTERS) {
        tell(&format!("note: {MASTERS} is above all policy; nothing but the certificate's end revokes it"));
    }
    let fail = |error: portcullis_pki::Error| Failure::caused("the kubeconfig cannot be written", &error);
    let Some(path) = &wanted.kubeconfig else {
        return print::text(&config.to_yaml().map_err(fail)?);
    };
    let backup = config.merge_into(path, false).map_err(fail)?;
    tell(&format!("✓ context {} in {}", config.context, path.display()));
    if let Some(backup) = backup {
        tell(&format!("  the file as it was: {}", backup.display()));
    }
    Ok(())
}

fn kubeconfig(pki: &Pki, wanted: &Issue, server: String) -> Result<Kubeconfig, Failure> {
    let fail = |error: portcullis_pki::Error| Failure::caused("the certificate cannot be issued", &error);
    let overrides = Overrides {
        name: wanted.user.clone(),
        organizations: Some(wanted.group.clone()),
        lifetime: Some(wanted.ttl),
        ..Overrides::default()
    };
    let issued = pki.issue("user", &overrides).map_err(fail)?;
    let authority = pki.authority_pem("ca").map_err(fail)?;
    Ok(Kubeconfig::new("portcullis", &server, authority, &wanted.user, Credential::from(&issued)))
}

/// The address to write down: as asked, or where a server runs or last said it would.
fn server(wanted: &Issue, dir: &DataDir) -> Result<String, Failure> {
    if let Some(server) = &wanted.server {
        return Ok(server.clone());
    }
    if let Some(state) = State::read(dir) {
        return Ok(state.server);
    }
    let options = wanted.place.options()?;
    let host = options.bind_address.filter(|address| !address.is_unspecified());
    let host = host.map_or_else(
        || "127.0.0.1".to_owned(),
        |address| match address.is_ipv6() {
            true => format!("[{address}]"),
            false => address.to_string(),
        },
    );
    Ok(format!("https://{host}:{}", options.secure_port.filter(|port| *port != 0).unwrap_or(6443)))
}

fn list(wanted: &List) -> Result<(), Failure> {
    let dir = wanted.place.dir()?;
    let certificates = Certificate::all(&dir)?;
    if wanted.output == Output::Json {
        return print::json(&Value::Array(certificates.iter().map(Certificate::to_json).collect()));
    }
    if certificates.is_empty() {
        return print::text(&format!("no certificates in {}\n", dir.pki().display()));
    }
    let now = Timestamp::now();
    let head = ["PROFILE", "SUBJECT", "ENDS", "IN", "RENEWED"].map(str::to_owned).to_vec();
    let rows = certificates.iter().map(|certificate| {
        let leaf = &certificate.leaf;
        let renewed = if leaf.authority { "by hand".to_owned() } else { day(renew_at(leaf)) };
        vec![
            certificate.profile.to_owned(),
            subject(leaf),
            day(leaf.not_after),
            certificate.outlook(now),
            renewed,
        ]
    });
    print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn renew(wanted: &Renew) -> Result<(), Failure> {
    let dir = wanted.place.dir()?;
    let pki = open(&dir)?;
    let stored = Certificate::all(&dir)?;
    let leaves = stored.iter().filter(|certificate| !certificate.leaf.authority);
    let chosen: Vec<_> = match &wanted.profile {
        None => leaves.collect(),
        Some(name) => leaves.filter(|certificate| certificate.profile == *name).collect(),
    };
    if let (true, Some(name)) = (chosen.is_empty(), &wanted.profile) {
        return Err(Failure::new(format!("no certificate {name:?} can be renewed"))
            .fix("portcullis certs list shows the names; authorities are never renewed this way"));
    }
    for certificate in chosen {
        let what = || format!("{} cannot be renewed", certificate.path.display());
        pki.renew(certificate.profile).map_err(|error| Failure::caused(what(), &error))?;
        print::text(&format!("✓ {}\n", certificate.path.display()))?;
    }
    if State::running(&dir).is_some() {
        tell("note: the running server shows its new certificate after a restart");
    }
    Ok(())
}

fn revoke(wanted: &Revoke) -> Result<(), Failure> {
    let digits: String = wanted.certificate.chars().filter(|c| *c != ':').collect::<String>().to_lowercase();
    let spec = match digits.len() {
        FINGERPRINT_DIGITS => json!({ "fingerprint": digits, "reason": wanted.reason }),
        _ => json!({ "serialNumber": digits, "reason": wanted.reason }),
    };
    // The same certificate is revoked once, however often it is asked for.
    let revocation = json!({
        "apiVersion": "identity.portcullis.io/v1", "kind": "CertificateRevocation",
        "metadata": { "name": digits }, "spec": spec,
    });
    serve::runtime()?.block_on(async {
        let mut asker = Asker::connect(&wanted.place.dir()?).await?;
        let answer = asker.send(Method::POST, REVOCATIONS, Some(&revocation)).await?;
        token::expect(answer, "the certificate is not revoked").map(drop)
    })?;
    print::text(&format!("✓ {digits} is revoked\n"))
}

/// Opens an existing directory; a missing one is not made here.
fn open(dir: &DataDir) -> Result<Arc<Pki>, Failure> {
    if !dir.pki().join("ca.key").exists() {
        return Err(Failure::new(format!("there is no certificate authority in {}", dir.pki().display()))
            .fix("start a server once (portcullis up), or name its data directory with --data-dir"));
    }
    let sites = sites(dir)?;
    let opened = Pki::open_or_issue(dir.path(), Options { sites, token_algorithm: None });
    opened.map(Arc::new).map_err(|error| Failure::caused("the certificates cannot be opened", &error))
}

/// The places the serving certificate names already, so that a renewal keeps them.
fn sites(dir: &DataDir) -> Result<Sites, Failure> {
    let certificates = Certificate::all(dir)?;
    let serving = certificates.into_iter().find(|certificate| certificate.profile == "apiserver");
    let (addresses, hostnames) =
        serving.map(|found| (found.leaf.addresses, found.leaf.dns_names)).unwrap_or_default();
    Ok(Sites { service_address: None, addresses, hostnames, ..Sites::default() })
}

fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// Says something beside what is printed, which may be a kubeconfig.
fn tell(text: &str) {
    use std::io::Write as _;
    // Nowhere is left to report a closed standard error.
    let _ = writeln!(std::io::stderr(), "{text}");
}
