use super::*;

struct Says(Decision);

impl Authorizer for Says {
    fn name(&self) -> &'static str {
        "says"
    }

    fn decide(&self, _: &UserInfo, _: &Attributes<'_>) -> Decision {
        self.0.clone()
    }

    fn rules(&self, _: &UserInfo, _: &str) -> Rules {
        Rules::default()
    }

    fn generation(&self, _: &UserInfo) -> u64 {
        0
    }
}

struct Objects(&'static str);

impl Guard for Objects {
    fn name(&self) -> &'static str {
        "objects"
    }

    fn objection(&self, _: &UserInfo, attributes: &Attributes<'_>) -> Option<Reason> {
        (attributes.verb == self.0).then(|| Reason::Said("no".into()))
    }

    fn generation(&self) -> u64 {
        0
    }
}

fn said(words: &str) -> Reason {
    Reason::Said(words.into())
}

fn neutral(words: &str) -> Says {
    Says(Decision::NoOpinion(Grounds { reasons: vec![said(words)], errors: vec!["e".into()] }))
}

fn decide(chain: &Chain, groups: &[&str], verb: &str) -> Receipt {
    chain.decide(&UserInfo::new("u", groups), &Attributes::path(verb, "/x"))
}

#[test]
fn nobody_but_masters_is_allowed_by_an_empty_chain() {
    let chain = Chain::new();
    assert!(decide(&chain, &[MASTERS], "get").is_allowed());
    assert!(!decide(&chain, &["system:authenticated"], "get").is_allowed());
}

#[test]
fn the_first_opinion_wins() {
    let chain = Chain::new()
        .then(neutral("a"))
        .then(Says(Decision::deny(said("b"))))
        .then(Says(Decision::allow(said("c"))));
    let receipt = decide(&chain, &[], "get");
    assert!(receipt.decision().is_denied());
    assert_eq!(receipt.reason(), "b");
}

#[test]
fn no_opinion_keeps_the_reasons_and_errors_of_all() {
    let receipt = decide(&Chain::new().then(neutral("a")).then(neutral("b")), &[], "get");
    assert!(!receipt.is_allowed() && !receipt.decision().is_denied());
    assert_eq!(receipt.reason(), "a\nb");
    assert_eq!(receipt.decision().grounds().error(), "e");
}

#[test]
fn guards_bind_everybody_but_masters() {
    let chain = Chain::new().guard(Objects("delete")).then(Says(Decision::allow(said("c"))));
    assert!(decide(&chain, &[], "get").is_allowed());
    assert!(decide(&chain, &[], "delete").decision().is_denied());
    assert!(decide(&chain, &[MASTERS], "delete").is_allowed());
}

#[test]
fn receipts_have_ids_of_their_own() {
    let chain = Chain::new();
    assert_ne!(decide(&chain, &[], "get").id(), decide(&chain, &[], "get").id());
}

#[test]
fn masters_are_listed_with_everything_once() {
    let chain = Chain::new();
    assert_eq!(chain.rules(&UserInfo::new("u", [MASTERS]), "n").rules, crate::rbac::Rule::full_authority());
    assert!(chain.rules(&UserInfo::new("u", [""; 0]), "n").rules.is_empty());
    assert!(Chain::new().guard(Objects("get")).rules(&UserInfo::default(), "n").incomplete);
}
