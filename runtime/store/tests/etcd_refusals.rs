//! What is no etcd of ours, or does not let us in, or is full, is told in a sentence and by its type.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

use std::time::Duration;

use etcd_client::{Client, PermissionType};
use futures_util::StreamExt;
use switchyard_store::{
    ConfigStore, EtcdConfig, EtcdStore, EtcdUser, Operation, Revision, StoreError, Transaction, Update, keyspace,
    testing::{EtcdOptions, EtcdProcess, eventually},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

fn config(endpoint: &str) -> EtcdConfig {
    EtcdConfig { endpoints: vec![endpoint.to_owned()], user: None }
}

fn put(key: &str, value: impl Into<bytes::Bytes>) -> Transaction {
    Transaction { preconditions: vec![], operations: vec![Operation::put(key, value)] }
}

/// What is said, with what caused it.
fn words(error: &StoreError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| (**cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A server that gives one answer to whatever it is told.
async fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut said = [0; 1_000];
                while stream.read(&mut said).await.is_ok_and(|bytes| bytes > 0) {
                    let _ = stream.write_all(answer).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn what_is_no_etcd_is_told_with_its_address() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"[..], b"-ERR unknown command\r\n"] {
        let address = server(answer).await;
        let error = EtcdStore::connect(config(&address)).await.err().unwrap();
        assert!(matches!(error, StoreError::Foreign(_)), "{error:?}");
        assert_eq!(error.to_string(), format!("what answers at http://{address} is not an etcd"));
    }
    let silent = server(b"").await;
    let closed = "127.0.0.1:1".to_owned();
    for (address, why) in [(silent, "there was no answer within 3 s"), (closed, "Connection refused")] {
        let error = EtcdStore::connect(config(&address)).await.err().unwrap();
        assert!(matches!(error, StoreError::Unavailable(_)) && error.is_retryable(), "{error:?}");
        let words = words(&error);
        assert!(words.contains(&format!("etcd at http://{address} cannot be used")) && words.contains(why), "{words}");
    }
    assert!(matches!(EtcdStore::connect(config("https://a:1")).await, Err(StoreError::Invalid(_))));
}

#[tokio::test]
async fn another_cluster_is_not_taken_for_the_first_one() {
    let mut etcds = [EtcdProcess::start().await, EtcdProcess::start().await];
    let endpoints = etcds.iter().map(|etcd| etcd.address().to_owned()).collect();
    let store = EtcdStore::connect(EtcdConfig { endpoints, user: None }).await.unwrap();
    // Which of them came first is drawn; the other one is never used.
    for etcd in &mut etcds {
        etcd.kill();
        for _ in 0..3 {
            let error = match store.get("/a").await {
                Ok(_) => break,
                Err(error) => error,
            };
            if let StoreError::Foreign(words) = error {
                assert!(words.contains("is another etcd cluster"), "{words}");
                return;
            }
        }
        etcd.restart().await;
    }
    panic!("both were used");
}

/// Somebody else's etcd among the addresses, by mistake: whichever is asked first, ours is used, and nothing is written to theirs.
#[tokio::test]
async fn an_empty_etcd_beside_ours_is_not_taken_for_it() {
    let (ours, theirs) = (EtcdProcess::start().await, EtcdProcess::start().await);
    EtcdStore::connect(config(ours.address())).await.unwrap().txn(put("/switchyard/v1/a", "x")).await.unwrap();
    let endpoints = vec![theirs.address().to_owned(), ours.address().to_owned()];
    let mut client = Client::connect([theirs.address()], None).await.unwrap();
    client.put("/theirs", "x", None).await.unwrap();
    for _ in 0..6 {
        let config = EtcdConfig { endpoints: endpoints.clone(), user: None };
        let store = EtcdStore::connect(config).await.unwrap();
        assert!(store.get("/switchyard/v1/a").await.unwrap().is_some(), "it is ours");
    }
    assert!(client.get(keyspace::FORMAT, None).await.unwrap().kvs().is_empty(), "theirs is left alone");
}

/// An etcd that will not do does not keep out the right one.
#[tokio::test]
async fn an_etcd_that_is_refused_is_not_the_first_one() {
    let (ours, theirs) = (EtcdProcess::start().await, EtcdProcess::start().await);
    let mut client = Client::connect([theirs.address()], None).await.unwrap();
    client.put(keyspace::FORMAT, "something else", None).await.unwrap();
    let endpoints = vec![theirs.address().to_owned(), ours.address().to_owned()];
    for _ in 0..6 {
        EtcdStore::connect(EtcdConfig { endpoints: endpoints.clone(), user: None }).await.unwrap();
    }
}

#[tokio::test]
async fn values_without_a_note_are_left_alone() {
    let etcd = EtcdProcess::start().await;
    let mut client = Client::connect([etcd.address()], None).await.unwrap();
    client.put("/elsewhere", "x", None).await.unwrap();
    client.put("/switchyard/v1/desired/seal", "x", None).await.unwrap();
    let error = EtcdStore::connect(config(etcd.address())).await.err().unwrap();
    assert!(matches!(&error, StoreError::Foreign(words) if words.contains("and are left alone")), "{error}");
    assert!(client.get(keyspace::FORMAT, None).await.unwrap().kvs().is_empty());
    // What is beside ours is no reason.
    client.delete("/switchyard/v1/desired/seal", None).await.unwrap();
    EtcdStore::connect(config(etcd.address())).await.unwrap();
}

#[tokio::test]
async fn values_of_another_format_are_not_touched() {
    let etcd = EtcdProcess::start().await;
    let mut client = Client::connect([etcd.address()], None).await.unwrap();
    let store = EtcdStore::connect(config(etcd.address())).await.unwrap();
    let noted = store.get(keyspace::FORMAT).await.unwrap().unwrap();
    assert_eq!(noted.value, r#"{"format":1}"#);
    EtcdStore::connect(config(etcd.address())).await.unwrap();
    assert_eq!(store.get(keyspace::FORMAT).await.unwrap(), Some(noted), "noted once");

    client.put(keyspace::FORMAT, r#"{"format":2}"#, None).await.unwrap();
    let error = EtcdStore::connect(config(etcd.address())).await.err().unwrap();
    assert!(matches!(&error, StoreError::Foreign(words) if words.contains("another format")), "{error}");
}

#[tokio::test]
async fn who_may_not_is_told_so_and_who_may_goes_on_after_a_restart() {
    let mut etcd = EtcdProcess::start().await;
    let mut client = Client::connect([etcd.address()], None).await.unwrap();
    client.user_add("root", "root", None).await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.role_add("ours").await.unwrap();
    let ours = etcd_client::Permission::new(PermissionType::Readwrite, keyspace::ROOT).with_prefix();
    client.role_grant_permission("ours", ours).await.unwrap();
    client.user_add("server", "secret", None).await.unwrap();
    client.user_grant_role("server", "ours").await.unwrap();
    client.auth_enable().await.unwrap();

    let user = |name: &str, password: &str| {
        let user = EtcdUser { name: name.to_owned(), password: password.to_owned() };
        EtcdConfig { user: Some(user), ..config(etcd.address()) }
    };
    for refused in [config(etcd.address()), user("server", "wrong"), user("nobody", "secret")] {
        let error = EtcdStore::connect(refused).await.err().unwrap();
        assert!(matches!(error, StoreError::Foreign(_)), "{error:?}");
    }

    let store = EtcdStore::connect(user("server", "secret")).await.unwrap();
    let key = format!("{}a", keyspace::ROOT);
    let revision = store.txn(put(&key, "x")).await.unwrap();
    assert!(matches!(store.get("/elsewhere").await, Err(StoreError::Foreign(_))));
    assert!(matches!(store.txn(put("/elsewhere", "x")).await, Err(StoreError::Foreign(_))));
    assert!(matches!(store.updates("/elsewhere", revision).await, Err(StoreError::Foreign(_))));
    store.updates(keyspace::ROOT, revision).await.map(drop).unwrap();

    // A token dies with the process that gave it.
    etcd.kill();
    etcd.relaunch();
    eventually("an answer", || async { store.get(&key).await.ok() }).await;
    assert!(store.txn(put(&key, "y")).await.unwrap() > revision);
}

#[tokio::test]
async fn a_full_store_says_so_and_takes_writes_again_when_there_is_room() {
    let options = EtcdOptions { quota_bytes: Some(6 << 20), ..EtcdOptions::default() };
    let etcd = EtcdProcess::start_with(&options).await;
    let store = EtcdStore::connect(config(etcd.address())).await.unwrap();
    let lease = store.lease(Duration::from_secs(60)).await.unwrap();
    let mut last = Revision(0);
    let error = loop {
        match store.txn(put("/large", vec![b'x'; 1 << 20])).await {
            Ok(revision) => last = revision,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, StoreError::Full(words) if words.contains("quota")) && error.is_retryable(), "{error:?}");
    assert!(matches!(store.txn(put("/small", "x")).await, Err(StoreError::Full(_))));
    assert!(matches!(store.lease(Duration::from_secs(60)).await, Err(StoreError::Full(_))));
    store.keep_alive(lease).await.unwrap();
    assert_eq!(store.get("/large").await.unwrap().unwrap().revision, last, "nothing of what was refused is there");
    let mut updates = store.updates("/large", last).await.unwrap();

    store.compact(last).await.unwrap();
    // Compaction frees space in its own time.
    let next = eventually("room", || async {
        etcd.defragment().await;
        etcd.disarm().await;
        store.txn(put("/large", "x")).await.ok()
    })
    .await;
    // Not even who followed meanwhile had to begin anew.
    loop {
        match updates.next().await.unwrap().unwrap() {
            Update::Changed { revision, .. } => return assert_eq!(revision, next),
            Update::Alive | Update::Progress(_) => {}
        }
    }
}
