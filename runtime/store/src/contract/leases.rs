use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::time::timeout;

use super::{DEADLINE, Fixture, commit, put, value};
use crate::{ConfigStore, LeaseId, LeaseKeeper, Operation, Revision, StoreError, Update, testing::eventually};

/// A short life: the suite waits for its end, and keeps it alive on a busy machine.
const TTL: Duration = Duration::from_secs(2);
/// A life that no test sees the end of.
const LONG: Duration = Duration::from_secs(600);

/// A lease that nobody keeps alive ends, and takes its keys with it in one transaction.
pub async fn a_lease_ends_with_its_keys(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let lease = store.lease(TTL).await.expect("granted");
    put_under(&*store, &["/leased/a", "/leased/b"], lease).await.expect("it is alive");
    let last = put(&*store, "/leased/c", "stays").await;
    let gone = deleted_after(&*store, last).await;
    assert_eq!(gone, BTreeSet::from(["/leased/a".to_owned(), "/leased/b".to_owned()]));
    assert!(matches!(store.keep_alive(lease).await, Err(StoreError::LeaseEnded)));
    assert!(matches!(put_under(&*store, &["/leased/a"], lease).await, Err(StoreError::LeaseEnded)));
    assert_eq!(value(&*store, "/leased/a").await, None);
    assert_eq!(value(&*store, "/leased/c").await.as_deref(), Some("stays"));
}

/// A lease that is kept alive outlives one that is granted later and is not.
pub async fn a_lease_that_is_kept_alive_goes_on(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let kept = store.lease(TTL).await.expect("granted");
    put_under(&*store, &["/kept/a"], kept).await.expect("it is alive");
    for _ in 0..2 {
        let left = store.lease(TTL).await.expect("granted");
        put_under(&*store, &["/left/a"], left).await.expect("it is alive");
        eventually("the end of the other lease", || async {
            store.keep_alive(kept).await.expect("it is alive");
            value(&*store, "/left/a").await.is_none().then_some(())
        })
        .await;
    }
    assert!(value(&*store, "/kept/a").await.is_some());
}

/// Revoking ends a lease at once and its keys in one transaction; a second time is no error.
pub async fn revoking_takes_all_keys_at_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let lease = store.lease(LONG).await.expect("granted");
    let last = put_under(&*store, &["/leased/a", "/leased/b", "/leased/c"], lease).await.expect("it is alive");
    store.revoke(lease).await.expect("revoked");
    assert_eq!(deleted_after(&*store, last).await.len(), 3);
    store.revoke(lease).await.expect("it has ended before");
    store.revoke(LeaseId(u64::MAX)).await.expect("there never was one");
    assert!(matches!(store.keep_alive(lease).await, Err(StoreError::LeaseEnded)));
    assert!(matches!(store.keep_alive(LeaseId(u64::MAX)).await, Err(StoreError::LeaseEnded)));
    // One dead lease stops the whole transaction.
    let half = vec![
        Operation::put("/leased/d", "x"),
        Operation::Put { key: "/leased/e".to_owned(), value: "x".into(), lease: Some(lease) },
    ];
    assert!(matches!(commit(&*store, vec![], half).await, Err(StoreError::LeaseEnded)));
    assert_eq!(value(&*store, "/leased/d").await, None);
}

/// The last put says to which lease a key is bound.
pub async fn a_key_is_bound_as_it_was_put_last(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (one, two) = (store.lease(LONG).await.expect("granted"), store.lease(LONG).await.expect("granted"));
    assert_ne!(one, two);
    put_under(&*store, &["/bound/free", "/bound/moved", "/bound/again", "/bound/stays"], one).await.expect("alive");
    put(&*store, "/bound/free", "x").await;
    put_under(&*store, &["/bound/moved"], two).await.expect("alive");
    commit(&*store, vec![], vec![Operation::delete("/bound/again")]).await.expect("no preconditions");
    put(&*store, "/bound/again", "x").await;
    store.revoke(one).await.expect("revoked");
    let there = |key: &'static str| {
        let store = store.clone();
        async move { value(&*store, key).await.is_some() }
    };
    assert!(there("/bound/free").await && there("/bound/moved").await && there("/bound/again").await);
    assert!(!there("/bound/stays").await);
    store.revoke(two).await.expect("revoked");
    assert!(!there("/bound/moved").await);
}

/// A life of no time at all, or of more than anybody needs, is refused.
pub async fn lives_of_leases_are_bounded(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for ttl in [Duration::ZERO, Duration::from_secs(1_000_000)] {
        assert!(matches!(store.lease(ttl).await, Err(StoreError::Invalid(_))), "{ttl:?}");
    }
}

/// A keeper holds a lease for as long as it lives, gets a new one when it has lost it, and leaves none behind.
pub async fn a_keeper_holds_a_lease(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let keeper = LeaseKeeper::start(Arc::clone(&store), TTL);
    let first = eventually("a lease", || async { keeper.lease() }).await;
    put_under(&*store, &["/keeper/a"], first).await.expect("it is alive");
    let left = store.lease(TTL * 2).await.expect("granted");
    put_under(&*store, &["/left/a"], left).await.expect("it is alive");
    eventually("the end of the other lease", || async { value(&*store, "/left/a").await.is_none().then_some(()) })
        .await;
    assert!(value(&*store, "/keeper/a").await.is_some(), "it was kept alive");

    let mut changes = keeper.changes();
    store.revoke(first).await.expect("somebody ends it");
    let waited = timeout(DEADLINE, changes.wait_for(|now| now.is_some_and(|lease| lease != first))).await;
    let second = waited.expect("in time").expect("the keeper lives").expect("a lease");
    put_under(&*store, &["/keeper/b"], second).await.expect("it is alive");
    keeper.shutdown().await;
    assert_eq!(value(&*store, "/keeper/b").await, None, "revoked");
    assert_eq!(*changes.borrow(), None);
}

async fn put_under(store: &dyn ConfigStore, keys: &[&str], lease: LeaseId) -> Result<Revision, StoreError> {
    let put = |key: &&str| Operation::Put { key: (*key).to_owned(), value: "x".into(), lease: Some(lease) };
    commit(store, vec![], keys.iter().map(put).collect()).await
}

/// The keys of the next update under `/leased/`, all of which must be deletions.
async fn deleted_after(store: &dyn ConfigStore, after: Revision) -> BTreeSet<String> {
    let mut updates = store.updates("/leased/", after).await.expect("a revision that is known");
    loop {
        let update = timeout(DEADLINE, updates.next()).await.expect("an update comes").expect("it goes on");
        if let Update::Changed { changes, .. } = update.expect("no error") {
            assert!(changes.iter().all(|change| change.entry.is_none()), "{changes:?}");
            return changes.into_iter().map(|change| change.key).collect();
        }
    }
}
