//! What is written is read; what was touched is not.

use super::*;
use crate::{Embedded, KeyValue, Op, Options, Range, Store, Txn};

async fn store(path: &std::path::Path, keys: usize, bytes: usize) -> Embedded {
    let store = Embedded::open(Options::new(path)).unwrap();
    for chunk in (0..keys).collect::<Vec<_>>().chunks(50) {
        let put = |number: &usize| {
            let key = format!("/registry/configmaps/ns/{number:05}").into();
            Op::Put { key, value: vec![b'x'; bytes].into(), ttl: None }
        };
        store.commit(Txn { ops: chunk.iter().map(put).collect(), ..Txn::default() }).await.unwrap();
    }
    store
}

async fn bytes(store: &dyn Store) -> (Vec<u8>, Summary) {
    let (mut out, mut saving) = (Vec::new(), Saving::of(store));
    while let Some(piece) = saving.next().await.unwrap() {
        out.extend_from_slice(&piece);
    }
    (out, saving.summary().unwrap())
}

fn read(bytes: &[u8]) -> Result<(Vec<KeyValue>, Summary), DumpError> {
    let mut decoder = Decoder::open(bytes)?;
    let mut all = Vec::new();
    while let Some(kv) = decoder.next_key()? {
        all.push(kv);
    }
    Ok((all, decoder.summary().unwrap()))
}

#[tokio::test]
async fn what_is_written_is_read_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder.path().join("s"), 1200, 20).await;
    let (out, summary) = bytes(&store).await;
    let held = store.range(Range::default()).await.unwrap();
    assert_eq!(read(&out).unwrap(), (held.kvs.clone(), summary));
    assert_eq!((summary.keys, summary.revision), (1200, held.revision));
    assert_eq!(super::summary(&store).await.unwrap(), summary);

    let path = folder.path().join("dump");
    std::fs::write(&path, &out).unwrap();
    let file = DumpFile::open(&path).unwrap();
    assert_eq!(*file.summary(), summary);
    let (mut found, mut last) = (Vec::new(), Revision::UNSET);
    for (revision, places) in file.revisions(Revision::FIRST) {
        assert!(revision > last);
        last = revision;
        for (_, place) in places {
            let kv = file.at(*place).unwrap();
            assert_eq!(kv.mod_revision, revision);
            found.push(kv);
        }
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(found, held.kvs);
    assert_eq!(file.revisions(last).count(), 0);
}

#[tokio::test]
async fn a024_a_cut_or_changed_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder.path().join("s"), 3, 2).await;
    let (whole, _) = bytes(&store).await;
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "cut to {end}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(read(&changed).is_err(), "changed at {at}");
    }
    assert!(read(&[&whole[..], b"x"].concat()).is_err());
}

#[tokio::test]
async fn pages_of_large_values_are_small() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder.path().join("s"), 250, 200_000).await;
    let mut pages = Pages::at_once(&store);
    let (mut largest, mut keys, mut first) = (0, 0, true);
    loop {
        let page = pages.next().await.unwrap();
        if page.is_empty() {
            break;
        }
        keys += page.len();
        if !first {
            largest = largest.max(page.iter().map(|kv| kv.value.len()).sum());
        }
        first = false;
    }
    assert_eq!(keys, 250);
    assert!(largest <= 4 << 20, "{largest}");
}

#[tokio::test]
async fn a_dump_is_of_one_revision_whatever_is_written_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder.path().join("s"), 1000, 1000).await;
    let (before, expected) = bytes(&store).await;
    let mut pages = Pages::at_once(&store);
    let mut found = pages.next().await.unwrap();
    let key = "/registry/configmaps/ns/00999".into();
    let changed = Txn { ops: vec![Op::Delete { key }], ..Txn::default() };
    store.commit(changed).await.unwrap();
    loop {
        let page = pages.next().await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!((pages.revision(), found), (expected.revision, read(&before).unwrap().0));
}
