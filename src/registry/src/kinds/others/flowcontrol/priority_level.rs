//! Priority levels: how many requests run at once, and how the rest waits.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Object, Value};
use serde_json::json;

use crate::kinds::check::{At, int, opt_int, text};
use crate::kinds::meta;
use crate::kinds::others::kind::{Kind, empty};
use crate::kinds::others::tree::{part, path, sub};

/// Priority levels.
pub(super) static KIND: Kind = Kind::cluster(meta::dns_subdomain, rules)
    .only_change(|new, _, errors| {
        meta::object_meta(new, false, meta::dns_subdomain, errors);
        rules(new, errors);
    })
    .status(empty)
    .generation(&["spec"]);

const QUEUES_MAX: i64 = 10_000_000;
const HASH_BITS: f64 = 60.0;
const FORBIDDEN: &str = "flowcontrol.k8s.io/preserve-zero-concurrency-shares";

fn rules(new: &Object, errors: &mut ErrorList) {
    if new.annotations().any(|(key, _)| key == FORBIDDEN) {
        let at = path(&["metadata", "annotations"]);
        errors.push(Error::forbidden(&at, format!("annotation '{FORBIDDEN}' is forbidden")));
    }
    let spec = part(new, "spec");
    let at = At::root("spec");
    let kind = text(spec, "type");
    if (new.name() == "exempt") != (kind == "Exempt") {
        at.child("type").invalid(errors, kind, "must be 'Exempt' if and only if `name` is 'exempt'");
    }
    let (limited, exempt) = (spec.get("limited"), spec.get("exempt"));
    match kind {
        "Exempt" => {
            if limited.is_some() {
                at.child("limited").forbidden(errors, "must be nil if the type is not Limited");
            }
            shares(sub(spec, "exempt"), &at.child("exempt"), errors);
        }
        "Limited" => {
            if exempt.is_some() {
                at.child("exempt").forbidden(errors, "must be nil if the type is Limited");
            }
            match limited {
                None => at.child("limited").required(errors, "must not be empty when type is Limited"),
                Some(limited) => self::limited(limited, &at.child("limited"), errors),
            }
        }
        other => at.child("type").not_supported(errors, other, &["Exempt", "Limited"]),
    }
    mandatory(new, at, errors);
    super::status(part(new, "status"), errors);
}

/// The two levels every cluster has are what they are.
fn mandatory(new: &Object, at: At<'_>, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let (same, words) = match new.name() {
        "exempt" => (
            text(spec, "type") == "Exempt" && spec.get("limited").is_none(),
            " except the 'spec.exempt' field",
        ),
        "catch-all" => {
            let limited = json!({
                "nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": { "type": "Reject" },
            });
            (spec == &json!({ "type": "Limited", "limited": limited }), "")
        }
        _ => return,
    };
    if !same {
        at.invalid(errors, spec, format!("spec of '{}'{words} must equal the fixed value", new.name()));
    }
}

fn shares(level: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let count = int(level, "nominalConcurrencyShares");
    if count < 0 {
        at.child("nominalConcurrencyShares").invalid(errors, count, "must be a non-negative integer");
    }
    lendable(level, at, errors);
}

fn lendable(level: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let percent = int(level, "lendablePercent");
    if !(0..=100).contains(&percent) {
        at.child("lendablePercent").invalid(errors, percent, "must be between 0 and 100, inclusive");
    }
}

fn limited(limited: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let count = int(limited, "nominalConcurrencyShares");
    if count < 0 {
        at.child("nominalConcurrencyShares").invalid(errors, count, "must be a non-negative integer");
    }
    response(sub(limited, "limitResponse"), &at.child("limitResponse"), errors);
    lendable(limited, at, errors);
    if let Some(percent) = opt_int(limited, "borrowingLimitPercent").filter(|percent| *percent < 0) {
        let words = "if specified, must be a non-negative integer";
        at.child("borrowingLimitPercent").invalid(errors, percent, words);
    }
}

fn response(response: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let here = at.child("queuing");
    match (text(response, "type"), response.get("queuing")) {
        ("Reject", Some(_)) => {
            here.forbidden(errors, "must be nil if limited.limitResponse.type is not Limited")
        }
        ("Queue", None) => {
            here.required(errors, "must not be empty if limited.limitResponse.type is Limited")
        }
        ("Queue", Some(queuing)) => self::queuing(queuing, &here, errors),
        ("Reject", None) => {}
        (other, _) => at.child("type").not_supported(errors, other, &["Queue", "Reject"]),
    }
}

fn queuing(queuing: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let number = |field| int(queuing, field);
    let (queues, hand) = (number("queues"), number("handSize"));
    if number("queueLengthLimit") <= 0 {
        at.child("queueLengthLimit").invalid(errors, number("queueLengthLimit"), "must be positive");
    }
    if queues <= 0 {
        at.child("queues").invalid(errors, queues, "must be positive");
    } else if queues > QUEUES_MAX {
        at.child("queues").invalid(errors, queues, format!("must not be greater than {QUEUES_MAX}"));
    }
    let here = at.child("handSize");
    if hand <= 0 {
        here.invalid(errors, hand, "must be positive");
    } else if hand > queues {
        here.invalid(errors, hand, format!("should not be greater than queues ({queues})"));
    } else if entropy(queues, hand) > HASH_BITS {
        let words = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        );
        here.invalid(errors, hand, words);
    }
}

/// How many bits of a hash it takes to deal a hand.
#[expect(clippy::cast_precision_loss, reason = "both numbers are far below 2^52")]
fn entropy(queues: i64, hand: i64) -> f64 {
    ((queues as f64).log2() * hand as f64).ceil()
}
