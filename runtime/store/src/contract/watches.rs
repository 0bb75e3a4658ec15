use std::sync::Arc;

use tokio::time::timeout;

use super::{DEADLINE, Fixture, commit, delete, list, put};
use crate::{Operation, Revision, Snapshot, SnapshotWatch};

/// A new watch holds what is there, also when that is nothing.
pub async fn the_first_snapshot_is_there_at_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let empty = store.watch("/first/").await.expect("an empty prefix can be followed");
    assert!(empty.borrow().entries.is_empty());
    let revision = put(&*store, "/first/a", "1").await;
    let watch = store.watch("/first/").await.expect("followed twice");
    assert_eq!(watch.borrow().entries, list(&*store, "/first/", None, 10).await.entries);
    assert_eq!(watch.borrow().revision, revision);
}

/// Changes elsewhere wake nobody; changes here do.
pub async fn a_watch_sees_its_prefix_alone(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut watch = store.watch("/mine/").await.expect("followed");
    watch.borrow_and_update();
    put(&*store, "/theirs/a", "1").await;
    put(&*store, "/mine", "1").await;
    delete(&*store, "/mine/never").await;
    // A change here comes after them: the first thing that is seen is this one.
    let revision = put(&*store, "/mine/a", "1").await;
    let snapshot = next(&mut watch).await;
    assert_eq!(snapshot.revision, revision);
    assert_eq!(snapshot.entries.keys().collect::<Vec<_>>(), ["/mine/a"]);
    delete(&*store, "/mine/a").await;
    assert!(next(&mut watch).await.entries.is_empty());
}

/// Under many writers a reader sees revisions grow, never half a transaction, and at the end the end.
pub async fn snapshots_are_whole_ordered_and_reach_the_end(fixture: &dyn Fixture) {
    const WRITERS: usize = 4;
    const WRITES: usize = 40;
    let store = fixture.open().await;
    let mut watch = store.watch("/pairs/").await.expect("followed");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..WRITES {
                    let value = format!("{writer}-{n}");
                    let pair = ["/pairs/left", "/pairs/right"].map(|key| Operation::put(key, value.clone()));
                    commit(&*store, vec![], pair.into()).await.expect("no preconditions");
                }
                let done = format!("/pairs/done/{writer}");
                put(&*store, &done, "done").await;
            })
        })
        .collect();

    let mut last = watch.borrow_and_update().revision;
    let mut snapshots = 0;
    loop {
        let snapshot = next(&mut watch).await;
        assert!(snapshot.revision > last, "{:?} after {last:?}", snapshot.revision);
        assert_eq!(text(&snapshot, "/pairs/left"), text(&snapshot, "/pairs/right"), "half a transaction");
        assert!(snapshot.entries.values().all(|entry| entry.revision <= snapshot.revision));
        last = snapshot.revision;
        snapshots += 1;
        if (0..WRITERS).all(|writer| snapshot.entries.contains_key(&format!("/pairs/done/{writer}"))) {
            assert_eq!(snapshot.entries, list(&*store, "/pairs/", None, 100).await.entries);
            break;
        }
    }
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    assert!(snapshots <= WRITERS * (WRITES + 1), "a snapshot came twice");
}

/// Two that follow one prefix see the same, and one that stops does not stop the other.
pub async fn watches_of_one_prefix_agree(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let one = store.watch("/agree/").await.expect("followed");
    let mut two = store.watch("/agree/").await.expect("followed");
    put(&*store, "/agree/a", "1").await;
    let seen = next(&mut two).await;
    assert_eq!(**one.borrow(), *seen);
    drop(one);
    let revision = put(&*store, "/agree/b", "2").await;
    assert_eq!(next(&mut two).await.revision, revision);
    drop(two);
    put(&*store, "/agree/c", "3").await;
    let again = store.watch("/agree/").await.expect("followed again");
    assert_eq!(again.borrow().entries.len(), 3);
    assert_ne!(again.borrow().revision, Revision::default());
}

async fn next(watch: &mut SnapshotWatch) -> Arc<Snapshot> {
    timeout(DEADLINE, watch.changed()).await.expect("a change is seen").expect("the store is open");
    watch.borrow_and_update().clone()
}

fn text(snapshot: &Snapshot, key: &str) -> Option<String> {
    snapshot.entries.get(key).map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}
