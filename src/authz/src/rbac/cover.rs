//! Whether rules cover other rules.
//!
//! A rule is broken into pieces of one verb, one resource and one name; each piece must be covered by
//! one rule of the owner's alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_api::field::go_quote;

use super::rule::{Rule, Words, url_matches};

/// How many pieces rules have: a product, which a few words can make huge.
pub(super) fn piece_count(rules: &[Rule]) -> usize {
    let count = |rule: &Rule| {
        let named = rule.api_groups.len().saturating_mul(rule.resources.len());
        let named = named.saturating_mul(rule.resource_names.len().max(1));
        named.saturating_add(rule.non_resource_urls.len()).saturating_mul(rule.verbs.len())
    };
    rules.iter().map(count).fold(0, usize::saturating_add)
}

/// The pieces of `wanted` that no rule of `held` covers.
pub(super) fn uncovered(held: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let pieces = wanted.iter().flat_map(pieces);
    pieces.filter(|piece| !held.iter().any(|rule| covers(rule, piece))).collect()
}

/// Pieces told as an escalation refusal tells them: joined by resource, sorted, a line each.
pub(super) fn described(pieces: &[Rule]) -> String {
    let lines: BTreeSet<String> = compacted(pieces).iter().map(compact_string).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

fn pieces(rule: &Rule) -> Vec<Rule> {
    let one = |word: &str| Words::from([Box::from(word)]);
    let mut pieces = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let piece = Rule {
                    api_groups: one(group),
                    resources: one(resource),
                    verbs: one(verb),
                    ..Rule::default()
                };
                if rule.resource_names.is_empty() {
                    pieces.push(piece);
                    continue;
                }
                let names = rule.resource_names.iter();
                pieces.extend(names.map(|name| Rule { resource_names: one(name), ..piece.clone() }));
            }
        }
    }
    for url in &rule.non_resource_urls {
        let verbs = rule.verbs.iter();
        pieces.extend(verbs.map(|verb| Rule {
            non_resource_urls: one(url),
            verbs: one(verb),
            ..Rule::default()
        }));
    }
    pieces
}

fn covers(held: &Rule, piece: &Rule) -> bool {
    let has = |words: &Words, word: &str| words.iter().any(|w| &**w == word);
    let all = |words: &Words, wanted: &Words| has(words, "*") || wanted.iter().all(|w| has(words, w));
    all(&held.verbs, &piece.verbs)
        && all(&held.api_groups, &piece.api_groups)
        && piece.resources.iter().all(|r| covers_resource(&held.resources, r))
        && piece
            .non_resource_urls
            .iter()
            .all(|u| held.non_resource_urls.iter().any(|own| url_matches(own, u)))
        && covers_names(held, piece)
}

fn covers_resource(held: &Words, resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
    held.iter().any(|own| {
        &**own == "*"
            || &**own == resource
            || subresource.is_some_and(|wanted| own.strip_prefix("*/") == Some(wanted))
    })
}

fn covers_names(held: &Rule, piece: &Rule) -> bool {
    let names = &held.resource_names;
    names.is_empty()
        || (!piece.resource_names.is_empty() && piece.resource_names.iter().all(|n| names.contains(n)))
}

/// Joins the verbs of pieces that are about the same resource and name.
fn compacted(pieces: &[Rule]) -> Vec<Rule> {
    let mut joined: Vec<(Rule, Vec<Box<str>>)> = Vec::new();
    let mut places: std::collections::HashMap<(&Words, &Words, &Words), usize> = Default::default();
    let mut rest = Vec::new();
    for piece in pieces {
        if !piece.non_resource_urls.is_empty() {
            rest.push(piece.clone());
            continue;
        }
        let place = places.entry((&piece.api_groups, &piece.resources, &piece.resource_names));
        let place = *place.or_insert_with(|| {
            joined.push((piece.clone(), Vec::new()));
            joined.len() - 1
        });
        if let Some((_, verbs)) = joined.get_mut(place) {
            verbs.extend(piece.verbs.iter().cloned());
        }
    }
    rest.extend(joined.into_iter().map(|(rule, verbs)| Rule { verbs: verbs.into(), ..rule }));
    rest
}

fn compact_string(rule: &Rule) -> String {
    let parts = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ];
    let parts = parts.iter().filter(|(_, words)| !words.is_empty());
    let parts: Vec<String> = parts.map(|(name, words)| format!("{name}:{}", quoted(words.iter()))).collect();
    format!("{{{}}}", parts.join(", "))
}

/// Prints texts as Go's `%q` prints a slice of strings.
pub(crate) fn quoted<S: AsRef<str>>(texts: impl Iterator<Item = S>) -> String {
    let mut out = String::from("[");
    for (index, text) in texts.enumerate() {
        let space = if index > 0 { " " } else { "" };
        let _ = write!(out, "{space}{}", go_quote(text.as_ref()));
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(value: serde_json::Value) -> Vec<Rule> {
        Rule::list(Some(&value)).into()
    }

    #[test]
    fn a_rule_is_covered_piece_by_piece_and_by_one_rule_each() {
        let held = rules(json!([
            {"apiGroups": [""], "resources": ["pods", "*/scale"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["a", "b"]},
            {"nonResourceURLs": ["/api*"], "verbs": ["get"]},
        ]));
        for covered in [
            json!([{"apiGroups": [""], "resources": ["pods", "x/scale"], "verbs": ["list", "get"]}]),
            json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["b"]}]),
            json!([{"nonResourceURLs": ["/apis/x", "/api", "/api*"], "verbs": ["get"]}]),
            json!([{"apiGroups": [""], "resources": [], "verbs": ["delete"]}]),
        ] {
            assert_eq!(uncovered(&held, &rules(covered.clone())), [], "{covered}");
        }
        for wanted in [
            json!([{"apiGroups": ["apps"], "resources": ["pods"], "verbs": ["get"]}]),
            json!([{"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}]),
            json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]),
            json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]),
            json!([{"nonResourceURLs": ["*"], "verbs": ["get"]}]),
        ] {
            assert_eq!(uncovered(&held, &rules(wanted.clone())).len(), 1, "{wanted}");
        }
    }

    #[test]
    fn missing_rules_are_told_compactly() {
        let wanted = rules(json!([
            {"apiGroups": [""], "resources": ["b", "a"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["a"], "verbs": ["watch"]},
            {"apiGroups": [""], "resources": ["a"], "verbs": ["get"], "resourceNames": ["n"]},
            {"nonResourceURLs": ["/x", "/y"], "verbs": ["get"]},
        ]));
        let expected = [
            r#"{APIGroups:[""], Resources:["a"], ResourceNames:["n"], Verbs:["get"]}"#,
            r#"{APIGroups:[""], Resources:["a"], Verbs:["get" "list" "watch"]}"#,
            r#"{APIGroups:[""], Resources:["b"], Verbs:["get" "list"]}"#,
            r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#,
            r#"{NonResourceURLs:["/y"], Verbs:["get"]}"#,
        ];
        assert_eq!(described(&uncovered(&[], &wanted)), expected.join("\n"));
    }
}
