//! Whether the community approved of a definition in one of its groups.

use portcullis_api::Object;
use portcullis_api::field::go_quote;

use super::definition::{APPROVAL, Approval, approval_state, is_protected};

const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

/// What the condition says of a definition: whether it holds, its reason and message. `None` for groups
/// that need no approval.
pub(crate) fn approval_condition(definition: &Object) -> Option<(bool, &'static str, String)> {
    if !is_protected(definition.str_at(&["spec", "group"])) {
        return None;
    }
    let annotation = definition.str_at(&["metadata", "annotations", APPROVAL]);
    let must = || format!("protected groups must have approval annotation {}", go_quote(APPROVAL));
    Some(match approval_state(annotation) {
        Approval::Missing => (false, "MissingAnnotation", format!("{}, {SEE}", must())),
        Approval::Given if annotation.starts_with("unapproved") => {
            (false, "UnapprovedAnnotation", format!("not approved: {}", go_quote(annotation)))
        }
        Approval::Given => (true, "ApprovedAnnotation", format!("approved in {annotation}")),
        Approval::Unreadable => {
            let words =
                format!("{} with either a URL or a reason starting with \"unapproved\", {SEE}", must());
            (false, "InvalidAnnotation", words)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_groups_of_the_community_are_approved() {
        let definition = |group: &str, approval: &str| {
            let tree = json!({"metadata": {"annotations": {APPROVAL: approval}}, "spec": {"group": group}});
            Object::new(tree.as_object().cloned().unwrap())
        };
        assert_eq!(approval_condition(&definition("example.com", "")), None);
        let (holds, reason, _) = approval_condition(&definition("a.k8s.io", "https://x.io/1")).unwrap();
        assert_eq!((holds, reason), (true, "ApprovedAnnotation"));
        let (holds, reason, message) = approval_condition(&definition("k8s.io", "unapproved, x")).unwrap();
        assert_eq!(
            (holds, reason, &*message),
            (false, "UnapprovedAnnotation", "not approved: \"unapproved, x\"")
        );
    }
}
