use super::*;
use crate::attributes::Resource;

fn names(plan: &Plan) -> Vec<String> {
    let chain = Authorities::build(plan).unwrap().chain;
    chain.names().into_iter().skip(1).collect()
}

#[test]
fn modes_keep_their_order() {
    assert_eq!(names(&Plan::default()), ["Node", "RBAC"]);
    assert_eq!(names(&modes(&["RBAC", "AlwaysDeny", "Node"]).unwrap()), ["RBAC", "AlwaysDeny", "Node"]);
    for (words, why) in [
        (&[][..], "at least one authorization-mode must be passed"),
        (&["rbac"], "authorization-mode \"rbac\" is not a valid mode"),
        (&["RBAC", "RBAC"], "authorization-mode [\"RBAC\" \"RBAC\"] has mode specified more than once"),
    ] {
        assert_eq!(modes(words), Err(PlanError::Wrong(why.to_owned())));
    }
}

#[test]
fn files_and_modes_belong_together() {
    let told = |plan: Plan| Authorities::build(&plan).err().unwrap().to_string();
    let abac = modes(&["ABAC"]).unwrap();
    assert_eq!(told(abac), "authorization-mode ABAC's authorization policy file not passed");
    let stray = Plan { abac_file: Some("x".into()), ..Plan::default() };
    assert_eq!(told(stray), "cannot specify --authorization-policy-file without mode ABAC");
    let stray = Plan { policy_dir: Some("x".into()), ..modes(&["RBAC"]).unwrap() };
    assert_eq!(told(stray), "cannot specify --policy-dir without mode PolicyFiles");
    let missing = Plan { policy_dir: Some("/nonexistent/portcullis".into()), ..Plan::default() };
    assert!(told(missing).starts_with("/nonexistent/portcullis: "));
}

fn modes(words: &[&str]) -> Result<Plan, PlanError> {
    Plan::modes(words, &WebhookFlags::default())
}

fn configured(authorizers: &str) -> Result<Plan, PlanError> {
    let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n";
    Plan::configuration("f".into(), &format!("{head}{authorizers}"))
}

#[test]
fn a_configuration_is_read_as_upstreams() {
    let plan = configured("- {type: RBAC, name: rbac}\n- {type: Node, name: node}\n").unwrap();
    assert_eq!(names(&plan), ["RBAC", "Node"]);
    assert!(!plan.allows_everything());
    assert!(configured("- {type: AlwaysAllow, name: alwaysallow}\n").unwrap().allows_everything());
}

#[test]
fn e062_what_a_configuration_asks_for_is_never_left_out() {
    for (text, why) in [
        ("  []", "authorizers: Required value: at least one authorization mode must be defined"),
        ("- {type: RBAC}\n", "authorizers[0].name: Required value"),
        ("- {name: a}\n", "authorizers[0].type: Required value"),
        (
            "- {type: rbac, name: a}\n",
            "authorizers[0].type: Unsupported value: \"rbac\": supported values: \"ABAC\", \"AlwaysAllow\", \"AlwaysDeny\", \"Node\", \"PolicyFiles\", \"RBAC\", \"Webhook\"",
        ),
        ("- {type: RBAC, name: a}\n- {type: Node, name: a}\n", "authorizers[1].name: Duplicate value: \"a\""),
        (
            "- {type: RBAC, name: a}\n- {type: RBAC, name: b}\n",
            "authorizers[1].type: Duplicate value: \"RBAC\"",
        ),
        ("- {type: RBAC, name: r}\n", "expected name rbac for authorizer RBAC instead of r"),
        (
            "- {type: RBAC, name: rbac, webhook: {}}\n",
            "authorizers[0].webhook: Invalid value: \"non-null\": may only be specified when type=Webhook",
        ),
        (
            "- {type: Webhook, name: w}\n",
            "authorizers[0].webhook: Required value: required when type=Webhook",
        ),
    ] {
        assert_eq!(configured(text).unwrap_err().to_string(), why);
    }
    let odd = configured("- {type: RBAC, name: A_}\n").unwrap_err().to_string();
    assert!(odd.contains("authorizers[0].name: Invalid value"), "{odd}");
    assert!(configured("- {type: RBAC, name: a, wibhook: {}}\n").is_err());
    let text = "apiVersion: x/v1\nkind: AuthorizationConfiguration\nauthorizers: []";
    assert!(Plan::configuration("f".into(), text).is_err());
}

fn webhook(fields: &str) -> Result<Plan, PlanError> {
    configured(&format!("- {{type: Webhook, name: w, webhook: {{{fields}}}}}\n"))
}

/// A webhook that could be used, but for what is changed.
fn usable(change: &[(&str, &str)]) -> Result<Plan, PlanError> {
    let file = std::env::current_exe().unwrap();
    let connection = format!("{{type: KubeConfigFile, kubeConfigFile: {}}}", file.display());
    let fields = [
        ("timeout", "3s"),
        ("subjectAccessReviewVersion", "v1"),
        ("failurePolicy", "Deny"),
        ("matchConditionSubjectAccessReviewVersion", "v1"),
        ("connectionInfo", &*connection),
    ];
    let changed = |field: &str| change.iter().any(|(name, _)| *name == field);
    let kept = fields.iter().filter(|(field, _)| !changed(field));
    let all: Vec<String> = kept.chain(change).map(|(field, value)| format!("{field}: {value}")).collect();
    webhook(&all.join(", "))
}

#[test]
fn a_webhook_is_read_with_its_defaults() {
    let plan = usable(&[("authorizedTTL", "1m30s"), ("cacheUnauthorizedRequests", "false")]).unwrap();
    let [Place::Webhook(plan)] = &plan.places[..] else { panic!("{plan:?}") };
    assert_eq!((plan.authorized_ttl.as_secs(), plan.unauthorized_ttl.as_secs()), (90, 0));
    assert_eq!(plan.timeout.as_secs(), 3);
    let plan = usable(&[]).unwrap();
    let [Place::Webhook(plan)] = &plan.places[..] else { panic!("{plan:?}") };
    assert_eq!((plan.authorized_ttl.as_secs(), plan.unauthorized_ttl.as_secs()), (300, 30));
}

#[test]
fn a_webhook_is_checked_as_upstream_checks_it() {
    let all = webhook("").unwrap_err().to_string();
    for missing in ["timeout", "subjectAccessReviewVersion", "failurePolicy", "connectionInfo.type"] {
        assert!(all.contains(&format!("authorizers[0].{missing}: Required value")), "{all}");
    }
    let at = "authorizers[0].";
    for (field, value, why) in [
        ("timeout", "0s", "timeout: Required value"),
        ("timeout", "31s", "timeout: Invalid value: \"31s\": must be > 0s and <= 30s"),
        ("timeout", "-1s", "timeout: Invalid value: \"-1s\": must be > 0s and <= 30s"),
        ("authorizedTTL", "-5s", "authorizedTTL: Invalid value: \"-5s\": must be > 0s"),
        ("unauthorizedTTL", "5 s", "unauthorizedTTL: Invalid value"),
        (
            "subjectAccessReviewVersion",
            "v2",
            "subjectAccessReviewVersion: Unsupported value: \"v2\": supported values: \"v1\", \"v1beta1\"",
        ),
        (
            "failurePolicy",
            "Ignore",
            "failurePolicy: Unsupported value: \"Ignore\": supported values: \"NoOpinion\", \"Deny\"",
        ),
        (
            "matchConditionSubjectAccessReviewVersion",
            "v1beta1",
            "matchConditionSubjectAccessReviewVersion: Unsupported value",
        ),
        (
            "connectionInfo",
            "{type: InClusterConfig}",
            "connectionInfo.type: Invalid value: \"InClusterConfig\": is not allowed for an API server",
        ),
        ("connectionInfo", "{type: KubeConfigFile}", "connectionInfo.kubeConfigFile: Required value"),
        (
            "connectionInfo",
            "{type: KubeConfigFile, kubeConfigFile: a}",
            "connectionInfo.kubeConfigFile: Invalid value: \"a\": must be an absolute path",
        ),
        (
            "connectionInfo",
            "{type: KubeConfigFile, kubeConfigFile: /}",
            "connectionInfo.kubeConfigFile: Invalid value: \"/\": must be a regular file",
        ),
        (
            "connectionInfo",
            "{type: KubeConfigFile, kubeConfigFile: /nonexistent}",
            "connectionInfo.kubeConfigFile: Invalid value: \"/nonexistent\": error loading file",
        ),
        ("matchConditions", "[{expression: ' '}]", "matchConditions[0].expression: Required value"),
        (
            "matchConditions",
            "[{expression: 'true'}, {expression: 'true'}]",
            "matchConditions[1].expression: Duplicate value: \"true\"",
        ),
        (
            "matchConditions",
            "[{expression: 'request.user'}]",
            "matchConditions[0].expression: Invalid value: \"request.user\": must evaluate to bool but got string",
        ),
        (
            "matchConditions",
            "[{expression: 'request.nobody == 1'}]",
            "matchConditions[0].expression: Invalid value: \"request.nobody == 1\": compilation failed: ERROR",
        ),
    ] {
        let told = usable(&[(field, value)]).unwrap_err().to_string();
        assert!(told.starts_with(&format!("{at}{why}")), "{field}: {value}: {told}");
    }
    let many: Vec<String> = (0..65).map(|n| format!("{{expression: '{n} == {n}'}}")).collect();
    let told = usable(&[("matchConditions", &format!("[{}]", many.join(", ")))]).unwrap_err().to_string();
    assert_eq!(told, "authorizers[0].matchConditions: Too many: 65: must have at most 64 items");
    let unversioned =
        [("matchConditionSubjectAccessReviewVersion", "''"), ("matchConditions", "[{expression: 'true'}]")];
    let told = usable(&unversioned).unwrap_err().to_string();
    assert!(told.contains("Required value: required if match conditions are specified"), "{told}");
}

#[test]
fn flags_and_the_mode_belong_together() {
    let file = WebhookFlags { config_file: Some("f".into()), ..WebhookFlags::default() };
    let told = |words: &[&str], flags: &WebhookFlags| Plan::modes(words, flags).unwrap_err().to_string();
    let missing = "authorization-mode Webhook's authorization config file not passed";
    assert_eq!(told(&["Webhook"], &WebhookFlags::default()), missing);
    let stray = "cannot specify --authorization-webhook-config-file without mode Webhook";
    assert_eq!(told(&["RBAC"], &file), stray);
    let plan = Plan::modes(&["Webhook", "RBAC"], &file).unwrap();
    let [Place::Webhook(webhook), Place::Ours(Mode::Rbac)] = &plan.places[..] else { panic!("{plan:?}") };
    assert_eq!(webhook.version, crate::webhook::Version::V1Beta1);
    assert_eq!(webhook.failure_policy, crate::webhook::FailurePolicy::Deny);
}

#[tokio::test]
async fn a_changed_configuration_is_taken_up_and_a_bad_one_is_not() {
    let hook = crate::testing::hook::Hook::start().await;
    hook.says(serde_json::json!({"allowed": true}));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("authorization.yaml");
    let write = |authorizers: &str| {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n";
        std::fs::write(&path, format!("{head}{authorizers}")).unwrap();
    };
    let rbac = "- {type: RBAC, name: rbac}\n";
    write(rbac);
    let plan = Plan::configuration(path.clone(), &std::fs::read_to_string(&path).unwrap()).unwrap();
    let authorities = Authorities::build(&plan).unwrap();
    let jane = UserInfo::new("jane", [""; 0]);
    let asked = Attributes::path("get", "/x");
    let generation = authorities.chain.generation(&jane);
    authorities.refresh();
    assert_eq!(authorities.chain.generation(&jane), generation);
    let connection = format!("{{type: KubeConfigFile, kubeConfigFile: {}}}", hook.kubeconfig().display());
    let webhook = format!(
        "- {{type: Webhook, name: w, webhook: {{timeout: 3s, subjectAccessReviewVersion: v1, failurePolicy: Deny, connectionInfo: {connection}}}}}\n"
    );
    write(&format!("{webhook}{rbac}"));
    authorities.refresh();
    assert!(authorities.chain.settle(&jane, &asked).await.is_allowed());
    assert!(authorities.chain.generation(&jane) > generation, "open streams ask again");
    for (bad, why) in [
        ("- {type: RBAC, name: rbac", "line"),
        (&*webhook, "missing required types: [RBAC]"),
        (
            &*format!("{rbac}- {{type: Node, name: node}}\n"),
            "authorizer type Node is not allowed if it was not enabled at initial server startup",
        ),
        (
            &*format!("{rbac}- {{type: AlwaysAllow, name: alwaysallow}}\n"),
            "authorizer type AlwaysAllow is not allowed if it was not enabled at initial server startup",
        ),
    ] {
        write(bad);
        authorities.refresh();
        let told = authorities.report()["configuration"]["error"].to_string();
        assert!(told.contains(why), "{told}");
        assert!(authorities.chain.settle(&jane, &asked).await.is_allowed(), "the chain stays as it was");
    }
    write(rbac);
    authorities.refresh();
    assert!(authorities.report()["configuration"]["error"].is_null());
    assert!(!authorities.chain.settle(&jane, &asked).await.is_allowed());
}

#[test]
fn always_is_always() {
    let ask = |mode| {
        let chain = Authorities::build(&modes(&[mode]).unwrap()).unwrap().chain;
        let pods = Resource { resource: "pods", ..Resource::default() };
        let receipt = chain.decide(&UserInfo::new("u", [""; 0]), &Attributes::resource("get", pods));
        (receipt.is_allowed(), receipt.reason())
    };
    assert_eq!(ask("AlwaysAllow"), (true, String::new()));
    assert_eq!(ask("AlwaysDeny"), (false, "Everything is forbidden.".to_owned()));
}
