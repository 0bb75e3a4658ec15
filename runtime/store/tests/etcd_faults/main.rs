//! Faults of etcd that whoever follows it must survive: the real thing is killed, stopped, cut off and compacted while
//! writers keep account of what was acknowledged and watches of what they see. Afterwards etcd is asked what really
//! happened, and every history is held against that.
//!
//! Each test prints the times that matter, a JSON line each, and asserts none of them. With `SWITCHYARD_SOAK=1` the counts
//! and durations are those that the faults ask for; without, as much as fits into some seconds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "these are tests, and their times are for whoever collects them"
)]

mod cut_off;
mod followed;
mod gap;
mod leader;
mod silence;
mod slow;
mod writers;

use std::time::Duration;

use switchyard_store::{
    ConfigStore, EtcdConfig, EtcdStore, Operation, Revision, Snapshot, Transaction,
    histories::{Seen, Truth, check},
    testing::{EtcdCluster, Proxy, Traffic, eventually},
};
use tokio::time::Instant;

use self::writers::Written;

/// What is followed.
const PREFIX: &str = "/faults/";
/// Written by the tests themselves to see that something passes.
const PROBE: &str = "/faults/probe";

/// Whether this runs at full scale.
fn soak() -> bool {
    std::env::var_os("SWITCHYARD_SOAK").is_some_and(|value| value == "1")
}

/// For whoever collects the times.
fn measured(fault: &str, what: &str, time: Duration) {
    let line = serde_json::json!({ "fault": fault, "what": what, "measured_ms": time.as_millis() });
    println!("{line}");
}

async fn store(endpoints: Vec<String>) -> EtcdStore {
    EtcdStore::connect(EtcdConfig { endpoints, user: None }).await.unwrap()
}

/// Writes until it is acknowledged. Who reads the revision knows: everything up to it has passed.
async fn probe(store: &EtcdStore) -> Revision {
    let stamp = fastrand::u64(..).to_string();
    eventually("a write", || async {
        let operations = vec![Operation::put(PROBE, stamp.clone())];
        store.txn(Transaction { preconditions: vec![], operations }).await.ok()
    })
    .await
}

/// Addresses of which the first client to connect finds one member only, until the proxies before the others pass.
async fn endpoints_at(cluster: &EtcdCluster, member: usize) -> (Vec<String>, Vec<Proxy>) {
    let (mut endpoints, mut proxies) = (vec![cluster.members[member].address().to_owned()], vec![]);
    for (n, other) in cluster.members.iter().enumerate() {
        if n != member {
            let proxy = Proxy::start(other.address()).await;
            proxy.set(Traffic::Cut);
            endpoints.push(proxy.address());
            proxies.push(proxy);
        }
    }
    (endpoints, proxies)
}

/// What etcd knows to have happened since a state, up to the probe that is written here.
async fn truth_since(start: Snapshot, store: &EtcdStore) -> Truth {
    let until = probe(store).await;
    let mut updates = store.updates(PREFIX, start.revision).await.unwrap();
    let mut truth = Truth::new(start);
    truth.follow(&mut updates, until).await.unwrap();
    // The account of what happened must lead to what is there.
    assert_eq!(truth.at(until).unwrap(), store.snapshot(PREFIX).await.unwrap().entries);
    truth
}

/// Holds what was seen against what happened.
fn assert_possible(history: &[Seen], truth: &Truth) {
    let updates = history.iter().filter(|seen| matches!(seen, Seen::Updated(_))).count();
    assert!(updates > 0, "nothing was followed");
    let broken = check(history, truth);
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Every write that was acknowledged has happened, under the revision that was acknowledged; every other one that was begun
/// has been resolved; none has happened twice.
fn assert_accounted(written: &[Written], truth: &Truth) {
    for writer in written {
        let key = writer.key();
        let happened = truth.transactions().filter_map(|(revision, changes)| {
            let entry = changes.get(&key)?.as_ref().unwrap();
            Some((String::from_utf8(entry.value.to_vec()).unwrap(), revision))
        });
        let accounted = writer.revisions.iter().enumerate().map(|(n, revision)| ((n + 1).to_string(), *revision));
        assert_eq!(happened.collect::<Vec<_>>(), accounted.collect::<Vec<_>>(), "of {key}");
    }
}

/// How long it takes from an instant until everything that was written before this call is seen by all.
async fn flows_since(since: Instant, store: &EtcdStore, followed: &mut [followed::Followed]) -> Duration {
    let revision = probe(store).await;
    for one in followed {
        one.reaches(revision).await;
    }
    since.elapsed()
}
