use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::attributes::Resource;
use crate::chain::{Chain, Link};
use crate::rbac::RbacIndex;
use crate::testing::hook::{Hook, review};

fn chain(plan: &WebhookPlan) -> Chain {
    let chain = Chain::new();
    chain.replace(vec![Link::to_webhook(Webhook::new(plan).unwrap()), Link::to(RbacIndex::new())]);
    chain
}

fn jane() -> UserInfo {
    let extra = BTreeMap::from([("team".to_owned(), vec!["a".to_owned()])]);
    UserInfo { uid: "7".into(), extra: Arc::new(extra), ..UserInfo::new("jane", ["dev", "ops"]) }
}

fn pods<'a>() -> Resource<'a> {
    Resource {
        version: "v1",
        namespace: "n",
        resource: "pods",
        subresource: "log",
        name: "p",
        ..Resource::default()
    }
}

async fn verdict(chain: &Chain) -> &'static str {
    told(chain.settle(&jane(), &Attributes::resource("get", pods())).await.decision())
}

fn told(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow(_) => "allow",
        Decision::Deny(_) => "deny",
        Decision::NoOpinion(_) => "none",
    }
}

#[tokio::test]
async fn what_it_says_decides_and_is_kept() {
    let hook = Hook::start().await;
    let chain = chain(&hook.plan());
    for (status, want) in [
        (json!({"allowed": true, "reason": "because"}), "allow"),
        (json!({"allowed": false}), "none"),
        (json!({"allowed": false, "denied": true}), "deny"),
        (json!({}), "none"),
    ] {
        hook.says(status);
        // Each another question, since answers are kept.
        let name = hook.heard().len().to_string();
        let asked = Resource { name: &name, ..pods() };
        for _ in 0..2 {
            let receipt = chain.settle(&jane(), &Attributes::resource("get", asked)).await;
            assert_eq!(told(receipt.decision()), want);
            let (by, reason) =
                if want == "allow" { (Some("hook"), "because") } else { (receipt.authorizer(), "") };
            assert_eq!((receipt.authorizer(), receipt.reason()), (by, reason.to_owned()));
            assert_eq!(receipt.good_for(), Some(Duration::from_secs(60)));
        }
        // A second time the answer is known, so that nothing has to be waited for.
        assert_eq!(told(chain.decide(&jane(), &Attributes::resource("get", asked)).decision()), want);
    }
    assert_eq!(hook.heard().len(), 4);
}

#[tokio::test]
async fn nothing_is_allowed_before_it_has_answered() {
    let hook = Hook::start().await;
    hook.says(json!({"allowed": true}));
    let mut plan = hook.plan();
    plan.failure_policy = FailurePolicy::NoOpinion;
    let chain = Chain::new();
    let always = crate::Authorities::build(
        &crate::Plan::modes(&["AlwaysAllow"], &crate::WebhookFlags::default()).unwrap(),
    );
    assert!(always.unwrap().chain.decide(&jane(), &Attributes::path("get", "/x")).is_allowed());
    chain.replace(vec![Link::to_webhook(Webhook::new(&plan).unwrap())]);
    let chain = chain.then(Yes);
    let answers = Answers::default();
    let asked = Attributes::path("get", "/x");
    let receipt = chain.weigh(&jane(), &asked, &answers);
    assert!(!receipt.is_allowed() && answers.are_missing());
    assert_eq!(receipt.decision().grounds().error(), "the authorization webhook \"hook\" must be asked");
    assert!(answers.fetch().await && !answers.are_missing());
    assert!(chain.weigh(&jane(), &asked, &answers).is_allowed());
    assert!(!answers.fetch().await);
}

struct Yes;

impl crate::Authorizer for Yes {
    fn name(&self) -> &'static str {
        "Yes"
    }
    fn decide(&self, _: &UserInfo, _: &Attributes<'_>) -> Decision {
        Decision::allow(Reason::Said("".into()))
    }
    fn rules(&self, _: &UserInfo, _: &str) -> crate::listing::Rules {
        crate::listing::Rules::default()
    }
    fn generation(&self, _: &UserInfo) -> u64 {
        0
    }
}

#[tokio::test]
async fn masters_are_not_asked_about() {
    let hook = Hook::start().await;
    let masters = UserInfo::new("root", ["system:masters"]);
    assert!(chain(&hook.plan()).settle(&masters, &Attributes::path("get", "/x")).await.is_allowed());
    assert!(hook.heard().is_empty());
}

#[tokio::test]
async fn the_question_has_all_that_is_known() {
    let hook = Hook::start().await;
    let selecting = Resource {
        group: "apps",
        label_selector: "a=b,c in (d,e),!f,g,h>1,i!=j",
        field_selector: "metadata.name=x,status.phase!=y",
        ..pods()
    };
    let chain_v1 = chain(&hook.plan());
    chain_v1.settle(&jane(), &Attributes::resource("list", selecting)).await;
    chain_v1.settle(&jane(), &Attributes::path("get", "/metrics")).await;
    let beta = WebhookPlan { version: Version::V1Beta1, ..hook.plan() };
    hook.reply(|_| {
        let answer = json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1beta1", "status": {"allowed": true}});
        (200, answer.to_string())
    });
    let receipt = chain(&beta).settle(&jane(), &Attributes::path("get", "/metrics")).await;
    assert!(receipt.is_allowed());
    let reviews = hook.reviews();
    let who = |mut spec: Value, groups: &str| {
        let all = spec.as_object_mut().unwrap();
        all.insert("user".into(), "jane".into());
        all.insert("uid".into(), "7".into());
        all.insert("extra".into(), json!({"team": ["a"]}));
        all.insert(groups.into(), json!(["dev", "ops"]));
        spec
    };
    let attributes = json!({
        "verb": "list", "group": "apps", "version": "v1", "resource": "pods", "subresource": "log",
        "namespace": "n", "name": "p",
        "fieldSelector": {"requirements": [
            {"key": "metadata.name", "operator": "In", "values": ["x"]},
            {"key": "status.phase", "operator": "NotIn", "values": ["y"]},
        ]},
        "labelSelector": {"requirements": [
            {"key": "a", "operator": "In", "values": ["b"]},
            {"key": "c", "operator": "In", "values": ["d", "e"]},
            {"key": "f", "operator": "DoesNotExist"},
            {"key": "g", "operator": "Exists"},
            {"key": "i", "operator": "NotIn", "values": ["j"]},
        ]},
    });
    assert_eq!(reviews[0]["spec"], who(json!({"resourceAttributes": attributes}), "groups"));
    let path = json!({"nonResourceAttributes": {"path": "/metrics", "verb": "get"}});
    assert_eq!(reviews[1]["spec"], who(path.clone(), "groups"));
    assert_eq!(reviews[2]["spec"], who(path, "group"));
    assert_eq!(reviews[1]["apiVersion"], "authorization.k8s.io/v1");
    assert_eq!(reviews[2]["apiVersion"], "authorization.k8s.io/v1beta1");
}

#[tokio::test]
async fn e062_whatever_is_no_answer_follows_the_failure_policy() {
    let hook = Hook::start().await;
    let other_kind = json!({"kind": "TokenReview", "status": {"allowed": true}}).to_string();
    let other_version = review(json!({"allowed": true})).replace("k8s.io/v1", "k8s.io/v1beta1");
    let huge = review(json!({"allowed": true, "reason": "x".repeat(100_000)}));
    for (status, body) in [
        (0, String::new()),
        (400, review(json!({"allowed": true}))),
        (302, review(json!({"allowed": true}))),
        (200, "{".to_owned()),
        (200, "[]".to_owned()),
        (200, r#"["authorization.k8s.io/v1","SubjectAccessReview",{"allowed":true}]"#.to_owned()),
        (200, r#"{"status":[true]}"#.to_owned()),
        (200, String::new()),
        (200, review(json!({"allowed": "true"}))),
        (200, other_kind),
        (200, other_version),
        (200, huge),
    ] {
        let say = body.clone();
        hook.reply(move |_| (status, say.clone()));
        assert_eq!(verdict(&chain(&hook.plan())).await, "deny", "{status} {body:.60}");
        let open = WebhookPlan { failure_policy: FailurePolicy::NoOpinion, ..hook.plan() };
        assert_eq!(verdict(&chain(&open)).await, "none", "{status} {body:.60}");
    }
    // Both words at once are a refusal under either policy, and told as an error.
    hook.says(json!({"allowed": true, "denied": true}));
    let open = WebhookPlan { failure_policy: FailurePolicy::NoOpinion, ..hook.plan() };
    let receipt = chain(&open).settle(&jane(), &Attributes::path("get", "/x")).await;
    assert!(receipt.decision().is_denied());
    assert_eq!(receipt.decision().grounds().error(), BOTH);
}

#[tokio::test]
async fn e062_a_long_reason_is_cut_and_holds_no_control_characters() {
    let hook = Hook::start().await;
    hook.says(
        json!({"allowed": false, "denied": true, "reason": format!("a\u{1b}[2Jb\n{}", "é".repeat(5_000))}),
    );
    let receipt = chain(&hook.plan()).settle(&jane(), &Attributes::path("get", "/x")).await;
    let reason = receipt.reason();
    assert!(reason.starts_with("a [2Jb é") && reason.chars().count() == 1_024, "{reason:.20}");
}

#[tokio::test]
async fn a_busy_webhook_is_asked_again() {
    let hook = Hook::start().await;
    let calls = Arc::new(AtomicU64::new(0));
    hook.reply(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => (500, String::new()),
        _ => (200, review(json!({"allowed": true}))),
    });
    assert_eq!(verdict(&chain(&hook.plan())).await, "allow");
    assert_eq!(hook.heard().len(), 2);
}

#[tokio::test]
async fn failures_and_long_questions_are_not_kept() {
    let hook = Hook::start().await;
    let chain = chain(&hook.plan());
    hook.reply(|_| (400, String::new()));
    assert_eq!(verdict(&chain).await, "deny");
    hook.says(json!({"allowed": true}));
    assert_eq!(verdict(&chain).await, "allow");
    let long = "x".repeat(10_000);
    let before = hook.heard().len();
    for _ in 0..2 {
        chain.settle(&jane(), &Attributes::path("get", &long)).await;
    }
    assert_eq!(hook.heard().len(), before + 2);
}

#[tokio::test]
async fn nothing_is_kept_where_that_is_off() {
    let hook = Hook::start().await;
    hook.says(json!({"allowed": true}));
    let chain = chain(&WebhookPlan { authorized_ttl: Duration::ZERO, ..hook.plan() });
    assert_eq!((verdict(&chain).await, verdict(&chain).await), ("allow", "allow"));
    assert_eq!(hook.heard().len(), 2);
    assert_eq!(hook.heard()[0], hook.heard()[1]);
}

#[tokio::test]
async fn e091_conditions_leave_out_or_fail_and_never_allow() {
    let hook = Hook::start().await;
    hook.says(json!({"allowed": true}));
    let expensive = "[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, [1,2,3,4,5,6,7,8].all(d, \
        [1,2,3,4,5,6,7,8].all(e, [1,2,3,4,5,6,7,8].all(f, [1,2,3,4,5,6,7,8].all(g, a + b + c + d + e + f + g > 0)))))))";
    let table: [(&[&str], &str, &str, bool); 10] = [
        (&["request.user == 'jane'", "has(request.resourceAttributes)"], "allow", "allow", true),
        (&["request.resourceAttributes.namespace == 'kube-system'"], "none", "none", false),
        (
            &["!has(request.nonResourceAttributes)", "request.groups.exists(g, g == 'ops')"],
            "allow",
            "allow",
            true,
        ),
        (&["request.extra['missing'][0] == 'x'"], "deny", "none", false),
        (&["request.nonResourceAttributes.path == '/x'"], "deny", "none", false),
        (&[expensive], "deny", "none", false),
        // A false one leaves the webhook out whatever another one does.
        (&["request.extra['missing'][0] == 'x'", "false"], "none", "none", false),
        (&["request.extra['team'][0] == 'a'", "request.uid == '7'"], "allow", "allow", true),
        (&["has(request.resourceAttributes.labelSelector)"], "none", "none", false),
        (&["request.resourceAttributes.group == ''"], "allow", "allow", true),
    ];
    for (conditions, deny, no_opinion, asks) in table {
        let conditions: Vec<String> = conditions.iter().map(|one| (*one).to_owned()).collect();
        for (policy, want) in [(FailurePolicy::Deny, deny), (FailurePolicy::NoOpinion, no_opinion)] {
            let before = hook.heard().len();
            let plan = WebhookPlan { conditions: conditions.clone(), failure_policy: policy, ..hook.plan() };
            assert_eq!(verdict(&chain(&plan)).await, want, "{conditions:?} {policy:?}");
            assert_eq!(hook.heard().len() > before, asks, "{conditions:?}");
        }
    }
}

#[tokio::test]
async fn conditions_see_what_a_request_selects() {
    let hook = Hook::start().await;
    hook.says(json!({"allowed": true}));
    let condition = "request.resourceAttributes.?fieldSelector.requirements.orValue([]).exists(r, r.key == 'spec.nodeName' && r.operator == 'In' && r.values == ['n1']) \
        && request.resourceAttributes.labelSelector.requirements.size() == 1";
    let chain = chain(&WebhookPlan { conditions: vec![condition.to_owned()], ..hook.plan() });
    let asked = Resource { field_selector: "spec.nodeName=n1", label_selector: "a", ..pods() };
    assert!(chain.settle(&jane(), &Attributes::resource("list", asked)).await.is_allowed());
    let asked = Resource { field_selector: "spec.nodeName=n2", label_selector: "a", ..pods() };
    assert_eq!(told(chain.settle(&jane(), &Attributes::resource("list", asked)).await.decision()), "none");
}

#[tokio::test]
async fn several_are_asked_in_their_order() {
    let (first, second) = (Hook::start().await, Hook::start().await);
    first.says(json!({"allowed": false}));
    second.says(json!({"allowed": true}));
    let chain = Chain::new();
    let plans = [first.plan(), WebhookPlan { name: "other".into(), ..second.plan() }];
    chain.replace(plans.iter().map(|plan| Link::to_webhook(Webhook::new(plan).unwrap())).collect());
    let receipt = chain.settle(&jane(), &Attributes::path("get", "/x")).await;
    assert_eq!((receipt.authorizer(), receipt.is_allowed()), (Some("other"), true));
    first.says(json!({"allowed": false, "denied": true}));
    let receipt = chain.settle(&jane(), &Attributes::path("get", "/y")).await;
    assert_eq!((receipt.authorizer(), second.heard().len()), (Some("hook"), 1));
}

#[tokio::test]
async fn a_piece_of_work_asks_only_so_much() {
    let hook = Hook::start().await;
    hook.says(json!({"allowed": true}));
    let patient = Duration::from_secs(30);
    let chain = chain(&WebhookPlan { authorized_ttl: Duration::ZERO, timeout: patient, ..hook.plan() });
    let answers = Answers::default();
    for n in 0..600 {
        chain.weigh(&jane(), &Attributes::path("get", &n.to_string()), &answers);
    }
    assert!(answers.fetch().await);
    assert_eq!(hook.heard().len(), 512);
    assert!(answers.are_missing() && !answers.fetch().await);
    assert!(!chain.weigh(&jane(), &Attributes::path("get", "599"), &answers).is_allowed());
}
