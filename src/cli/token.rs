//! `portcullis token`: tokens of people and programs on a running server.
//!
//! `issue` prints the token, once. `list` shows which there are and when each was last used. `revoke` ends
//! one, with every stream it opened.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::ask::Asker;
use super::options::Output;
use super::place::Place;
use super::{Failure, lifetime, print, serve};

const COLLECTION: &str = "/apis/identity.portcullis.io/v1/usertokens";

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Issue a token and print it; it is not shown again.
    Issue(Issue),
    /// List the tokens, and when each was last used.
    List(List),
    /// Revoke a token and end its streams.
    Revoke(Revoke),
}

#[derive(Args, Debug)]
struct Issue {
    #[command(flatten)]
    place: Place,
    /// The user the token stands for.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// A group of the user; may be given more than once.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// How long it is valid: 90m, 8h, 30d.
    #[arg(long, value_name = "LIFETIME", default_value = "30d", value_parser = lifetime::parse)]
    ttl: SignedDuration,
    /// What it may be used for, as `VERBS:RESOURCES[:NAMESPACES]`, each a list with commas
    /// (get,list:pods,deployments.apps:team-a), or VERBS:/PATH. May be given more than once; without it
    /// the token may do whatever its user may.
    #[arg(long, value_name = "SCOPE", value_parser = scopes)]
    scope: Vec<Scopes>,
    /// The name of the token's object; made up if not given.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How to print: the token alone, or the whole object.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
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
struct Revoke {
    #[command(flatten)]
    place: Place,
    /// The name of the token's object.
    #[arg(value_name = "TOKEN")]
    name: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let runtime = serve::runtime()?;
    match &arguments.command {
        Command::Issue(wanted) => runtime.block_on(issue(wanted))?,
        Command::List(wanted) => runtime.block_on(list(wanted))?,
        Command::Revoke(wanted) => runtime.block_on(revoke(wanted))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn issue(wanted: &Issue) -> Result<(), Failure> {
    let metadata = match &wanted.name {
        Some(name) => json!({ "name": name }),
        None => json!({ "generateName": stem(&wanted.user) }),
    };
    let scopes: Vec<&Value> = wanted.scope.iter().flat_map(|Scopes(scopes)| scopes).collect();
    let token = json!({
        "apiVersion": "identity.portcullis.io/v1", "kind": "UserToken", "metadata": metadata,
        "spec": {
            "user": wanted.user, "groups": wanted.group, "scopes": scopes,
            "expirationSeconds": wanted.ttl.as_secs(),
        },
    });
    let mut asker = Asker::connect(&wanted.place.dir()?).await?;
    let created =
        expect(asker.send(Method::POST, COLLECTION, Some(&token)).await?, "the token is not issued")?;
    if wanted.output == Output::Json {
        return print::json(&created);
    }
    let secret = created.pointer("/status/token").and_then(Value::as_str).unwrap_or_default();
    print::text(&format!("{secret}\n"))
}

async fn list(wanted: &List) -> Result<(), Failure> {
    let mut asker = Asker::connect(&wanted.place.dir()?).await?;
    let all = expect(asker.send(Method::GET, COLLECTION, None).await?, "the tokens cannot be listed")?;
    let items = all.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if wanted.output == Output::Json {
        return print::json(&Value::Array(items));
    }
    let head =
        ["NAME", "USER", "GROUPS", "SCOPES", "ENDS", "LAST USED", "ISSUED BY"].map(str::to_owned).to_vec();
    let now = Timestamp::now();
    let rows = items.iter().map(|item| row(item, now));
    print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn row(token: &Value, now: Timestamp) -> Vec<String> {
    let text = |at: &str| token.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let many = |at: &str| token.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default();
    let groups: Vec<String> =
        many("/spec/groups").iter().filter_map(|g| g.as_str().map(str::to_owned)).collect();
    let scopes = many("/spec/scopes").len();
    let ends = text("/status/expirationTimestamp");
    let expired = ends.parse::<Timestamp>().is_ok_and(|end| end <= now);
    let or = |given: String, other: &str| if given.is_empty() { other.to_owned() } else { given };
    vec![
        text("/metadata/name"),
        text("/spec/user"),
        or(groups.join(","), "-"),
        if scopes == 0 { "all".to_owned() } else { scopes.to_string() },
        if expired { "expired".to_owned() } else { ends },
        or(text("/status/lastUsedTimestamp"), "never"),
        text("/status/issuedBy"),
    ]
}

async fn revoke(wanted: &Revoke) -> Result<(), Failure> {
    let mut asker = Asker::connect(&wanted.place.dir()?).await?;
    let path = format!("{COLLECTION}/{}", wanted.name);
    expect(asker.send(Method::DELETE, &path, None).await?, "the token is not revoked")?;
    print::text(&format!("✓ {} is revoked\n", wanted.name))
}

/// The answer's object, or the server's own words for why there is none.
pub(super) fn expect(answer: (StatusCode, bytes::Bytes), what: &str) -> Result<Value, Failure> {
    let (status, body) = answer;
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(value);
    }
    let words =
        value.get("message").and_then(Value::as_str).unwrap_or("the server gave no reason").to_owned();
    let failure = Failure::because(what, words);
    Err(match status {
        StatusCode::NOT_FOUND => failure.fix("start the server with --user-tokens (portcullis up does)"),
        _ => failure,
    })
}

/// Words of a user's name that an object's name may begin with.
fn stem(user: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let stem: String = user.chars().map(plain).take(40).collect();
    match stem.trim_matches('-') {
        "" => "token-".to_owned(),
        stem => format!("{stem}-"),
    }
}

/// The scopes that one flag names: one for each API group.
#[derive(Clone, Debug)]
struct Scopes(Vec<Value>);

fn scopes(text: &str) -> Result<Scopes, String> {
    let bad = || {
        format!("{text:?} is no scope; write it like get,list:pods,deployments.apps:team-a or get:/metrics")
    };
    let mut parts = text.splitn(3, ':');
    let (verbs, what) = (parts.next().unwrap_or_default(), parts.next().ok_or_else(bad)?);
    let words = |list: &str| -> Vec<String> {
        list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (verbs, whats) = (words(verbs), words(what));
    let namespaces = parts.next().map(words).unwrap_or_default();
    if verbs.is_empty() || whats.is_empty() {
        return Err(bad());
    }
    if whats.iter().all(|what| what.starts_with('/')) {
        return Ok(Scopes(vec![json!({"verbs": verbs, "nonResourceURLs": whats})]));
    }
    let mut by_group = std::collections::BTreeMap::<String, Vec<String>>::new();
    for what in &whats {
        let (resource, sub) = what.split_once('/').unwrap_or((what, ""));
        let (resource, group) = match resource {
            "*" => ("*", "*"),
            named => named.split_once('.').unwrap_or((named, "")),
        };
        let slash = if sub.is_empty() { "" } else { "/" };
        by_group.entry(group.to_owned()).or_default().push(format!("{resource}{slash}{sub}"));
    }
    let scope = |(group, resources)| json!({"verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": namespaces});
    Ok(Scopes(by_group.into_iter().map(scope).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_by_group() {
        let Scopes(read) = scopes("get,list:pods,pods/log,deployments.apps/scale:a,b").unwrap();
        let of = |group: &str, resources: &[&str]| json!({"verbs": ["get", "list"], "apiGroups": [group], "resources": resources, "namespaces": ["a", "b"]});
        assert_eq!(read, [of("", &["pods", "pods/log"]), of("apps", &["deployments/scale"])]);
        let Scopes(read) = scopes("*:*").unwrap();
        assert_eq!(read, [json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": []})]);
        let Scopes(read) = scopes("get:/metrics").unwrap();
        assert_eq!(read, [json!({"verbs": ["get"], "nonResourceURLs": ["/metrics"]})]);
        for bad in ["", "get", "get:", ":pods"] {
            assert!(scopes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_begin_with_the_user() {
        assert_eq!((&*stem("Jane@example.org"), &*stem("!!")), ("jane-example-org-", "token-"));
    }
}
