use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{task::JoinSet, time::timeout};

use super::{DEADLINE, Fixture, commit, put, value};
use crate::{ConfigStore, Leadership, LeaseId, Operation, Precondition, StoreError, campaign};

const KEY: &str = "/election/leader";
/// A life that no test sees the end of.
const LONG: Duration = Duration::from_secs(600);

/// Of many candidates one wins; when its lease ends the next one does, until each has led.
pub async fn one_candidate_leads_at_a_time(fixture: &dyn Fixture) {
    const CANDIDATES: usize = 5;
    let store = fixture.open().await;
    // Neither a longer key nor one beside it is the leader's.
    put(&*store, "/election/leader/other", "x").await;
    let mut candidates = JoinSet::new();
    for n in 0..CANDIDATES {
        let store = Arc::clone(&store);
        let lease = store.lease(LONG).await.expect("granted");
        candidates.spawn(async move { (n, lease, stand(&store, &n.to_string(), lease).await.expect("it wins")) });
    }
    let mut former: Option<Leadership> = None;
    while let Some(won) = timeout(DEADLINE, candidates.join_next()).await.expect("somebody wins") {
        let (n, lease, leadership) = won.expect("no candidate panics");
        assert_eq!(value(&*store, KEY).await, Some(format!(r#"{{"id":"{n}","lease":"{:x}"}}"#, lease.0)));
        act(&*store, &leadership, "in office").await.expect("it leads");
        if let Some(former) = former.replace(leadership.clone()) {
            assert!(former.revision < leadership.revision);
            let stale = act(&*store, &former, "stale").await;
            assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
            assert_eq!(value(&*store, "/election/act").await.as_deref(), Some("in office"));
        }
        assert!(candidates.try_join_next().is_none(), "two lead");
        store.revoke(lease).await.expect("revoked");
    }
}

/// A leader that does not keep its lease alive is followed by another, and what it still writes is refused.
pub async fn a_leader_that_is_gone_is_followed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (short, long) = (Duration::from_secs(1), LONG);
    let leases = [store.lease(short).await.expect("granted"), store.lease(long).await.expect("granted")];
    let first = stand(&store, "first", leases[0]).await.expect("nobody else stands");
    let second = timeout(DEADLINE, stand(&store, "second", leases[1])).await.expect("in time").expect("it wins");
    assert!(act(&*store, &first, "stale").await.is_err());
    act(&*store, &second, "in office").await.expect("it leads");
}

/// Who stands again with the lease that it holds the office under, because nobody has told it, holds it at once; with another
/// lease it waits for the end of the first, although the name is the same.
pub async fn an_office_is_known_by_its_lease(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let leases = [store.lease(LONG).await.expect("granted"), store.lease(LONG).await.expect("granted")];
    let first = stand(&store, "one", leases[0]).await.expect("nobody else stands");
    let again = timeout(DEADLINE, stand(&store, "one", leases[0])).await.expect("at once").expect("it holds it");
    assert_eq!(again, first);
    let (one, other) = (Arc::clone(&store), leases[1]);
    let later = tokio::spawn(async move { stand(&one, "one", other).await });
    put(&*store, "/election/leader/other", "x").await;
    assert!(!later.is_finished(), "the first term is not over");
    store.revoke(leases[0]).await.expect("revoked");
    let second = timeout(DEADLINE, later).await.expect("in time").expect("no panic").expect("it wins");
    assert!(second.revision > first.revision);
}

/// Who has no lease cannot stand.
pub async fn a_candidate_needs_a_lease(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let lease = store.lease(LONG).await.expect("granted");
    store.revoke(lease).await.expect("revoked");
    assert!(matches!(stand(&store, "late", lease).await, Err(StoreError::LeaseEnded)));
}

async fn stand(store: &Arc<dyn ConfigStore>, name: &str, lease: LeaseId) -> Result<Leadership, StoreError> {
    campaign(&**store, KEY, Bytes::from(format!(r#"{{"id":"{name}"}}"#)), lease).await
}

/// A write that only the leader may do.
async fn act(store: &dyn ConfigStore, leadership: &Leadership, what: &str) -> Result<(), StoreError> {
    let (key, precondition): (String, Precondition) = leadership.precondition();
    commit(store, vec![(&key, precondition)], vec![Operation::put("/election/act", what.to_owned())]).await.map(drop)
}
