//! Which names a definition gets, and what its conditions say of it. Pure functions over trees.
//!
//! Resource names and kinds are given out per group, first come first served. A definition keeps the
//! names it has; of those it asks for it gets what nobody else in its group holds.

use std::collections::HashSet;

use portcullis_api::field::go_quote;
use portcullis_api::{Map, Object, Value, time};
use serde_json::json;

use crate::kinds::check::{items, text, texts};

/// The condition under which a definition is served.
pub(crate) const ESTABLISHED: &str = "Established";
/// The condition under which all names were given.
pub(crate) const NAMES_ACCEPTED: &str = "NamesAccepted";
/// The condition of a definition that goes away.
pub(crate) const TERMINATING: &str = "Terminating";
/// The condition of definitions in groups of the community.
pub(super) const APPROVAL: &str = "KubernetesAPIApprovalPolicyConformant";

/// A condition as it is to be.
pub(crate) struct Condition<'a> {
    pub(crate) kind: &'a str,
    pub(crate) holds: bool,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// Names that are taken in a group.
#[derive(Default)]
pub(super) struct Taken<'d> {
    resources: HashSet<&'d str>,
    kinds: HashSet<&'d str>,
}

impl<'d> Taken<'d> {
    /// What the definitions of a group hold.
    pub(super) fn by(definitions: impl Iterator<Item = &'d Object>) -> Self {
        let mut taken = Self::default();
        for names in definitions.map(accepted) {
            taken.resources.extend([text(names, "plural"), text(names, "singular")]);
            taken.resources.extend(texts(names, "shortNames"));
            taken.kinds.extend([text(names, "kind"), text(names, "listKind")]);
        }
        taken
    }
}

/// Gives a definition the names it can have; false when nothing changes.
pub(super) fn settle(definition: &mut Object, taken: &Taken<'_>) -> bool {
    let wanted = definition.at(&["spec", "names"]).cloned().unwrap_or_default();
    let held = accepted(definition).clone();
    if wanted == held {
        return false;
    }
    let mut given = Map::new();
    let mut conflict = None;
    let fields = [
        ("plural", "PluralConflict", &taken.resources),
        ("singular", "SingularConflict", &taken.resources),
        ("kind", "KindConflict", &taken.kinds),
        ("listKind", "ListKindConflict", &taken.kinds),
    ];
    for (at, (field, reason, used)) in fields.into_iter().enumerate() {
        if at == 2 {
            short_names(&wanted, &held, taken, &mut given, &mut conflict);
        }
        let (ask, have) = (text(&wanted, field), text(&held, field));
        let free = ask == have || !used.contains(ask);
        if !free {
            conflict = Some((reason, in_use(ask)));
        }
        put(&mut given, field, if free { ask } else { have }.into());
    }
    put(&mut given, "categories", items(&wanted, "categories").into());
    let (holds, reason, message) = match &conflict {
        Some((reason, message)) => (false, *reason, message.as_str()),
        None => (true, "NoConflicts", "no conflicts found"),
    };
    let names = Condition { kind: NAMES_ACCEPTED, holds, reason, message };
    let given = Value::Object(given);
    if given == held && is_said(definition, &names) {
        return false;
    }
    definition.set_at(&["status", "acceptedNames"], given);
    set(definition, &names);
    if !holds && find(definition, ESTABLISHED).is_none() {
        let message = "not all names are accepted";
        set(definition, &Condition { kind: ESTABLISHED, holds: false, reason: "NotAccepted", message });
    }
    true
}

fn short_names(
    wanted: &Value,
    held: &Value,
    taken: &Taken<'_>,
    given: &mut Map<String, Value>,
    conflict: &mut Option<(&'static str, String)>,
) {
    let own: HashSet<&str> = texts(held, "shortNames").collect();
    let mut refused = Vec::new();
    for name in
        texts(wanted, "shortNames").filter(|name| !own.contains(name) && taken.resources.contains(name))
    {
        let message = in_use(name);
        if !refused.contains(&message) {
            refused.push(message);
        }
    }
    let from = if refused.is_empty() { wanted } else { held };
    put(given, "shortNames", items(from, "shortNames").into());
    match refused.as_slice() {
        [] => {}
        [one] => *conflict = Some(("ShortNamesConflict", one.clone())),
        many => *conflict = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
    }
}

fn in_use(name: &str) -> String {
    format!("{} is already in use", go_quote(name))
}

/// As Go writes it: what is empty is left out, but for the two names that are always there.
fn put(given: &mut Map<String, Value>, field: &str, value: Value) {
    let empty = value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
    if !empty || matches!(field, "plural" | "kind") {
        given.insert(field.to_owned(), value);
    }
}

/// The names a definition holds.
pub(super) fn accepted(definition: &Object) -> &Value {
    definition.at(&["status", "acceptedNames"]).unwrap_or(&Value::Null)
}

/// Whether a condition is true.
pub(crate) fn holds(definition: &Object, kind: &str) -> bool {
    find(definition, kind).is_some_and(|condition| text(condition, "status") == "True")
}

fn find<'d>(definition: &'d Object, kind: &str) -> Option<&'d Value> {
    let conditions = definition.at(&["status", "conditions"])?.as_array()?;
    conditions.iter().find(|condition| text(condition, "type") == kind)
}

/// Whether a condition is there in these very words.
pub(super) fn is_said(definition: &Object, wanted: &Condition<'_>) -> bool {
    find(definition, wanted.kind).is_some_and(|known| {
        text(known, "status") == status(wanted.holds)
            && text(known, "reason") == wanted.reason
            && text(known, "message") == wanted.message
    })
}

fn status(holds: bool) -> &'static str {
    if holds { "True" } else { "False" }
}

/// Sets a condition; its time is that of the last change between true and false.
pub(crate) fn set(definition: &mut Object, wanted: &Condition<'_>) {
    let mut conditions =
        definition.at(&["status", "conditions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let known = conditions.iter_mut().find(|condition| text(condition, "type") == wanted.kind);
    let kept = known
        .as_deref()
        .filter(|known| text(known, "status") == status(wanted.holds))
        .and_then(|known| known.get("lastTransitionTime"))
        .filter(|time| !time.is_null())
        .cloned();
    let new = json!({
        "lastTransitionTime": kept.unwrap_or_else(|| time::now_rfc3339().into()),
        "message": wanted.message,
        "reason": wanted.reason,
        "status": status(wanted.holds),
        "type": wanted.kind,
    });
    match known {
        Some(known) => *known = new,
        None => conditions.push(new),
    }
    definition.set_at(&["status", "conditions"], conditions.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(names: Value) -> Object {
        let tree = json!({"spec": {"group": "g.io", "names": names}, "status": {
            "acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": ["v1"]}});
        Object::new(tree.as_object().cloned().unwrap())
    }

    fn things() -> Object {
        definition(json!({"kind": "Thing", "listKind": "ThingList", "plural": "things", "singular": "thing",
            "shortNames": ["th"]}))
    }

    #[test]
    fn free_names_are_given() {
        let mut one = things();
        assert!(settle(&mut one, &Taken::default()));
        assert_eq!(Some(accepted(&one)), one.at(&["spec", "names"]));
        assert!(holds(&one, NAMES_ACCEPTED));
        assert!(!settle(&mut one, &Taken::default()), "nothing is left to do");
    }

    #[test]
    fn taken_names_are_told_one_by_one() {
        let mut first = things();
        settle(&mut first, &Taken::default());
        let mut second = definition(json!({"kind": "Thing", "listKind": "OtherList", "plural": "others",
            "singular": "other", "shortNames": ["th", "ot"]}));
        assert!(settle(&mut second, &Taken::by([&first].into_iter())));
        assert!(!holds(&second, NAMES_ACCEPTED) && !holds(&second, ESTABLISHED));
        let said = find(&second, NAMES_ACCEPTED).unwrap();
        assert_eq!(
            (text(said, "reason"), text(said, "message")),
            ("KindConflict", "\"Thing\" is already in use")
        );
        assert_eq!(text(find(&second, ESTABLISHED).unwrap(), "reason"), "NotAccepted");
        assert_eq!(
            accepted(&second),
            &json!({"kind": "", "listKind": "OtherList", "plural": "others", "singular": "other"})
        );
        // As soon as the names are free they are given.
        assert!(settle(&mut second, &Taken::default()));
        assert!(holds(&second, NAMES_ACCEPTED));
    }

    #[test]
    fn a_conditions_time_is_that_of_its_last_change() {
        let mut one = things();
        let mut condition = Condition { kind: ESTABLISHED, holds: true, reason: "A", message: "a" };
        set(&mut one, &condition);
        one.map_mut()["status"]["conditions"][0]["lastTransitionTime"] = "2020-01-01T00:00:00Z".into();
        condition.reason = "B";
        set(&mut one, &condition);
        let known = find(&one, ESTABLISHED).unwrap();
        assert_eq!((text(known, "reason"), text(known, "lastTransitionTime")), ("B", "2020-01-01T00:00:00Z"));
        condition.holds = false;
        set(&mut one, &condition);
        assert_ne!(text(find(&one, ESTABLISHED).unwrap(), "lastTransitionTime"), "2020-01-01T00:00:00Z");
    }
}
