use super::{Fixture, commit, delete, list, next, put};
use crate::{Operation, Revision, Snapshot, watch};

/// The first snapshot is what is there, also when that is nothing.
pub async fn the_first_snapshot_is_what_is_there(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let empty = next(&mut watch(store.clone(), "/first/", None)).await;
    assert!(empty.entries.is_empty());
    let revision = put(&*store, "/first/a", "1").await;
    let mut followed = watch(store.clone(), "/first/", None);
    let first = next(&mut followed).await;
    assert_eq!(first.entries, list(&*store, "/first/", None, 10).await.entries);
    assert_eq!(first.revision, revision);
    assert_eq!(followed.latest(), Some(first));
}

/// Changes elsewhere wake nobody; changes here do.
pub async fn a_watch_sees_its_prefix_alone(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut followed = watch(store.clone(), "/mine/", None);
    next(&mut followed).await;
    put(&*store, "/theirs/a", "1").await;
    put(&*store, "/mine", "1").await;
    put(&*store, "/mine0", "1").await;
    delete(&*store, "/mine/never").await;
    // A change here comes after them: the first thing that is seen is this one.
    let revision = put(&*store, "/mine/a", "1").await;
    let snapshot = next(&mut followed).await;
    assert_eq!(snapshot.revision, revision);
    assert_eq!(snapshot.entries.keys().collect::<Vec<_>>(), ["/mine/a"]);
    delete(&*store, "/mine/a").await;
    assert!(next(&mut followed).await.entries.is_empty());
}

/// Under many writers a reader sees revisions grow, never half a transaction, and at the end the end.
pub async fn snapshots_are_whole_ordered_and_reach_the_end(fixture: &dyn Fixture) {
    const WRITERS: usize = 4;
    const WRITES: usize = 40;
    let store = fixture.open().await;
    let mut followed = watch(store.clone(), "/pairs/", None);
    let mut last = next(&mut followed).await.revision;
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

    let mut snapshots = 0;
    loop {
        let snapshot = next(&mut followed).await;
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
    let mut one = watch(store.clone(), "/agree/", None);
    let mut two = watch(store.clone(), "/agree/", None);
    next(&mut one).await;
    next(&mut two).await;
    put(&*store, "/agree/a", "1").await;
    assert_eq!(next(&mut one).await, next(&mut two).await);
    drop(one);
    let revision = put(&*store, "/agree/b", "2").await;
    assert_eq!(next(&mut two).await.revision, revision);
    drop(two);
    put(&*store, "/agree/c", "3").await;
    let again = next(&mut watch(store, "/agree/", None)).await;
    assert_eq!(again.entries.len(), 3);
    assert_ne!(again.revision, Revision::default());
}

fn text(snapshot: &Snapshot, key: &str) -> Option<String> {
    snapshot.entries.get(key).map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}
