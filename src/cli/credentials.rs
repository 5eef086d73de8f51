//! `portcullis credentials`: the ledger of a running server, and taking back what is in it.
//!
//! `list` shows every certificate and token that was issued and is still good. `revoke` takes one back by the id that
//! the list and audit events have, or all tokens of a service account up to now.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ask::Asker;
use super::options::Output;
use super::place::Place;
use super::token::expect;
use super::{Failure, paging, print, serve};

const GROUP: &str = "/apis/identity.portcullis.io/v1";

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the credentials that were issued and are still good.
    List(List),
    /// Take one credential back, or all tokens of a service account.
    Revoke(Revoke),
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    place: Place,
    /// Only those that stand for this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only those that this user asked for.
    #[arg(long, value_name = "NAME")]
    issued_by: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
struct Revoke {
    #[command(flatten)]
    place: Place,
    /// Its id: JTI=…, X509SHA256=… or UserToken=…, or the name of its record.
    #[arg(value_name = "CREDENTIAL", required_unless_present = "service_account")]
    credential: Option<String>,
    /// All tokens of a service account that were issued until now, as NAMESPACE/NAME.
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "credential", value_parser = account)]
    service_account: Option<(String, String)>,
    /// Why, for whoever reads the list.
    #[arg(long, value_name = "WORDS", default_value = "")]
    reason: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let runtime = serve::runtime()?;
    match &arguments.command {
        Command::List(wanted) => runtime.block_on(list(wanted))?,
        Command::Revoke(wanted) => runtime.block_on(revoke(wanted))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn account(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write it as NAMESPACE/NAME".to_owned()),
    }
}

async fn list(wanted: &List) -> Result<(), Failure> {
    let mut asker = Asker::connect(&wanted.place.dir()?).await?;
    let records = records(&mut asker).await?;
    let fits = |record: &&Value, field: &str, asked: &Option<String>| {
        asked.as_ref().is_none_or(|asked| word(record, field) == *asked)
    };
    let shown: Vec<&Value> = records
        .iter()
        .filter(|record| fits(record, "user", &wanted.user) && fits(record, "issuedBy", &wanted.issued_by))
        .collect();
    if wanted.output == Output::Json {
        return print::json(&json!(shown));
    }
    let head = ["CREDENTIAL", "TYPE", "USER", "ISSUED BY", "ENDS", "BOUND TO"].map(str::to_owned).to_vec();
    let now = Timestamp::now();
    let rows = shown.iter().flat_map(|record| rows(record, now));
    print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

async fn records(asker: &mut Asker) -> Result<Vec<Value>, Failure> {
    let page = async |path: String| {
        expect(asker.send(Method::GET, &path, None).await?, "the credentials cannot be listed")
    };
    paging::items(&format!("{GROUP}/issuedcredentials"), page).await
}

/// One line for each credential that the record names, and one for how many it does not.
fn rows(record: &Value, now: Timestamp) -> Vec<Vec<String>> {
    let bound = record.pointer("/spec/boundTo");
    let bound = bound.map_or_else(String::new, |bound| {
        let part = |name: &str| bound.get(name).and_then(Value::as_str).unwrap_or_default();
        format!("{} {}", part("kind"), part("name"))
    });
    let issuer = match word(record, "issuedBy") {
        issuer if issuer.is_empty() => "(server)".to_owned(),
        issuer => issuer,
    };
    let row = |id: String, ends: &str| {
        let ended = ends.parse::<Timestamp>().is_ok_and(|end| end <= now);
        let ends = if ended { "ended" } else { ends };
        let texts =
            [word(record, "type"), word(record, "user"), issuer.clone(), ends.to_owned(), bound.clone()];
        std::iter::once(id).chain(texts).collect::<Vec<_>>()
    };
    let text =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut rows = vec![row(word(record, "credentialID"), &word(record, "expirationTimestamp"))];
    let earlier = record.pointer("/spec/earlier").and_then(Value::as_array);
    for one in earlier.into_iter().flatten() {
        rows.push(row(text(one, "credentialID"), &text(one, "expirationTimestamp")));
    }
    let unnamed = record.pointer("/spec/earlierUnnamed").and_then(Value::as_i64).unwrap_or_default();
    if unnamed > 0 {
        rows.push(row(format!("(and {unnamed} before)"), ""));
    }
    rows
}

async fn revoke(wanted: &Revoke) -> Result<(), Failure> {
    let mut asker = Asker::connect(&wanted.place.dir()?).await?;
    if let Some((namespace, name)) = &wanted.service_account {
        let spec =
            json!({ "serviceAccount": { "namespace": namespace, "name": name }, "reason": wanted.reason });
        let metadata = json!({ "generateName": format!("{name}-") });
        take_back(&mut asker, "tokenrevocations", "TokenRevocation", metadata, spec).await?;
        return print::text(&format!("✓ all tokens of {namespace}/{name} issued until now are revoked\n"));
    }
    let given = wanted.credential.as_deref().unwrap_or_default();
    let id = if given.contains('=') { given.to_owned() } else { id_of(&mut asker, given).await? };
    match id.split_once('=') {
        Some(("JTI", jti)) => {
            let metadata = json!({ "name": format!("jti-{}", jti.to_lowercase()) });
            let spec = json!({ "credentialID": id, "reason": wanted.reason });
            take_back(&mut asker, "tokenrevocations", "TokenRevocation", metadata, spec).await?;
        }
        Some(("X509SHA256", fingerprint)) => {
            let spec = json!({ "fingerprint": fingerprint, "reason": wanted.reason });
            let metadata = json!({ "name": fingerprint });
            take_back(&mut asker, "certificaterevocations", "CertificateRevocation", metadata, spec).await?;
        }
        Some(("UserToken", _)) => delete_token(&mut asker, &id).await?,
        _ => {
            return Err(Failure::new(format!("{id:?} is no id of a credential"))
                .fix("portcullis credentials list shows the ids"));
        }
    }
    print::text(&format!("✓ {id} is revoked\n"))
}

/// The credential of a record, if it is the record's only one.
async fn id_of(asker: &mut Asker, name: &str) -> Result<String, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Failure::new("this is neither an id nor the name of a record"));
    }
    let path = format!("{GROUP}/issuedcredentials/{name}");
    let record = expect(asker.send(Method::GET, &path, None).await?, "there is no such record")?;
    if record.pointer("/spec/earlier").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err(Failure::new(format!("{name} stands for several tokens of a pod"))
            .fix("name one by its id, take all of its account back (--service-account), or delete the pod"));
    }
    Ok(word(&record, "credentialID"))
}

async fn take_back(
    asker: &mut Asker,
    resource: &str,
    kind: &str,
    metadata: Value,
    spec: Value,
) -> Result<(), Failure> {
    let object = json!({ "apiVersion": "identity.portcullis.io/v1", "kind": kind, "metadata": metadata, "spec": spec });
    let answer = asker.send(Method::POST, &format!("{GROUP}/{resource}"), Some(&object)).await?;
    expect(answer, "the credential is not revoked").map(drop)
}

/// A user token is revoked by deleting it.
async fn delete_token(asker: &mut Asker, id: &str) -> Result<(), Failure> {
    let records = records(asker).await?;
    let found = records.iter().find(|record| word(record, "credentialID") == id);
    let name = found.and_then(|record| record.pointer("/spec/origin/name")).and_then(Value::as_str);
    let name = name.ok_or_else(|| Failure::new(format!("no user token is {id}")))?;
    let answer = asker.send(Method::DELETE, &format!("{GROUP}/usertokens/{name}"), None).await?;
    expect(answer, "the token is not revoked").map(drop)
}

fn word(record: &Value, field: &str) -> String {
    record.get("spec").and_then(|spec| spec.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_credential_of_a_record_has_a_line() {
        let record = json!({"spec": {
            "type": "ServiceAccountToken", "credentialID": "JTI=3", "user": "u", "expirationTimestamp": "2999-01-01T00:00:00Z",
            "boundTo": {"kind": "Pod", "name": "p"}, "earlierUnnamed": 7,
            "earlier": [{"credentialID": "JTI=2", "expirationTimestamp": "2000-01-01T00:00:00Z"}],
        }});
        let rows = rows(&record, Timestamp::now());
        let firsts: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(firsts, ["JTI=3", "JTI=2", "(and 7 before)"]);
        assert_eq!((&*rows[0][3], &*rows[1][4], &*rows[0][5]), ("(server)", "ended", "Pod p"));
    }

    #[test]
    fn accounts_are_named_with_their_namespace() {
        assert_eq!(account("a/b").unwrap(), ("a".to_owned(), "b".to_owned()));
        for bad in ["", "a", "/b", "a/"] {
            assert!(account(bad).is_err(), "{bad}");
        }
    }
}
