//! Upstream's one-line text format.

use std::fmt::Write as _;

use portcullis_api::field::go_quote;

use crate::event::Event;

/// Appends an event without a line's end.
pub(super) fn write(event: &Event, line: &mut Vec<u8>) {
    let (opening, story) = (&*event.opening, &event.story);
    let user = story.user.as_ref().filter(|user| !user.name.is_empty());
    let groups = user.map(|user| quoted(&user.groups)).filter(|groups| !groups.is_empty());
    let target = opening.info.resource();
    let namespace = target.map_or("", |target| &*target.namespace);
    let ip = opening.source_ips().next().map_or_else(|| "<unknown>".to_owned(), |ip| ip.to_string());
    let agent = opening.user_agent.as_ref().map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let asked = story.impersonated.as_ref();
    let fields = [
        ("id", go_quote(&opening.audit_id)),
        ("stage", go_quote(event.stage.as_str())),
        ("ip", go_quote(&ip)),
        ("method", go_quote(opening.info.verb.as_str())),
        ("user", go_quote(user.map_or("<none>", |user| &user.name))),
        ("groups", go_quote(groups.as_deref().unwrap_or("<none>"))),
        ("as", go_quote(asked.map_or("<self>", |user| &user.name))),
        ("asgroups", go_quote(&asked.map_or_else(|| "<lookup>".to_owned(), |user| quoted(&user.groups)))),
        ("user-agent", go_quote(&agent.unwrap_or_default())),
        ("namespace", go_quote(if namespace.is_empty() { "<none>" } else { namespace })),
        ("uri", go_quote(&crate::json::shown_uri(&opening.uri))),
    ];
    let mut text = format!("{} AUDIT:", opening.received);
    for (name, value) in fields {
        // Writing to a string cannot fail.
        let _ = write!(text, " {name}={value}");
    }
    let _ = match &event.outcome {
        Some(outcome) => write!(text, " response=\"{}\"", outcome.code.as_u16()),
        None => write!(text, " response=\"<deferred>\""),
    };
    line.extend(text.bytes());
}

fn quoted(groups: &[std::sync::Arc<str>]) -> String {
    groups.iter().map(|group| go_quote(group)).collect::<Vec<_>>().join(",")
}
