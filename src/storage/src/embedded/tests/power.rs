//! Power cuts at any write, with what was not synced arriving in part, in any order, or not at all.
//!
//! `PORTCULLIS_POWER_CUTS=10000` for a long run.

use rand::{Rng as _, SeedableRng as _};

use super::super::disk::Disk;
use super::*;

/// Transactions that wait for one another's commit.
const TOGETHER: u64 = 3;
const KEYS: u64 = 7;

/// What a client knows: the revision of each of its transactions that was acknowledged.
type Acknowledged = Vec<(u64, Revision)>;

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged() {
    let cuts: u64 = std::env::var("PORTCULLIS_POWER_CUTS").map_or(60, |text| text.parse().expect("a number"));
    let folder = folder();
    open(folder.path()).close().await.unwrap();
    let mut file = std::fs::read(folder.path().join("store.redb")).unwrap();
    let mut rng = rand::rngs::StdRng::seed_from_u64(cuts);
    let (mut next, mut known) = (0, Acknowledged::new());
    for cut in 0..cuts {
        let disk = Disk::holding(file, rng.random_range(1..150), cut);
        let faults = Faults::on(disk.clone());
        let store = Embedded::open(Options { faults: Some(faults), ..options(folder.path()) });
        if let Ok(store) = store {
            match check(&store, &known, cut).await {
                Ok(()) => work(&store, &mut next, &mut known).await,
                // The store writes by itself when history is old enough to be forgotten.
                Err(error) => assert!(disk.after_cut().is_some(), "cut {cut}: {error}"),
            }
        }
        // The power went while the store was opened, or while it worked.
        file = disk.after_cut().expect("the power was cut");
    }
    let disk = Disk::holding(file, u64::MAX, 0);
    let last = Options { faults: Some(Faults::on(disk)), verify: true, ..options(folder.path()) };
    check(&Embedded::open(last).unwrap(), &known, cuts).await.unwrap();
    assert!(known.len() as u64 > cuts, "only {} transactions were acknowledged", known.len());
    println!("{cuts} cuts, {} acknowledged transactions of {next}", known.len());
}

/// Writes until the power goes.
async fn work(store: &Embedded, next: &mut u64, known: &mut Acknowledged) {
    loop {
        let numbers = *next..*next + TOGETHER;
        *next = numbers.end;
        let written =
            futures::future::join_all(numbers.clone().map(|number| store.commit(pair(number)))).await;
        let mut failed = false;
        for (number, outcome) in numbers.zip(written) {
            match outcome {
                Ok(outcome) => known.push((number, revision_of(outcome))),
                Err(_) => failed = true,
            }
        }
        if failed {
            return;
        }
    }
}

/// Two keys that always change together, with a record.
fn pair(number: u64) -> Txn {
    let text = format!("{number} {}", "x".repeat(usize::try_from(number * 37 % 3000).unwrap()));
    let put = |side: &str| Op::Put {
        key: key(&format!("/{side}/{}", number % KEYS)),
        value: value(&*text),
        ttl: None,
    };
    Txn { ops: vec![put("left"), put("right")], ..Txn::default() }.with_outbox(value(number.to_string()))
}

/// Looks whether everything is there that was acknowledged; fails if it cannot be read.
async fn check(store: &Embedded, known: &Acknowledged, cut: u64) -> Result<(), StoreError> {
    let newest = known.iter().map(|(_, revision)| *revision).max().unwrap_or(Revision(1));
    assert!(store.current_revision() >= newest, "cut {cut}: revision {newest} was acknowledged");
    for key in 0..KEYS {
        let (left, right) = (number(store, "left", key).await?, number(store, "right", key).await?);
        assert_eq!(left, right, "cut {cut}: half a transaction");
        let acknowledged =
            known.iter().map(|(number, _)| *number).filter(|number| number % KEYS == key).max();
        assert!(left >= acknowledged, "cut {cut}: {acknowledged:?} was acknowledged, {left:?} is there");
    }
    let records = store.outbox(0, usize::MAX).await?;
    let records: std::collections::BTreeMap<_, _> =
        records.iter().map(|record| (record.revision, record.bytes.clone())).collect();
    for (number, revision) in known {
        assert_eq!(records.get(revision), Some(&value(number.to_string())), "cut {cut}: a record is lost");
    }
    Ok(())
}

/// The number of the transaction that wrote a key last.
async fn number(store: &Embedded, side: &str, key: u64) -> Result<Option<u64>, StoreError> {
    let found = store.get(&format!("/{side}/{key}"), None).await?;
    let text = found.map(|found| String::from_utf8(found.value.to_vec()).unwrap());
    Ok(text.map(|text| text.split(' ').next().unwrap().parse().unwrap()))
}
