use super::*;

fn user(name: &str) -> UserInfo {
    UserInfo { name: name.into(), ..UserInfo::default() }
}

#[test]
fn a_client_uses_its_share_and_leaves_the_rest_to_others() {
    let lists = Budget::shared("lists", 100, 40);
    let (low, other) = (lists.account(&user("low")), lists.account(&user("other")));
    let held = low.charge(40).unwrap();
    let refused = low.charge(1).unwrap_err();
    assert_eq!(refused.to_string(), r#"the memory budget "lists" of this client is used up (40 bytes)"#);
    assert_eq!(lists.account(&user("low")).charge(1).unwrap_err(), refused, "another request of the client");
    let _others = other.charge(40).unwrap();
    let third = lists.account(&user("third"));
    let over = third.charge(21).unwrap_err();
    assert_eq!(over.to_string(), r#"the memory budget "lists" of the server is used up (100 bytes)"#);
    let _rest = third.charge(20).unwrap();
    assert_eq!(lists.held(), 100);
    drop(held);
    assert_eq!(lists.held(), 60);
    assert!(low.charge(40).is_ok());
}

#[test]
fn what_did_not_fit_is_not_counted() {
    let bodies = Budget::shared("bodies", 10, 10);
    let mut charge = bodies.account(&user("low")).charge(4).unwrap();
    assert!(charge.grow(7).is_err());
    assert!(charge.grow(u64::MAX).is_err());
    assert_eq!(bodies.held(), 4);
    charge.grow(6).unwrap();
    drop(charge);
    assert_eq!(bodies.held(), 0);
}

#[test]
fn clients_that_hold_nothing_are_forgotten() {
    let watches = Budget::new("watches", 1 << 20);
    let held = watches.account(&user("held")).charge(1).unwrap();
    for number in 0..100_000 {
        watches.account(&user(&number.to_string())).charge(1).unwrap();
    }
    assert!(watches.0.clients.lock().len() < 4 * REMEMBERED);
    drop(held);
    assert_eq!(watches.held(), 0);
}

#[test]
fn at_the_ceiling_only_what_needs_no_memory_is_served() {
    let budgets = Budgets::within(1 << 30);
    assert!(budgets.admit(Verb::List).is_ok());
    budgets.resident(1 << 30);
    for verb in [Verb::List, Verb::Watch, Verb::Create, Verb::Update, Verb::Patch] {
        let error = budgets.admit(verb).unwrap_err();
        assert_eq!(error.code(), 429);
        assert!(error.message().contains("memory ceiling of 1073741824 bytes"), "{}", error.message());
    }
    for verb in [Verb::Get, Verb::Delete] {
        assert!(budgets.admit(verb).is_ok());
    }
    budgets.resident((1 << 30) - 1);
    assert!(budgets.admit(Verb::List).is_ok());
}

#[test]
fn objects_have_a_budget_too() {
    let budgets = Budgets::within(1 << 30);
    assert!(budgets.admit_object((1 << 29) - 1).is_ok());
    let error = budgets.admit_object(1 << 29).unwrap_err();
    assert_eq!(error.code(), 429);
    assert!(error.message().starts_with(r#"the memory budget "objects" of the server"#));
}
