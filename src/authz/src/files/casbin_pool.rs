//! casbin decides on the rules that an index found.
//!
//! The model is `policies/model.conf`: a fixed matcher over our own functions. None of casbin's own functions is
//! called (they panic on some texts or take unbounded time), nothing is read from CSV, and no enforcer remembers
//! a decision. An enforcer is made once, and filled anew for each decision with the few rules to weigh: casbin
//! scans all it holds. With no rule it is not asked, since it would weigh an empty one.

use std::iter;
use std::sync::LazyLock;

use casbin::function_map::OperatorFunction;
use casbin::rhai::{Dynamic, ImmutableString};
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter};
use futures::FutureExt;
use parking_lot::Mutex;
use portcullis_api::UserInfo;

use super::labels::NamespaceLabels;
use super::pattern::{LIST, Pattern, STRAY, matches_encoded};
use super::rule::{Effect, Rule, Who, whole};
use super::selection;
use crate::attributes::{Attributes, Subject};

/// The model that auditors read.
const MODEL: &str = include_str!("../../../../policies/model.conf");
/// The scope of what lies in no namespace.
const OUTSIDE: &str = "outside";
/// How many idle enforcers are kept.
const KEPT: usize = 16;

/// Idle enforcers.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Enforcer>>);

/// A rule as casbin reads it: the columns of one text. There may be very many rules, each somewhere in memory.
pub(super) struct Row {
    text: Box<str>,
    /// Where each column ends.
    ends: [u32; COLUMNS],
}

/// How many columns the model has.
const COLUMNS: usize = 11;

impl Pool {
    /// Whether casbin allows a request by these rules, in this order.
    ///
    /// # Errors
    /// When it cannot tell.
    pub(super) fn allows<'r>(
        &self,
        rows: impl Iterator<Item = &'r Row>,
        user: &UserInfo,
        asked: &Attributes<'_>,
        labels: &NamespaceLabels,
    ) -> Result<bool, String> {
        let idle = self.0.lock().pop();
        let mut enforcer = match idle {
            Some(enforcer) => enforcer,
            None => enforcer()?,
        };
        let model = enforcer.get_mut_model();
        model.clear_policy();
        let mut filled = false;
        for row in rows {
            filled |= model.add_policy("p", "p", row.columns());
        }
        let verdict = if filled {
            enforcer.enforce(request(user, asked, labels)).map_err(|error| error.to_string())
        } else {
            Ok(false)
        };
        let mut kept = self.0.lock();
        if kept.len() < KEPT {
            kept.push(enforcer);
        }
        verdict
    }
}

impl Row {
    fn new(columns: [String; COLUMNS]) -> Self {
        let mut text = String::new();
        let ends = columns.map(|column| {
            text.push_str(&column);
            u32::try_from(text.len()).unwrap_or(u32::MAX)
        });
        Self { text: text.into(), ends }
    }

    fn columns(&self) -> Vec<String> {
        let ends = self.ends.iter().map(|end| usize::try_from(*end).unwrap_or(usize::MAX));
        let begins = iter::once(0).chain(ends.clone());
        begins.zip(ends).map(|(from, to)| self.text.get(from..to).unwrap_or_default().to_owned()).collect()
    }
}

/// A rule as casbin reads it; the number keeps equal rules apart.
pub(super) fn row(number: usize, rule: &Rule) -> Row {
    let list = |patterns: &[Pattern]| join(patterns.iter().map(Pattern::encode));
    let (groups, resources, namespaces, names) = match &rule.resources {
        None => Default::default(),
        Some(r) => (list(&r.groups), list(&r.resources), list(&r.namespaces), list(&r.names)),
    };
    let side = |pattern: &Option<Pattern>| pattern.as_ref().map_or_else(|| "~*".to_owned(), Pattern::encode);
    let who = rule.subjects.iter().filter(|who| who.user.is_some() || who.group.is_some());
    // Each subject is two items: the user, and the group or nothing.
    let sides = |who: &Who| [side(&who.user), who.group.as_ref().map(Pattern::encode).unwrap_or_default()];
    let labels =
        join(rule.namespace_labels.iter().map(|(key, pattern)| format!("{key}{}", pattern.encode())));
    Row::new([
        number.to_string(),
        join(who.flat_map(sides)),
        list(&rule.verbs),
        groups,
        resources,
        namespaces,
        names,
        list(&rule.paths),
        labels,
        rule.selection.encode(),
        rule.effect.as_str().to_owned(),
    ])
}

fn request(user: &UserInfo, asked: &Attributes<'_>, labels: &NamespaceLabels) -> Vec<ImmutableString> {
    let (group, resource, name, path) = match &asked.subject {
        Subject::Path(path) => ("", plain(""), "", plain(path)),
        Subject::Resource(asked) => (asked.group, plain(&whole(asked)), asked.name, plain("")),
    };
    let namespace = asked.namespace();
    let known = labels.of(namespace).map(|all| join(all.iter().map(|(k, v)| plain(&format!("{k}={v}")))));
    let scope = match &asked.subject {
        Subject::Path(_) => "path",
        Subject::Resource(resource) if labels.is_outside(resource) => OUTSIDE,
        Subject::Resource(_) => "resource",
    };
    vec![
        plain(&user.name),
        join(user.groups.iter().map(|group| plain(group))).into(),
        plain(asked.verb),
        scope.into(),
        plain(group),
        resource,
        plain(namespace),
        plain(name),
        path,
        known.map_or_else(|| UNKNOWN.clone(), ImmutableString::from),
        match selection::encode(asked) {
            none if none.is_empty() => NOTHING.clone(),
            pins => pins.into(),
        },
    ]
}

/// What stands for labels that are not known.
static UNKNOWN: LazyLock<ImmutableString> = LazyLock::new(|| STRAY.to_string().into());
/// Most of what is asked for is empty.
static NOTHING: LazyLock<ImmutableString> = LazyLock::new(ImmutableString::default);

/// A text that cannot be taken for several.
fn plain(text: &str) -> ImmutableString {
    if text.is_empty() {
        NOTHING.clone()
    } else if text.contains(LIST) {
        text.replace(LIST, "\u{fffd}").into()
    } else {
        text.into()
    }
}

fn join<T: AsRef<str>>(items: impl Iterator<Item = T>) -> String {
    // Each item is preceded by the separator, so that no item differs from one that is empty.
    items.fold(String::new(), |mut all, item| {
        all.push(LIST);
        all.push_str(item.as_ref());
        all
    })
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(LIST).skip(1)
}

fn enforcer() -> Result<Enforcer, String> {
    let ready = async {
        let model = DefaultModel::from_str(MODEL).await?;
        let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await?;
        enforcer.add_function("who", OperatorFunction::Arg3(who));
        enforcer.add_function("one", OperatorFunction::Arg2(one));
        enforcer.add_function("place", OperatorFunction::Arg5(place));
        enforcer.add_function("named", OperatorFunction::Arg4(named));
        enforcer.add_function("labelled", OperatorFunction::Arg5(labelled));
        enforcer.add_function("pinned", OperatorFunction::Arg2(pinned));
        Ok::<_, casbin::Error>(enforcer)
    };
    // Nothing is waited for: model and rules are in memory.
    match ready.now_or_never() {
        Some(made) => made.map_err(|error| error.to_string()),
        None => Err("an enforcer was not ready at once".to_owned()),
    }
}

/// A text of casbin's; anything else is no text of ours and matches nothing.
fn text(value: Dynamic) -> ImmutableString {
    value.into_immutable_string().unwrap_or_else(|_| STRAY.to_string().into())
}

/// `who(user, groups, subjects)`
fn who(user: Dynamic, groups: Dynamic, subjects: Dynamic) -> Dynamic {
    let (user, groups, subjects) = (text(user), text(groups), text(subjects));
    let mut sides = split(&subjects);
    while let (Some(wanted), Some(member)) = (sides.next(), sides.next()) {
        let is_member = || member.is_empty() || split(&groups).any(|group| matches_encoded(member, group));
        if matches_encoded(wanted, &user) && is_member() {
            return true.into();
        }
    }
    false.into()
}

fn one(patterns: Dynamic, asked: Dynamic) -> Dynamic {
    any(&text(patterns), &text(asked)).into()
}

/// `place(patterns, namespace, verb, effect, scope)`
fn place(patterns: Dynamic, namespace: Dynamic, verb: Dynamic, effect: Dynamic, scope: Dynamic) -> Dynamic {
    let (namespace, refuses) = (text(namespace), text(effect) == Effect::Deny.as_str());
    let widely = refuses && namespace.is_empty() && is_many(&text(verb)) && text(scope) != OUTSIDE;
    (widely || any(&text(patterns), &namespace)).into()
}

/// `named(patterns, name, verb, effect)`
fn named(patterns: Dynamic, name: Dynamic, verb: Dynamic, effect: Dynamic) -> Dynamic {
    let (name, verb, refuses) = (text(name), text(verb), text(effect) == Effect::Deny.as_str());
    let nameless = refuses && name.is_empty() && (is_many(&verb) || verb == "create");
    (nameless || any(&text(patterns), &name)).into()
}

/// `labelled(wanted, labels, namespace, effect, scope)`
fn labelled(
    wanted: Dynamic,
    labels: Dynamic,
    namespace: Dynamic,
    effect: Dynamic,
    scope: Dynamic,
) -> Dynamic {
    let (wanted, labels, namespace) = (text(wanted), text(labels), text(namespace));
    if namespace.is_empty() && text(scope) == OUTSIDE {
        return false.into();
    }
    if namespace.is_empty() || *labels == *STRAY.encode_utf8(&mut [0; 4]) {
        return (text(effect) == Effect::Deny.as_str()).into();
    }
    let has = |wanted: &str| {
        let Some(at) = wanted.find(['=', '^', '~']) else { return false };
        let (key, pattern) = wanted.split_at(at);
        let value = split(&labels).find_map(|label| label.strip_prefix(key)?.strip_prefix('='));
        value.is_some_and(|value| matches_encoded(pattern, value))
    };
    split(&wanted).all(has).into()
}

/// `pinned(wanted, pins)`
fn pinned(wanted: Dynamic, pins: Dynamic) -> Dynamic {
    let (wanted, pins) = (text(wanted), text(pins));
    let is_pinned = |wanted: &str| {
        let Some(at) = wanted.find(['=', '^', '~']) else { return false };
        let (key, pattern) = wanted.split_at(at);
        split(&pins).any(|pin| {
            let mut parts = pin.split(selection::VALUE);
            parts.next() == Some(key) && parts.all(|value| matches_encoded(pattern, value))
        })
    };
    split(&wanted).all(is_pinned).into()
}

fn any(patterns: &str, asked: &str) -> bool {
    split(patterns).any(|pattern| matches_encoded(pattern, asked))
}

fn is_many(verb: &str) -> bool {
    matches!(verb, "list" | "watch" | "deletecollection")
}
