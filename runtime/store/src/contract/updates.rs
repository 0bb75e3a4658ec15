use std::collections::BTreeMap;

use futures_util::{StreamExt, future::join_all};
use tokio::time::timeout;

use super::{DEADLINE, Fixture, commit, delete, list, put};
use crate::{Change, ConfigStore, Operation, Revision, StoreError, Update, Updates};

/// What happened, by revision: each key that has changed, and its value where it is still there.
type Happened = BTreeMap<Revision, BTreeMap<String, Option<String>>>;

/// From any revision on a follower is told exactly what happened since: in order, nothing twice, nothing left out, each
/// transaction whole.
pub async fn updates_resume_after_any_revision(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let start = put(&*store, "/resume/a", "0").await;
    let happened = make_history(&*store).await;
    let revisions: Vec<Revision> =
        (start.0..=*happened.keys().map(|Revision(last)| last).max().expect("some")).map(Revision).collect();
    let resumed = revisions.iter().map(|after| {
        let (store, after) = (store.clone(), *after);
        let expected: Happened = happened.range(Revision(after.0 + 1)..).map(|(k, v)| (*k, v.clone())).collect();
        async move {
            let updates = store.updates("/resume/", after).await.expect("a revision that is known");
            let seen = collect(updates, expected.len()).await;
            assert_eq!(seen, expected, "after {after:?}");
        }
    });
    join_all(resumed).await;
}

/// Creates, updates and deletes, alone and together, here and elsewhere.
async fn make_history(store: &dyn ConfigStore) -> Happened {
    let mut happened = Happened::new();
    let some = |value: &str| Some(value.to_owned());
    let mut note = |revision: Revision, changes: &[(&str, Option<String>)]| {
        let changes = changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        assert_eq!(happened.insert(revision, changes), None, "{revision:?} comes twice");
    };
    for round in ["1", "2", "3"] {
        note(put(store, "/resume/a", round).await, &[("/resume/a", some(round))]);
        put(store, "/elsewhere/a", round).await;
        let both = vec![
            Operation::put("/resume/b", round),
            Operation::put("/elsewhere/b", round),
            Operation::put("/resume/c", round),
        ];
        let revision = commit(store, vec![], both).await.expect("no preconditions");
        note(revision, &[("/resume/b", some(round)), ("/resume/c", some(round))]);
        let mixed = vec![
            Operation::delete("/resume/b"),
            Operation::put("/resume/d", round),
            Operation::delete("/resume/never"),
            Operation::delete("/elsewhere/b"),
        ];
        let revision = commit(store, vec![], mixed).await.expect("no preconditions");
        note(revision, &[("/resume/b", None), ("/resume/d", some(round))]);
        note(delete(store, "/resume/c").await, &[("/resume/c", None)]);
        delete(store, "/resume/c").await;
    }
    happened
}

/// Who follows while many write is told of every acknowledged write under its revision, and a bookmark is true.
pub async fn updates_are_whole_ordered_and_complete(fixture: &dyn Fixture) {
    const WRITERS: usize = 4;
    const WRITES: usize = 40;
    let store = fixture.open().await;
    let start = put(&*store, "/elsewhere", "0").await;
    let updates = store.updates("/whole/", start).await.expect("a revision that is known");
    let following = tokio::spawn(collect(updates, WRITERS * WRITES));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut written = Happened::new();
                for n in 0..WRITES {
                    let value = format!("{writer}-{n}");
                    let pair = ["/whole/left", "/whole/right"].map(|key| Operation::put(key, value.clone()));
                    let revision = commit(&*store, vec![], pair.into()).await.expect("no preconditions");
                    let both = ["/whole/left", "/whole/right"].map(|key| (key.to_owned(), Some(value.clone())));
                    written.insert(revision, both.into());
                    put(&*store, "/elsewhere", &value).await;
                }
                written
            })
        })
        .collect();
    let mut written = Happened::new();
    for writer in writers {
        written.append(&mut writer.await.expect("no writer panics"));
    }
    let seen = following.await.expect("no assertion failed");
    assert_eq!(seen, written);
}

/// What was forgotten, and what is still to come, cannot be followed; what is just before it can. A deletion at the very
/// revision that was compacted to is not lost.
pub async fn revisions_that_are_not_known_are_told(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    put(&*store, "/compact/a", "1").await;
    let before = put(&*store, "/compact/b", "1").await;
    let gone = delete(&*store, "/compact/a").await;
    let later = put(&*store, "/compact/c", "1").await;
    store.compact(gone).await.expect("compacted");
    store.compact(gone).await.expect("once more is no error");
    assert!(is_compacted(&*store, before).await, "the deletion at {gone:?} may be forgotten");
    assert!(is_compacted(&*store, Revision(1)).await);
    let next = collect(store.updates("/compact/", gone).await.expect("this is known"), 1).await;
    assert_eq!(next.keys().collect::<Vec<_>>(), [&later]);
    assert!(is_compacted(&*store, Revision(later.0 + 1_000)).await, "a revision that is still to come");
    assert!(is_compacted(&*store, Revision(u64::MAX)).await);

    let latest = put(&*store, "/compact/c", "2").await;
    store.compact(Revision(latest.0 + 1_000)).await.expect("everything");
    assert!(is_compacted(&*store, later).await);
    drop(store.updates("/compact/", latest).await.expect("where the store stands"));
    assert_eq!(list(&*store, "/compact/", None, 10).await.entries.len(), 2, "no key is lost");
}

/// A store that is there says so, also when nothing happens under the prefix.
pub async fn a_silent_prefix_shows_that_the_store_lives(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let start = put(&*store, "/elsewhere", "0").await;
    let mut updates = store.updates("/silent/", start).await.expect("a revision that is known");
    let latest = put(&*store, "/elsewhere", "1").await;
    for _ in 0..2 {
        match timeout(DEADLINE, updates.next()).await.expect("something comes").expect("it goes on") {
            Ok(Update::Alive) => {}
            Ok(Update::Progress(revision)) => assert!(revision <= latest, "{revision:?} is still to come"),
            other => unreachable!("{other:?}"),
        }
    }
}

/// Follows until so many transactions have come, and holds the stream to its promises.
async fn collect(mut updates: Updates, transactions: usize) -> Happened {
    let (mut happened, mut last) = (Happened::new(), None);
    while happened.len() < transactions {
        let update = timeout(DEADLINE, updates.next()).await.expect("an update comes").expect("it goes on");
        match update.expect("no error") {
            Update::Alive => {}
            Update::Progress(revision) => {
                assert!(last <= Some(revision), "the bookmark {revision:?} after {last:?}");
                last = Some(revision);
            }
            Update::Changed { revision, changes } => {
                assert!(last < Some(revision), "{revision:?} after {last:?}");
                last = Some(revision);
                let keys = changes.len();
                let changes: BTreeMap<_, _> = changes.into_iter().map(|change| told(revision, change)).collect();
                assert!(keys > 0 && keys == changes.len(), "{changes:?}");
                happened.insert(revision, changes);
            }
        }
    }
    happened
}

fn told(revision: Revision, change: Change) -> (String, Option<String>) {
    let value = change.entry.map(|entry| {
        assert_eq!(entry.revision, revision);
        String::from_utf8(entry.value.to_vec()).expect("the suite writes text")
    });
    (change.key, value)
}

/// Whether following after a revision is refused, at once or as the first thing that matters.
async fn is_compacted(store: &dyn ConfigStore, after: Revision) -> bool {
    let mut updates = match store.updates("/compact/", after).await {
        Ok(updates) => updates,
        Err(StoreError::Compacted { after: named }) => return named == after,
        Err(other) => unreachable!("{other}"),
    };
    loop {
        match timeout(DEADLINE, updates.next()).await.expect("something comes").expect("it goes on") {
            Ok(Update::Alive) => {}
            Err(StoreError::Compacted { after: named }) => return named == after,
            _ => return false,
        }
    }
}
