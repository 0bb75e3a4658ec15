use std::time::Duration;

use switchyard_store::{
    ConfigStore, EtcdStore, Revision,
    testing::{EtcdCluster, Traffic},
};
use tokio::{
    task::JoinSet,
    time::{Instant, interval},
};

use super::{
    PREFIX, assert_accounted, endpoints_at, followed::Followed, measured, probe, soak, store, truth_since,
    writers::Writers,
};

const WRITERS: usize = 4;
const WRITES_PER_SECOND: u32 = 100;
/// Acknowledged before each kill.
const WRITES_BETWEEN: u64 = 100;

/// Writes again and again without waiting for the writes before: what a member has sent to a leader that is dead is lost,
/// and is known to be so only when its time is up. Gives the first that is acknowledged, and the others.
async fn first_of_many(store: &EtcdStore) -> (Revision, JoinSet<Revision>) {
    let (mut writes, mut ticks) = (JoinSet::new(), interval(Duration::from_millis(100)));
    loop {
        tokio::select! {
            Some(revision) = writes.join_next() => return (revision.unwrap(), writes),
            _ = ticks.tick() => {
                let store = store.clone();
                writes.spawn(async move { probe(&store).await });
            }
        }
    }
}

/// F2: the leader is killed while many write. Watches flow again, also the one that hung on it; nothing that was
/// acknowledged is lost, and what was left open has happened once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_the_leader_is_killed_under_writes() {
    let mut cluster = EtcdCluster::start(3).await;
    let admin = store(cluster.addresses()).await;
    let start = admin.snapshot(PREFIX).await.unwrap();
    let (endpoints, proxies) = endpoints_at(&cluster, cluster.leader().await).await;
    let mut followed = vec![Followed::start(store(endpoints).await).await];
    proxies.iter().for_each(|proxy| proxy.set(Traffic::Pass));
    for _ in 0..2 {
        followed.push(Followed::start(store(cluster.addresses()).await).await);
    }
    let mut stores = Vec::new();
    for _ in 0..WRITERS {
        stores.push(store(cluster.addresses()).await);
    }
    let writers = Writers::start(stores, WRITES_PER_SECOND);

    for _ in 0..if soak() { 20 } else { 2 } {
        writers.more(WRITES_BETWEEN).await;
        let leader = cluster.leader().await;
        let since = Instant::now();
        cluster.members[leader].kill();
        let (revision, others) = first_of_many(&admin).await;
        measured("F2", "a write is acknowledged again", since.elapsed());
        for one in &mut followed {
            one.reaches(revision).await;
        }
        measured("F2", "watches flow again", since.elapsed());
        others.join_all().await;
        measured("F2", "writes that were on their way to the old leader are resolved", since.elapsed());
        writers.more(WRITES_BETWEEN).await;
        cluster.members[leader].restart().await;
        cluster.settled().await;
    }

    let written = writers.stop().await;
    let truth = truth_since(start, &admin).await;
    assert_accounted(&written, &truth);
    let unknown: usize = written.iter().map(|writer| writer.unknown).sum();
    println!("{unknown} outcomes were unknown and are resolved");
    assert!(followed[0].history.failures() > 0, "it hung on the leader that was killed");
    for one in &mut followed {
        one.verify(&truth).await;
        assert_eq!(one.history.lists(), 1, "nobody needs to list again");
    }
}
