//! Addresses on the web, read as Go reads the target of a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::Native;
use super::format::go_quoted;
use crate::error::Fault;
use crate::meter::{MAKE, Meter};
use crate::value::{Entries, Key, Map, Opaque, Text, Val};

/// An address on the web.
#[derive(Clone, Debug)]
pub struct Url {
    text: String,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

impl Url {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Reads an absolute address or path; a fragment is part of what it stands in.
    pub(super) fn parse_request(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("parse {}: {why}", go_quoted(text));
        if text.chars().any(|char| char.is_ascii_control()) {
            return Err(refuse("net/url: invalid control character in URL"));
        }
        if text.is_empty() {
            return Err(refuse("empty url"));
        }
        let (scheme, rest) = scheme(text).map_err(&refuse)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !rest.starts_with('/') {
            if scheme.is_empty() {
                return Err(refuse("invalid URI for request"));
            }
            let (path, host) = (rest.to_owned(), String::new());
            return Ok(Self { text: text.to_owned(), scheme, host, path, query: query.to_owned() });
        }
        let triple = rest.starts_with("///");
        let (host, path) = match rest.strip_prefix("//").filter(|_| !scheme.is_empty() || !triple) {
            Some(rest) => rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, "")),
            None => ("", rest),
        };
        let host = authority(host).map_err(|why| refuse(&why))?;
        if let Some(bad) = bad_escape(path) {
            return Err(refuse(&format!("invalid URL escape {}", go_quoted(bad))));
        }
        Ok(Self { text: text.to_owned(), scheme, host, path: path.to_owned(), query: query.to_owned() })
    }

    fn host_name(&self) -> &str {
        match self.host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, _)) => name,
            None => self.host.split_once(':').map_or(&*self.host, |(name, _)| name),
        }
    }

    fn port(&self) -> &str {
        let rest = self.host.split_once(']').map_or(&*self.host, |(_, rest)| rest);
        rest.split_once(':').map_or("", |(_, port)| port)
    }

    /// The path with everything escaped that must be.
    fn escaped_path(&self) -> String {
        utf8_percent_encode(&self.path, PATH).to_string()
    }
}

/// What a path may not hold as it is; its escapes stay.
const PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

fn scheme(text: &str) -> Result<(String, &str), &'static str> {
    for (at, char) in text.char_indices() {
        match char {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme"),
            ':' => {
                let (scheme, rest) = text.split_at_checked(at).unwrap_or((text, ""));
                return Ok((scheme.to_ascii_lowercase(), rest.get(1..).unwrap_or_default()));
            }
            _ => break,
        }
    }
    Ok((String::new(), text))
}

/// The host with its port, without what identifies the user.
fn authority(text: &str) -> Result<String, String> {
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let after = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("missing ']' in host")?.1,
        None => host.find(':').and_then(|at| host.get(at..)).unwrap_or(""),
    };
    let digits = after.strip_prefix(':').unwrap_or(after);
    if !digits.chars().all(|char| char.is_ascii_digit()) {
        return Err(format!("invalid port {} after host", go_quoted(after)));
    }
    let bad = |char: char| " \"<>\\^`{|}".contains(char);
    if let Some(found) = host.chars().find(|char| bad(*char)) {
        return Err(format!("invalid character {} in host name", go_quoted(&found.to_string())));
    }
    if let Some(bad) = bad_escape(host) {
        return Err(format!("invalid URL escape {}", go_quoted(bad)));
    }
    Ok(percent_decode_str(host).decode_utf8_lossy().into_owned())
}

/// A percent sign without two digits behind it.
fn bad_escape(text: &str) -> Option<&str> {
    text.match_indices('%').find_map(|(at, _)| {
        let digits = text.get(at + 1..at + 3);
        let fine = digits.is_some_and(|digits| digits.chars().all(|char| char.is_ascii_hexdigit()));
        let end = (at + 3).min(text.len());
        if fine { None } else { text.get(at..end).or_else(|| text.get(at..)) }
    })
}

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "url" => |args, meter| match args {
            [Val::String(text)] => {
                meter.work_of(text.as_str().len(), 4)?;
                let url = Url::parse_request(text.as_str());
                let url = url.map_err(|error| {
                    Fault::new(format!("URL parse error during conversion from string: {error}"))
                })?;
                Ok(Val::Opaque(Opaque::Url(Arc::new(url))))
            }
            _ => Err(Fault::Arguments),
        },
        "isURL" => |args, meter| match args {
            [Val::String(text)] => {
                meter.work_of(text.as_str().len(), 4)?;
                Ok(Val::Bool(Url::parse_request(text.as_str()).is_ok()))
            }
            _ => Err(Fault::Arguments),
        },
        "getScheme" => |args, meter| part(args, meter, |url| url.scheme.clone()),
        "getHost" => |args, meter| part(args, meter, |url| url.host.clone()),
        "getHostname" => |args, meter| part(args, meter, |url| url.host_name().to_owned()),
        "getPort" => |args, meter| part(args, meter, |url| url.port().to_owned()),
        "getEscapedPath" => |args, meter| part(args, meter, Url::escaped_path),
        "getQuery" => query,
        _ => return None,
    })
}

fn part<'v>(args: &[Val<'v>], meter: &mut Meter, take: fn(&Url) -> String) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Opaque(Opaque::Url(url))] => {
            meter.work_of(url.text.len(), 4)?;
            Ok(Val::text(take(url)))
        }
        _ => Err(Fault::Arguments),
    }
}

fn query<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::Opaque(Opaque::Url(url))] = args else { return Err(Fault::Arguments) };
    meter.work_of(url.query.len(), MAKE)?;
    let mut found: BTreeMap<String, Vec<Val<'v>>> = BTreeMap::new();
    for pair in url.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if bad_escape(key).is_none() && bad_escape(value).is_none() {
            found.entry(decoded(key)).or_default().push(Val::text(decoded(value)));
        }
    }
    let entries: Entries<'v> = found
        .into_iter()
        .map(|(key, values)| {
            let key = Text::Shared(key.into());
            (Key::Text(key.clone()), (Val::String(key), Val::list(values)))
        })
        .collect();
    Ok(Val::Map(Map::Shared(entries.into())))
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
