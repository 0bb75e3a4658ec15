use super::{Fixture, commit, delete, list, next, put, value};
use crate::{
    KEY_BYTES_MAX, OPERATIONS_MAX, Operation, Precondition, Revision, StoreError, TRANSACTION_BYTES_MAX,
    VALUE_BYTES_MAX, watch,
};

/// A put is read back with the revision that wrote it, and revisions grow.
pub async fn values_have_versions(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.get("/versions/a").await.expect("an absent key can be asked for"), None);
    let first = put(&*store, "/versions/a", "one").await;
    let second = put(&*store, "/versions/b", "").await;
    let third = put(&*store, "/versions/a", "two").await;
    assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
    let a = store.get("/versions/a").await.expect("read").expect("there");
    assert_eq!((a.value.as_ref(), a.revision), (b"two".as_slice(), third));
    let b = store.get("/versions/b").await.expect("read").expect("there");
    assert_eq!((b.value.as_ref(), b.revision), (b"".as_slice(), second));
}

/// What is deleted is absent, deleting it again changes nothing, and a new one does not look like the old one.
pub async fn deleted_keys_are_gone(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let old = put(&*store, "/deleted/a", "old").await;
    let gone = delete(&*store, "/deleted/a").await;
    assert!(gone > old);
    assert_eq!(value(&*store, "/deleted/a").await, None);
    assert_eq!(delete(&*store, "/deleted/a").await, gone, "nothing changed");
    let new = put(&*store, "/deleted/a", "old").await;
    assert!(new > gone);
    let put_again = vec![Operation::put("/deleted/a", "late")];
    let stale = commit(&*store, vec![("/deleted/a", Precondition::At(old))], put_again).await;
    assert!(matches!(stale, Err(StoreError::Conflict { found, .. }) if found == Some(new)), "{stale:?}");
}

/// Each kind of precondition, where it holds and where it does not; a failed one names key and revision.
pub async fn preconditions_hold_or_nothing_happens(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let there = put(&*store, "/preconditions/there", "x").await;
    let later = put(&*store, "/preconditions/later", "x").await;
    let cases = [
        ("/preconditions/none", Precondition::Absent, true),
        ("/preconditions/none", Precondition::Present, false),
        ("/preconditions/none", Precondition::At(there), false),
        ("/preconditions/none", Precondition::At(Revision(0)), false),
        ("/preconditions/there", Precondition::Absent, false),
        ("/preconditions/there", Precondition::Present, true),
        ("/preconditions/there", Precondition::At(there), true),
        ("/preconditions/there", Precondition::At(later), false),
    ];
    for (index, (key, precondition, holds)) in cases.into_iter().enumerate() {
        let target = format!("/preconditions/out/{index}");
        let result = commit(&*store, vec![(key, precondition)], vec![Operation::put(&target, "done")]).await;
        match result {
            Ok(_) => assert!(holds, "{key} {precondition:?}"),
            Err(StoreError::Conflict { key: named, found }) => {
                assert!(!holds && named == key, "{key} {precondition:?}");
                assert_eq!(found, (key == "/preconditions/there").then_some(there));
            }
            Err(other) => unreachable!("{other}"),
        }
        assert_eq!(value(&*store, &target).await.is_some(), holds, "{key} {precondition:?}");
    }
}

/// One failed precondition among many stops every operation; a success has one revision.
pub async fn transactions_are_whole(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let kept = put(&*store, "/whole/kept", "kept").await;
    let operations = || {
        vec![
            Operation::put("/whole/a", "a"),
            Operation::put("/whole/b", "b"),
            Operation::delete("/whole/kept"),
            Operation::delete("/whole/never"),
        ]
    };
    let refused = [("/whole/a", Precondition::Absent), ("/whole/kept", Precondition::Absent)];
    assert!(commit(&*store, refused.to_vec(), operations()).await.is_err());
    let before = list(&*store, "/whole/", None, 10).await;
    assert_eq!(before.entries.keys().collect::<Vec<_>>(), ["/whole/kept"]);

    let holds = [("/whole/a", Precondition::Absent), ("/whole/kept", Precondition::At(kept))];
    let revision = commit(&*store, holds.to_vec(), operations()).await.expect("both hold");
    let after = list(&*store, "/whole/", None, 10).await;
    assert_eq!(after.entries.keys().collect::<Vec<_>>(), ["/whole/a", "/whole/b"]);
    assert!(after.entries.values().all(|entry| entry.revision == revision) && after.revision >= revision);
}

/// What is too large or not well-formed is refused as such, and changes nothing.
pub async fn bounds_are_kept(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let large = |bytes: usize| vec![b'x'; bytes];
    let many = |count: usize| (0..count).map(|n| Operation::put(format!("/bounds/{n}"), "x")).collect::<Vec<_>>();
    let half = TRANSACTION_BYTES_MAX / 2;
    let refused: Vec<Vec<Operation>> = vec![
        vec![Operation::put("/bounds/a", "1"), Operation::put("/bounds/a", "2")],
        vec![Operation::put("/bounds/a", "1"), Operation::delete("/bounds/a")],
        vec![Operation::put("/bounds/a", large(VALUE_BYTES_MAX + 1))],
        vec![Operation::put("/bounds/a", large(half)), Operation::put("/bounds/b", large(half))],
        vec![Operation::put("", "x")],
        vec![Operation::put("bounds", "x")],
        vec![Operation::put("/bounds/a b", "x")],
        vec![Operation::put("/bounds/é", "x")],
        vec![Operation::put(format!("/{}", "k".repeat(KEY_BYTES_MAX)), "x")],
        many(OPERATIONS_MAX + 1),
    ];
    for operations in refused {
        let first = operations[0].key().to_owned();
        let result = commit(&*store, vec![], operations).await;
        assert!(matches!(result, Err(StoreError::Invalid(_))), "{first}: {result:?}");
    }
    assert!(list(&*store, "/bounds/", None, 10).await.entries.is_empty());

    commit(&*store, vec![], many(OPERATIONS_MAX)).await.expect("as many as are allowed");
    let longest = format!("/{}", "k".repeat(KEY_BYTES_MAX - 1));
    commit(&*store, vec![], vec![Operation::put(&longest, large(VALUE_BYTES_MAX))]).await.expect("as large as allowed");
    assert_eq!(store.get(&longest).await.expect("read").expect("there").value.len(), VALUE_BYTES_MAX);
}

/// Of many that create one key, one succeeds and the others are told.
pub async fn one_creator_wins(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let create = vec![Operation::put("/creator", n.to_string())];
                match commit(&*store, vec![("/creator", Precondition::Absent)], create).await {
                    Ok(_) => Some(n.to_string()),
                    Err(StoreError::Conflict { found: Some(_), .. }) => None,
                    Err(other) => unreachable!("{other}"),
                }
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.expect("no task panics"));
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(value(&*store, "/creator").await.as_ref(), winners.first());
}

/// A hundred that read, add one and write back at the revision they read lose nothing.
pub async fn concurrent_increments_are_exact(fixture: &dyn Fixture) {
    const TASKS: u32 = 100;
    let store = fixture.open().await;
    put(&*store, "/counter", "0").await;
    let increment = |store: std::sync::Arc<dyn crate::ConfigStore>| async move {
        loop {
            let read = store.get("/counter").await.expect("read").expect("there");
            let count: u32 = std::str::from_utf8(&read.value).expect("text").parse().expect("a number");
            let write = vec![Operation::put("/counter", (count + 1).to_string())];
            match commit(&*store, vec![("/counter", Precondition::At(read.revision))], write).await {
                Ok(_) => return,
                // Each conflict is another task's success, so this ends.
                Err(StoreError::Conflict { .. }) => {}
                Err(other) => unreachable!("{other}"),
            }
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(increment(store.clone()))).collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
    assert_eq!(value(&*store, "/counter").await, Some(TASKS.to_string()));
}

/// Closing and opening again loses nothing, and revisions go on from where they were.
pub async fn everything_is_there_after_reopening(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    put(&*store, "/reopen/a", "1").await;
    put(&*store, "/reopen/b", "2").await;
    let last = delete(&*store, "/reopen/b").await;
    let before = list(&*store, "/reopen/", None, 10).await;
    drop(store);

    let store = fixture.open().await;
    assert_eq!(list(&*store, "/reopen/", None, 10).await.entries, before.entries);
    let mut followed = watch(store.clone(), "/reopen/", None);
    assert_eq!(next(&mut followed).await.entries, before.entries);
    let revision = put(&*store, "/reopen/c", "3").await;
    assert!(revision > last);
    assert!(next(&mut followed).await.entries.contains_key("/reopen/c"));
}
