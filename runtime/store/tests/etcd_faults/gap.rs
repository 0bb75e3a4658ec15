use switchyard_store::{
    ConfigStore, EtcdStore, Operation, Revision, Transaction,
    histories::{Seen, Truth},
    testing::{EtcdProcess, Proxy, Traffic},
};
use tokio::time::Instant;

use super::{PREFIX, flows_since, followed::Followed, measured, probe, soak, store};

/// Keys of each kind.
const KEYS: usize = 20;

/// F6: etcd forgets what a watch has missed. It lists once, and what was deleted meanwhile is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_etcd_compacts_past_a_watch_that_is_cut_off() {
    let etcd = EtcdProcess::start().await;
    let admin = store(vec![etcd.address().to_owned()]).await;
    let start = admin.snapshot(PREFIX).await.unwrap();
    // What is forgotten must be read before.
    let mut updates = admin.updates(PREFIX, start.revision).await.unwrap();
    let mut truth = Truth::new(start);
    let proxy = Proxy::start(etcd.address()).await;
    let mut followed = [Followed::start(store(vec![proxy.address()]).await).await];
    let rounds = if soak() { 20 } else { 3 };
    for round in 0..rounds {
        for kind in ["stays", "changes", "goes"] {
            put_all(&admin, round, kind, "before").await;
        }
        let known = probe(&admin).await;
        followed[0].reaches(known).await;
        let failures = followed[0].history.failures();
        proxy.set(Traffic::Cut);
        followed[0].fails(failures + 1).await;

        let missed = make_gap(&admin, round).await;
        truth.follow(&mut updates, missed).await.unwrap();
        admin.compact(missed).await.unwrap();
        put_all(&admin, round, "later", "after").await;
        proxy.set(Traffic::Pass);
        let flows = flows_since(Instant::now(), &admin, &mut followed).await;
        measured("F6", "the watch has listed and flows after it is connected again", flows);

        assert_eq!(followed[0].history.lists(), round + 2, "the first, and one for each gap");
        let relisted = last_list(&followed[0].history.seen());
        assert!(relisted >= missed, "{relisted:?} is before {missed:?}");
    }
    let end = probe(&admin).await;
    truth.follow(&mut updates, end).await.unwrap();
    assert_eq!(truth.at(end).unwrap(), admin.snapshot(PREFIX).await.unwrap().entries);
    followed[0].verify(&truth).await;
    let entries = truth.at(end).unwrap();
    assert_eq!(entries.keys().filter(|key| key.contains("/goes/")).count(), 0, "what was deleted is gone");
    assert_eq!(entries.keys().filter(|key| key.contains("/comes/")).count(), rounds * KEYS);
}

/// Creates, updates and deletes.
async fn make_gap(store: &EtcdStore, round: usize) -> Revision {
    put_all(store, round, "comes", "meanwhile").await;
    put_all(store, round, "changes", "meanwhile").await;
    for n in 0..KEYS {
        // One that comes and goes within the gap, and one that goes.
        let passing = format!("{PREFIX}{round}/passing/{n}");
        commit(store, Operation::put(passing.clone(), "x")).await;
        commit(store, Operation::delete(passing)).await;
        commit(store, Operation::delete(format!("{PREFIX}{round}/goes/{n}"))).await;
    }
    probe(store).await
}

async fn put_all(store: &EtcdStore, round: usize, kind: &str, value: &str) {
    for n in 0..KEYS {
        commit(store, Operation::put(format!("{PREFIX}{round}/{kind}/{n}"), value.to_owned())).await;
    }
}

async fn commit(store: &EtcdStore, operation: Operation) -> Revision {
    store.txn(Transaction { preconditions: vec![], operations: vec![operation] }).await.unwrap()
}

fn last_list(history: &[Seen]) -> Revision {
    let mut lists = history.iter().filter_map(|seen| match seen {
        Seen::Listed(snapshot) => Some(snapshot.revision),
        _ => None,
    });
    lists.next_back().unwrap()
}
