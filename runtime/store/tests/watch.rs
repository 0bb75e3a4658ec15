//! What a watch shows, and how often.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{sync::Arc, time::Duration};

use switchyard_store::{ConfigStore, EmbeddedStore, Operation, Transaction, watch_paced};
use tempfile::TempDir;

#[tokio::test(start_paused = true)]
async fn a_paced_watch_shows_together_what_came_within_its_pace() {
    const KEYS: usize = 200;
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let put = |n: usize| {
        let operations = vec![Operation::put(format!("/many/{n}"), "x")];
        store.txn(Transaction { preconditions: vec![], operations })
    };
    put(0).await.unwrap();
    let pace = Duration::from_secs(3_600);
    let mut watch = watch_paced(Arc::new(store.clone()), "/many/", None, pace);
    assert_eq!(watch.next().await.entries.len(), 1, "the first snapshot waits for nobody");
    for n in 1..KEYS {
        put(n).await.unwrap();
    }
    let mut shown = 0;
    while watch.next().await.entries.len() < KEYS {
        shown += 1;
    }
    assert!(shown <= 2, "{shown} snapshots before the last");
}

/// More than is taken together: who is behind does not wait for each part of it.
#[tokio::test(start_paused = true)]
async fn a_paced_watch_that_is_behind_catches_up_without_a_pause() {
    const KEYS: usize = 4_000;
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let pace = Duration::from_secs(3_600);
    let mut watch = watch_paced(Arc::new(store.clone()), "/many/", None, pace);
    watch.next().await;
    let begun = tokio::time::Instant::now();
    // Each update is one transaction.
    for n in 0..KEYS {
        let operations = vec![Operation::put(format!("/many/{n}"), "x")];
        store.txn(Transaction { preconditions: vec![], operations }).await.unwrap();
    }
    while watch.next().await.entries.len() < KEYS {}
    let paces = begun.elapsed().as_secs() / pace.as_secs();
    assert!(paces <= 2, "{paces} pauses");
}
