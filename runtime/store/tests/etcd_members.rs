//! Whom the store asks: the next member when one is gone, frozen or without a leader; and how much it asks for at once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use switchyard_store::{
    ConfigStore, EtcdConfig, EtcdStore, Operation, Range, Revision, StoreError, Transaction, Update,
    testing::{DEADLINE, EtcdCluster, EtcdOptions, EtcdProcess, Proxy, Traffic, eventually},
    watch,
};
use tokio::time::timeout;

fn config(endpoints: Vec<String>) -> EtcdConfig {
    EtcdConfig { endpoints, user: None }
}

async fn put(store: &EtcdStore, key: &str, value: impl Into<bytes::Bytes>) -> Revision {
    let operations = vec![Operation::put(key, value)];
    store.txn(Transaction { preconditions: vec![], operations }).await.unwrap()
}

/// Tries again for as long as nobody answers.
async fn put_in_the_end(store: &EtcdStore, key: &str, value: &str) -> Revision {
    eventually("a write", || async {
        let operations = vec![Operation::put(key, value.to_owned())];
        store.txn(Transaction { preconditions: vec![], operations }).await.ok()
    })
    .await
}

#[tokio::test]
async fn the_first_question_connects_and_every_later_one_tries_again() {
    let mut etcd = EtcdProcess::start().await;
    etcd.kill();
    let store = EtcdStore::new(config(vec![etcd.address().to_owned()])).unwrap();
    assert!(matches!(store.get("/a").await, Err(StoreError::Unavailable(_))));
    etcd.relaunch();
    put_in_the_end(&store, "/a", "1").await;
    etcd.kill();
    assert!(matches!(store.get("/a").await, Err(StoreError::Unavailable(_))));
    etcd.relaunch();
    let found = eventually("an answer", || async { store.get("/a").await.ok() }).await;
    assert_eq!(found.unwrap().value, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_gone_is_left() {
    let mut cluster = EtcdCluster::start(3).await;
    let store = EtcdStore::connect(config(cluster.addresses())).await.unwrap();
    let mut followed = watch(Arc::new(store.clone()), "/a", None);
    followed.next().await;
    // One of them is the one that is asked, one the one that leads.
    for n in 0..3 {
        cluster.members[n].kill();
        let revision = put_in_the_end(&store, "/a", &n.to_string()).await;
        while timeout(DEADLINE, followed.next()).await.unwrap().revision < revision {}
        cluster.members[n].restart().await;
        cluster.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_a_leader_is_left() {
    let mut cluster = EtcdCluster::start(3).await;
    // Through proxies, so that the two that will be gone are refused at once and the one that stays is seen to be left.
    let mut endpoints = Vec::new();
    for address in cluster.addresses() {
        endpoints.push(Proxy::start(address).await);
    }
    let store = EtcdStore::connect(config(endpoints.iter().map(Proxy::address).collect())).await.unwrap();
    let revision = put(&store, "/a", "1").await;
    let mut updates = store.updates("/a", revision).await.unwrap();
    cluster.members[0].kill();
    cluster.members[1].kill();
    let ended = timeout(DEADLINE, async {
        loop {
            match updates.next().await.unwrap() {
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    });
    let ended = ended.await.unwrap();
    assert!(matches!(ended, StoreError::Unavailable(_)), "{ended:?}");
    assert!(matches!(store.get("/a").await, Err(StoreError::Unavailable(_))), "no old value is given for a new one");
    for proxy in &endpoints {
        proxy.set(Traffic::Delay(Duration::from_millis(5)));
    }
    cluster.members[0].restart().await;
    assert!(put_in_the_end(&store, "/a", "2").await > revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_silent_prefix_gets_bookmarks() {
    let options = EtcdOptions { progress_interval: Some(Duration::from_millis(100)), ..EtcdOptions::default() };
    let etcd = EtcdProcess::start_with(&options).await;
    let store = EtcdStore::connect(config(vec![etcd.address().to_owned()])).await.unwrap();
    let start = put(&store, "/elsewhere", "1").await;
    let mut updates = store.updates("/silent/", start).await.unwrap();
    let latest = put(&store, "/elsewhere", "2").await;
    loop {
        match timeout(DEADLINE, updates.next()).await.unwrap().unwrap().unwrap() {
            Update::Alive => {}
            Update::Progress(revision) if revision < latest => {}
            Update::Progress(revision) => return assert_eq!(revision, latest),
            Update::Changed { changes, .. } => unreachable!("{changes:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_one_message_holds_is_asked_for_in_parts() {
    const VALUES: usize = 40;
    let etcd = EtcdProcess::start().await;
    let store = EtcdStore::connect(config(vec![etcd.address().to_owned()])).await.unwrap();
    let start = put(&store, "/large/00", vec![b'x'; 1 << 20]).await;
    for n in 1..VALUES {
        put(&store, &format!("/large/{n:02}"), vec![b'x'; 1 << 20]).await;
    }
    let all = store.snapshot("/large/").await.unwrap();
    assert_eq!((all.entries.len(), all.revision.0), (VALUES, start.0 + VALUES as u64 - 1));
    let some = store.list(Range { prefix: "/large/", after: Some("/large/00"), limit: VALUES - 2 }).await.unwrap();
    assert_eq!(some.entries.len(), VALUES - 2);
    assert_eq!(some.entries, all.entries.into_iter().skip(1).take(VALUES - 2).collect());
    // etcd would tell it all in one message.
    let mut updates = store.updates("/large/", start).await.unwrap();
    let ended = loop {
        match timeout(DEADLINE, updates.next()).await.unwrap().unwrap() {
            Ok(Update::Alive) => {}
            Ok(other) => unreachable!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, StoreError::Compacted { after } if after == start), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_many_pages_is_of_one_revision() {
    const KEYS: usize = 2_000;
    let etcd = EtcdProcess::start().await;
    let store = EtcdStore::connect(config(vec![etcd.address().to_owned()])).await.unwrap();
    for hundred in 0..KEYS / 100 {
        let operations = (0..100).map(|n| Operation::put(format!("/many/{hundred:02}{n:02}"), "0")).collect();
        store.txn(Transaction { preconditions: vec![], operations }).await.unwrap();
    }
    // The first and the last key change together all the time.
    let last_key = format!("/many/{:02}99", KEYS / 100 - 1);
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 0_u64.. {
                let pair = ["/many/0000", &last_key].map(|key| Operation::put(key, n.to_string()));
                let revision = store.txn(Transaction { preconditions: vec![], operations: pair.into() }).await.unwrap();
                if n % 100 == 99 {
                    store.compact(revision).await.unwrap();
                }
            }
        }
    });
    for _ in 0..20 {
        // The compactions may be faster than the pages.
        let snapshot = match store.snapshot("/many/").await {
            Err(StoreError::Busy) => continue,
            snapshot => snapshot.unwrap(),
        };
        assert_eq!(snapshot.entries.len(), KEYS);
        let values: Vec<_> = snapshot.entries.values().collect();
        assert_eq!(values[0], values[KEYS - 1], "of one transaction");
        assert!(values[0].revision <= snapshot.revision);
    }
    writer.abort();
}
