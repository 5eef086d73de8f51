//! Files that are not what was written, disks that are full, and second openers.

use std::fs;

use super::*;

fn fails(folder: &Path) -> StoreError {
    Embedded::open(options(folder)).err().expect("the store must not open")
}

async fn filled(folder: &Path) {
    let store = open(folder);
    for number in 0..200 {
        store.commit(put(&format!("/a/{number}"), &"x".repeat(1000))).await.unwrap();
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn an_empty_file_is_not_taken_for_a_new_store() {
    let folder = folder();
    fs::write(folder.path().join("store.redb"), b"").unwrap();
    assert!(matches!(fails(folder.path()), StoreError::Corrupt { .. }));
}

#[tokio::test]
async fn garbage_is_refused_and_left_alone() {
    let folder = folder();
    let garbage = vec![b'x'; 100_000];
    fs::write(folder.path().join("store.redb"), &garbage).unwrap();
    assert!(matches!(fails(folder.path()), StoreError::Corrupt { .. }));
    assert_eq!(fs::read(folder.path().join("store.redb")).unwrap(), garbage);
}

#[tokio::test]
async fn another_database_is_refused() {
    let folder = folder();
    let database = redb::Database::create(folder.path().join("store.redb")).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(redb::TableDefinition::<u64, u64>::new("other")).unwrap();
    txn.commit().unwrap();
    drop(database);
    let error = fails(folder.path());
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    for keep in [100, 5000, 70_000, 150_000] {
        let folder = folder();
        filled(folder.path()).await;
        let path = folder.path().join("store.redb");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..keep]).unwrap();
        let error = fails(folder.path());
        assert!(matches!(error, StoreError::Corrupt { .. }), "{keep}: {error:?}");
        assert!(error.to_string().contains("store.redb"), "{error}");
    }
}

#[tokio::test]
async fn verification_finds_a_flipped_bit() {
    let folder = folder();
    filled(folder.path()).await;
    let path = folder.path().join("store.redb");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(500).rposition(|window| window.iter().all(|byte| *byte == b'x')).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let verified = Options { verify: true, ..options(folder.path()) };
    let error = Embedded::open(verified).err().expect("the store must not open");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_store() {
    let folder = folder();
    let _store = open(folder.path());
    match fails(folder.path()) {
        StoreError::InUse { holder, .. } => assert_eq!(holder, std::process::id().to_string()),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_half_made_store_is_made_again() {
    let folder = folder();
    fs::write(folder.path().join("store.redb.new"), b"half").unwrap();
    let store = open(folder.path());
    store.commit(put("a", "1")).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_acknowledged() {
    let folder = folder();
    let faults = Faults::none();
    let store = Embedded::open(Options { faults: Some(faults.clone()), ..options(folder.path()) }).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..60u64 {
        if round % 3 == 2 {
            faults.allow_writes(round / 3);
        }
        let name = format!("/a/{round}");
        match store.commit(put(&name, &"x".repeat(5000))).await {
            Ok(outcome) => acknowledged.push((name, revision_of(outcome))),
            Err(StoreError::DiskFull(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
        if round % 3 == 2 {
            faults.allow_writes(u64::MAX);
        }
    }
    assert!(acknowledged.len() >= 40, "only {} were acknowledged", acknowledged.len());
    assert!(acknowledged.len() < 60, "the disk was never full");
    for pass in 0..2 {
        let reopened;
        let store = match pass {
            0 => &store,
            _ => {
                store.close().await.unwrap();
                reopened = open(folder.path());
                &reopened
            }
        };
        for (name, revision) in &acknowledged {
            let found = store.get(name, None).await.unwrap().expect("what was acknowledged is there");
            assert_eq!(found.mod_revision, *revision);
        }
    }
}

#[tokio::test]
async fn a_store_stays_readable_while_the_disk_is_full() {
    let folder = folder();
    let faults = Faults::none();
    let store = Embedded::open(Options { faults: Some(faults.clone()), ..options(folder.path()) }).unwrap();
    store.commit(put("a", "1")).await.unwrap();
    faults.fill_disk(true);
    for _ in 0..3 {
        let error = store.commit(put("b", &"x".repeat(1_000_000))).await.unwrap_err();
        assert!(matches!(error, StoreError::DiskFull(_)), "{error:?}");
        assert_eq!(text_of(&store, "a", None).await.as_deref(), Some("1"));
    }
    faults.fill_disk(false);
    store.commit(put("b", "2")).await.unwrap();
    assert_eq!(text_of(&store, "b", None).await.as_deref(), Some("2"));
}
