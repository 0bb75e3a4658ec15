//! A relay keeps the contract of every store, and spares the store behind it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use switchyard_store::{
    ConfigStore, EmbeddedStore, LeaseId, Operation, Range, RelayStore, Revision, SILENCE_MAX, Snapshot, StoreError,
    Transaction, Update, Updates, Versioned, contract::Fixture, testing::eventually, watch,
};
use tempfile::TempDir;
use tokio::{sync::watch as channel, time::sleep};

/// Everything goes through the relay's memory. The store behind stays open: a relay that ends lets go of it a moment later.
struct Relayed(EmbeddedStore, #[allow(dead_code, reason = "it is there while the store is")] TempDir);

impl Relayed {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self(EmbeddedStore::open(folder.path().join("store.redb")).unwrap(), folder)
    }
}

#[async_trait]
impl Fixture for Relayed {
    async fn open(&self) -> Arc<dyn ConfigStore> {
        Arc::new(RelayStore::new(Arc::new(self.0.clone()), "/"))
    }
}

switchyard_store::contract_suite!(Relayed::new());

async fn put(store: &dyn ConfigStore, key: &str) -> Revision {
    let operations = vec![Operation::put(key, "x")];
    store.txn(Transaction { preconditions: vec![], operations }).await.unwrap()
}

#[tokio::test]
async fn a_follower_who_has_seen_more_elsewhere_is_not_sent_back_in_time() {
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let relay = RelayStore::new(Arc::new(store.clone()), "/a/");
    put(&store, "/a/1").await;
    relay.snapshot("/a/").await.unwrap();
    // The follower knows what the relay may not have heard yet: it waits, and gets what comes after.
    let seen = put(&store, "/a/2").await;
    let mut updates = relay.updates("/a/", seen).await.unwrap();
    let next = put(&store, "/a/3").await;
    let told = loop {
        match updates.next().await.unwrap().unwrap() {
            Update::Changed { revision, changes } => break (revision, changes[0].key.clone()),
            Update::Progress(_) | Update::Alive => {}
        }
    };
    assert_eq!(told, (next, "/a/3".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_never_comes_is_told_so() {
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let last = put(&store, "/a/1").await;
    let relay = RelayStore::new(Arc::new(store), "/a/");
    let refused = relay.updates("/a/", Revision(last.0 + 100)).await.err().unwrap();
    assert!(matches!(refused, StoreError::Compacted { .. } | StoreError::Unavailable(_)), "{refused}");
}

/// A store that may be cut off, and whose history may be forgotten for one who asks for updates.
struct Link {
    store: EmbeddedStore,
    /// Nothing is answered, and nothing said.
    cut: channel::Sender<bool>,
    /// Streams that are begun; each number of it ends the stream before.
    begun: AtomicU64,
    forgets: channel::Sender<u64>,
}

impl Link {
    fn new(store: &EmbeddedStore) -> Arc<Self> {
        let (cut, forgets) = (channel::Sender::new(false), channel::Sender::new(0));
        Arc::new(Self { store: store.clone(), cut, begun: AtomicU64::new(0), forgets })
    }

    async fn joined(&self) {
        self.cut.subscribe().wait_for(|cut| !cut).await.unwrap();
    }
}

#[async_trait]
impl ConfigStore for Link {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.joined().await;
        self.store.get(key).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        self.joined().await;
        self.store.list(range).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        self.joined().await;
        self.store.snapshot(prefix).await
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        self.joined().await;
        self.store.txn(transaction).await
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        self.joined().await;
        self.begun.fetch_add(1, Ordering::Relaxed);
        let (cut, mut forgets) = (self.cut.subscribe(), self.forgets.subscribe());
        let forgotten = async move {
            let _ = forgets.changed().await;
            Err(StoreError::Compacted { after })
        };
        let updates = self.store.updates(prefix, after).await?.then(move |update| {
            let mut cut = cut.clone();
            async move {
                cut.wait_for(|cut| !cut).await.unwrap();
                update
            }
        });
        let ends = futures_util::stream::once(Box::pin(forgotten));
        Ok(Box::pin(futures_util::stream::select(updates, ends)))
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.store.lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.store.compact(revision).await
    }
}

/// What comes first that is no sign of life.
async fn tells(updates: &mut Updates) -> Result<Update, StoreError> {
    loop {
        match updates.next().await.unwrap() {
            Ok(Update::Progress(_) | Update::Alive) => {}
            told => return told,
        }
    }
}

/// The relay's own signs of life say nothing of the store: a follower that got them for ever would never ask another server.
#[tokio::test(start_paused = true)]
async fn whoever_follows_a_relay_that_is_cut_off_is_told_so() {
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let link = Link::new(&store);
    let relay = RelayStore::new(link.clone(), "/a/");
    let seen = put(&store, "/a/1").await;
    let mut updates = relay.updates("/a/", seen).await.unwrap();
    // As long as the store is there, silence is no error.
    let quiet = tokio::time::timeout(3 * SILENCE_MAX, tells(&mut updates)).await;
    assert!(quiet.is_err(), "{quiet:?}");
    link.cut.send_replace(true);
    put(&store, "/a/2").await;
    let told = tells(&mut updates).await;
    assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
    assert!(updates.next().await.is_none());
    // Nor is anybody told of what was before.
    let refused = relay.updates("/a/", seen).await.err();
    assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
    let refused = relay.updates("/a/", Revision(seen.0 + 1)).await.err();
    assert!(matches!(refused, Some(StoreError::Unavailable(_))), "it is not to list: {refused:?}");
    assert!(matches!(relay.snapshot("/a/").await, Err(StoreError::Unavailable(_))));
    link.cut.send_replace(false);
    eventually("it goes on", async || relay.snapshot("/a/").await.ok().filter(|all| all.entries.len() == 2)).await;
}

/// Two servers, and nodes that ask one until it fails.
struct Servers {
    relays: [RelayStore; 2],
    asked: AtomicU64,
}

impl Servers {
    fn current(&self) -> &RelayStore {
        &self.relays[usize::try_from(self.asked.load(Ordering::Relaxed)).unwrap() % 2]
    }

    fn passed<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(answer, Err(StoreError::Unavailable(_))) {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

#[async_trait]
impl ConfigStore for Servers {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.current().get(key).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        self.current().list(range).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        self.passed(self.current().snapshot(prefix).await)
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        self.current().txn(transaction).await
    }

    /// A stream that ends with an error is followed by the question of who goes on from there.
    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        let updates = self.passed(self.current().updates(prefix, after).await)?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(updates)
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.current().lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.current().keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.current().revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.current().compact(revision).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_leaves_the_server_that_is_cut_off_and_never_goes_back_in_time() {
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let links = [Link::new(&store), Link::new(&store)];
    let relays = [0, 1].map(|n| RelayStore::new(links[n].clone(), "/a/"));
    put(&store, "/a/0").await;
    let mut followed = watch(Arc::new(Servers { relays, asked: AtomicU64::new(0) }), "/a/", None);
    let mut last = followed.next().await.revision;
    for n in 1..8 {
        links[n % 2].cut.send_replace(true);
        links[(n + 1) % 2].cut.send_replace(false);
        put(&store, &format!("/a/{n}")).await;
        loop {
            let snapshot = followed.next().await;
            assert!(snapshot.revision >= last, "{:?} after {last:?}", snapshot.revision);
            last = snapshot.revision;
            if snapshot.entries.len() > n {
                break;
            }
        }
    }
    // With nobody in sight what is known grows old.
    for link in &links {
        link.cut.send_replace(true);
    }
    sleep(10 * SILENCE_MAX).await;
    assert!(followed.staleness() > 5 * SILENCE_MAX, "{:?}", followed.staleness());
}

#[tokio::test]
async fn a_list_that_changes_nothing_ends_no_stream() {
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let link = Link::new(&store);
    let relay = RelayStore::new(link.clone(), "/a/");
    put(&store, "/a/1").await;
    let listed = async || relay.snapshot("/a/").await.ok().filter(|all| all.entries.len() == 1);
    let seen = eventually("what is there", listed).await.revision;
    let mut updates = relay.updates("/a/", seen).await.unwrap();
    let begun = eventually("it follows", async || Some(link.begun.load(Ordering::Relaxed)).filter(|n| *n > 0)).await;
    link.forgets.send_modify(|times| *times += 1);
    eventually("it follows again", async || (link.begun.load(Ordering::Relaxed) > begun).then_some(())).await;
    let next = put(&store, "/a/2").await;
    let told = tells(&mut updates).await.unwrap();
    assert!(matches!(&told, Update::Changed { revision, .. } if *revision == next), "{told:?}");
    // And who has known the history goes on in it.
    relay.updates("/a/", seen).await.map(drop).unwrap();
}

#[tokio::test]
async fn whoever_deletes_reads_it() {
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let relay = RelayStore::new(Arc::new(store), "/a/");
    for n in 0..50 {
        let key = format!("/a/{n}");
        put(&relay, &key).await;
        assert_eq!(relay.snapshot("/a/").await.unwrap().entries.len(), 1);
        relay.txn(Transaction { preconditions: vec![], operations: vec![Operation::delete(&key)] }).await.unwrap();
        assert_eq!(relay.snapshot("/a/").await.unwrap().entries.len(), 0);
    }
}
