//! Certificate signing requests.

use portcullis_api::{Map, Object, UserInfo, Value, time};

use super::kind::{Kind, Status, empty, keep};
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{items, text};
use crate::kinds::meta;

mod rules;

const GROUP: &str = "certificates.k8s.io";
const RESOURCE: &str = "certificatesigningrequests";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, RESOURCE, "", &KIND),
    (GROUP, RESOURCE, "status", &STATUS),
    (GROUP, RESOURCE, "approval", &APPROVAL),
];

static KIND: Kind = Kind::cluster(meta::path_segment, rules::create)
    .only_change(rules::update)
    .status(empty)
    .on_update(|new, old| keep(new, old, "spec"))
    .resets(&[&["spec"], &["status"]]);

static STATUS: Status = Status::new(rules::status)
    .on_update(|new, old| {
        keep_decision(new, old);
        stamp_conditions(new, old);
    })
    .resets(&[&["spec"], &["status", "conditions"]]);

static APPROVAL: Status = Status::new(rules::approval)
    .on_update(|new, old| {
        stamp_conditions(new, old);
        let conditions = new.remove_at(&["status", "conditions"]);
        keep(new, old, "status");
        new.remove_at(&["status", "conditions"]);
        if let Some(conditions) = conditions {
            new.set_at(&["status", "conditions"], conditions);
        }
    })
    .resets(&[&["spec"], &["status", "certificate"]]);

/// Writes down who asks. Runs before a request is created: nobody asks in another's name.
pub(crate) fn stamp_requester(request: &mut Object, user: &UserInfo) {
    for field in ["username", "uid", "groups", "extra"] {
        request.remove_at(&["spec", field]);
    }
    let mut set = |field: &str, value: Value| request.set_at(&["spec", field], value);
    if !user.name.is_empty() {
        set("username", (*user.name).into());
    }
    if !user.uid.is_empty() {
        set("uid", (*user.uid).into());
    }
    if !user.groups.is_empty() {
        set("groups", user.groups.iter().map(|group| Value::from(&**group)).collect());
    }
    if !user.extra.is_empty() {
        let extra = user.extra.iter().map(|(key, values)| (key.clone(), Value::from(values.clone())));
        set("extra", extra.collect::<Map<_, _>>().into());
    }
}

/// The decision is the approver's: whoever writes the status keeps the conditions that tell it.
fn keep_decision(new: &mut Object, old: &Object) {
    for decision in ["Approved", "Denied"] {
        let of = |object: &'_ Object| -> Vec<Value> {
            let all = items(part(object, "status"), "conditions").iter();
            all.filter(|condition| text(condition, "type") == decision).cloned().collect()
        };
        let before = of(old);
        if before.len() != of(new).len() {
            continue;
        }
        let mut before = before.into_iter();
        for condition in conditions_mut(new).filter(|condition| text(condition, "type") == decision) {
            if let Some(old) = before.next() {
                *condition = old;
            }
        }
    }
}

/// Conditions without times get those of an equal older one, or the present.
fn stamp_conditions(new: &mut Object, old: &Object) {
    let now = time::now_rfc3339();
    let before = items(part(old, "status"), "conditions");
    for condition in conditions_mut(new) {
        let same =
            before.iter().find(|old| ["type", "status"].iter().all(|f| text(old, f) == text(condition, f)));
        let transition = same.map(|old| text(old, "lastTransitionTime")).filter(|time| !time.is_empty());
        let transition = transition.unwrap_or(&now).to_owned();
        let Some(map) = condition.as_object_mut() else { continue };
        for (field, value) in [("lastUpdateTime", now.clone()), ("lastTransitionTime", transition)] {
            if map.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                map.insert(field.to_owned(), value.into());
            }
        }
    }
}

fn conditions_mut(request: &mut Object) -> impl Iterator<Item = &mut Value> {
    let status = request.map_mut().get_mut("status");
    let list = status.and_then(|status| status.get_mut("conditions")).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}
