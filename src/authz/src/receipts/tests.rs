use portcullis_api::{GroupResource, Object, Verb};
use serde_json::{Value, json};

use super::*;
use crate::authorities::Authorities;
use crate::decision::{Decision, Reason};
use crate::testing::{info, now};

fn grant(authorities: &Authorities, role: &Value, binding: &Value) {
    for (resource, object) in [("roles", role), ("rolebindings", binding)] {
        let resource = GroupResource::new("rbac.authorization.k8s.io", resource);
        authorities.rbac.upsert(&resource, &Object::new(object.as_object().unwrap().clone()));
    }
}

/// `reader` may get and list pods of `n`; `writer` may do everything with them and is bound to nobody.
fn shop() -> Authorities {
    let authorities = Authorities::built_in();
    let role = |name: &str, verbs: Value| {
        json!({"metadata": {"name": name, "namespace": "n"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]})
    };
    let binding = json!({"metadata": {"name": "b", "namespace": "n"},
        "roleRef": {"kind": "Role", "name": "reader"}, "subjects": [{"kind": "User", "name": "u"}]});
    grant(&authorities, &role("reader", json!(["get", "list"])), &binding);
    grant(&authorities, &role("writer", json!(["*"])), &binding);
    authorities
}

fn ask(authorities: &Authorities, verb: Verb) -> String {
    let (user, info) = (UserInfo::new("u", ["g"]), info(verb, "p"));
    let receipt = authorities.chain.decide(&user, &crate::Attributes::from(&*info));
    let id = receipt.id().to_string();
    let (audit_id, generation) = (&Arc::from(format!("audit-{id}")), authorities.chain.generation(&user));
    let decided = Decided { user: &user, info: &info, audit_id, generation };
    authorities.chain.receipts().keep(&decided, receipt);
    id
}

#[test]
fn i041_a_past_request_is_explained_by_the_policies_of_its_time() {
    let authorities = shop();
    let id = ask(&authorities, Verb::Get);
    for by in [&id, &format!("audit-{id}")] {
        let told = now(authorities.explain(by)).unwrap();
        assert_eq!((&told["id"], &told["auditID"]), (&json!(id), &json!(format!("audit-{id}"))));
        assert_eq!((&told["then"]["by"], &told["then"]["decision"]), (&json!("RBAC"), &json!("allow")));
        let reason = &told["then"]["reasons"][0];
        assert_eq!((&reason["binding"]["name"], &reason["role"]["name"]), (&json!("b"), &json!("reader")));
        assert_eq!(told["policiesChangedSince"], false);
    }
    let bindings = GroupResource::new("rbac.authorization.k8s.io", "rolebindings");
    authorities.rbac.remove(&bindings, "n", "b");
    let told = now(authorities.explain(&id)).unwrap();
    assert_eq!(
        (&told["then"]["decision"], &told["now"]["decision"]),
        (&json!("allow"), &json!("no opinion"))
    );
    assert_eq!(told["policiesChangedSince"], true);
}

#[test]
fn a_refusal_names_the_nearest_grant() {
    let authorities = shop();
    let told = now(authorities.explain(&ask(&authorities, Verb::Delete))).unwrap();
    assert_eq!(told["then"]["decision"], "no opinion");
    assert_eq!(told["asked"]["verb"], "delete");
    assert_eq!(told["chain"][1]["authorizer"], "RBAC");
    assert_eq!(told["missing"]["almost"][0]["role"]["name"], "reader");
    assert_eq!(told["missing"]["almost"][0]["lacks"], "verb");
    assert_eq!(told["missing"]["roles"][0]["name"], "writer");
}

#[test]
fn a_permission_names_the_binding_and_outlives_it() {
    let authorities = shop();
    let id = ask(&authorities, Verb::Get);
    let bindings = GroupResource::new("rbac.authorization.k8s.io", "rolebindings");
    authorities.rbac.remove(&bindings, "n", "b");
    let told = now(authorities.explain(&id)).unwrap();
    assert_eq!(told["then"]["by"], "RBAC");
    assert_eq!(told["then"]["reasons"][0]["binding"]["name"], "b");
    assert_eq!(told["now"]["decision"], "no opinion");
}

#[test]
fn refusals_are_not_pushed_out_by_permissions() {
    let receipts = Receipts::default();
    let (user, info) = (UserInfo::new("u", ["g"]), info(Verb::Get, "p"));
    let refused = Receipt::new(None, Decision::no_opinion());
    let id = refused.id().to_string();
    let audit_id = Arc::from("");
    let decided = Decided { user: &user, info: &info, audit_id: &audit_id, generation: 0 };
    receipts.keep(&decided, refused);
    let mut first = None;
    for _ in 0..=KEPT {
        let allowed = Receipt::new(None, Decision::allow(Reason::Masters));
        first.get_or_insert(allowed.id().to_string());
        receipts.keep(&decided, allowed);
    }
    assert!(receipts.find(&id).is_some());
    assert!(receipts.find(&first.unwrap()).is_none(), "the ring is bounded");
    assert!(receipts.find("nothing").is_none());
}
