use super::*;
use crate::attributes::Resource;

fn names(plan: &Plan) -> Vec<&'static str> {
    let chain = Authorities::build(plan).unwrap().chain;
    chain.names().skip(1).collect()
}

#[test]
fn modes_keep_their_order() {
    assert_eq!(names(&Plan::default()), ["Node", "RBAC"]);
    assert_eq!(names(&Plan::modes(&["RBAC", "AlwaysDeny", "Node"]).unwrap()), ["RBAC", "AlwaysDeny", "Node"]);
    for (words, why) in [
        (&[][..], "at least one authorization-mode must be passed"),
        (&["rbac"], "authorization-mode \"rbac\" is not a valid mode"),
        (&["RBAC", "RBAC"], "authorization-mode \"RBAC\" is named twice"),
        (&["Webhook"], "authorizers of type Webhook are not supported yet"),
    ] {
        assert_eq!(Plan::modes(words), Err(PlanError::Wrong(why.to_owned())));
    }
}

#[test]
fn files_and_modes_belong_together() {
    let told = |plan: Plan| Authorities::build(&plan).err().unwrap().to_string();
    let abac = Plan::modes(&["ABAC"]).unwrap();
    assert_eq!(told(abac), "authorization-mode ABAC's authorization policy file not passed");
    let stray = Plan { abac_file: Some("x".into()), ..Plan::default() };
    assert_eq!(told(stray), "cannot specify --authorization-policy-file without mode ABAC");
    let stray = Plan { policy_dir: Some("x".into()), ..Plan::modes(&["RBAC"]).unwrap() };
    assert_eq!(told(stray), "cannot specify --policy-dir without mode PolicyFiles");
    let missing = Plan { policy_dir: Some("/nonexistent/portcullis".into()), ..Plan::default() };
    assert!(told(missing).starts_with("/nonexistent/portcullis: "));
}

fn configured(authorizers: &str) -> Result<Plan, PlanError> {
    let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n";
    Plan::configuration(&format!("{head}{authorizers}"))
}

#[test]
fn a_configuration_is_read_as_upstreams() {
    let plan = configured("- {type: RBAC, name: rbac}\n- {type: Node, name: node}\n").unwrap();
    assert_eq!(names(&plan), ["RBAC", "Node"]);
    assert!(!plan.allows_everything());
    assert!(configured("- {type: AlwaysAllow, name: all}\n").unwrap().allows_everything());
}

#[test]
fn e062_what_a_configuration_asks_for_is_never_left_out() {
    let webhook = "- {type: Webhook, name: w, webhook: {timeout: 3s}}\n- {type: RBAC, name: r}\n";
    for (text, why) in [
        (webhook, "authorizers[0].type: authorizers of type Webhook are not supported yet"),
        ("  []", "authorizers: Required value: at least one authorization mode must be defined"),
        ("- {type: RBAC}\n", "authorizers[0].name: Required value"),
        ("- {name: a}\n", "authorizers[0].type: Required value"),
        ("- {type: RBAC, name: a}\n- {type: Node, name: a}\n", "authorizers[1].name: Duplicate value: \"a\""),
        (
            "- {type: RBAC, name: a}\n- {type: RBAC, name: b}\n",
            "authorizers[1].type: Duplicate value: \"RBAC\"",
        ),
    ] {
        assert_eq!(configured(text).unwrap_err().to_string(), why);
    }
    assert!(
        configured("- {type: RBAC, name: A_}\n")
            .unwrap_err()
            .to_string()
            .contains("authorizers[0].name: Invalid value")
    );
    assert!(configured("- {type: RBAC, name: a, wibhook: {}}\n").is_err());
    assert!(
        Plan::configuration("apiVersion: x/v1\nkind: AuthorizationConfiguration\nauthorizers: []").is_err()
    );
}

#[test]
fn always_is_always() {
    let ask = |mode| {
        let chain = Authorities::build(&Plan::modes(&[mode]).unwrap()).unwrap().chain;
        let pods = Resource { resource: "pods", ..Resource::default() };
        let receipt = chain.decide(&UserInfo::new("u", [""; 0]), &Attributes::resource("get", pods));
        (receipt.is_allowed(), receipt.reason())
    };
    assert_eq!(ask("AlwaysAllow"), (true, String::new()));
    assert_eq!(ask("AlwaysDeny"), (false, "Everything is forbidden.".to_owned()));
}
