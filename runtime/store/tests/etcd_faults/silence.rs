use switchyard_store::{
    ConfigStore, EtcdStore, Snapshot,
    testing::{EtcdProcess, Proxy, Traffic},
};
use tokio::time::Instant;

use super::{
    PREFIX, assert_accounted, flows_since,
    followed::Followed,
    measured, soak, store, truth_since,
    writers::{Writers, Written},
};

const WRITES_PER_SECOND: u32 = 50;
const WRITES_BETWEEN: u64 = 50;

fn rounds() -> usize {
    if soak() { 10 } else { 1 }
}

/// F5: etcd is there and says nothing. The watch knows that it does, and goes on where it was when etcd does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_etcd_is_stopped_under_a_watch() {
    let etcd = EtcdProcess::start().await;
    let admin = store(vec![etcd.address().to_owned()]).await;
    let start = admin.snapshot(PREFIX).await.unwrap();
    let mut followed = [Followed::start(store(vec![etcd.address().to_owned()]).await).await];
    let writers = Writers::start(vec![admin.clone()], WRITES_PER_SECOND);
    for _ in 0..rounds() {
        writers.more(WRITES_BETWEEN).await;
        let (failures, since) = (followed[0].history.failures(), Instant::now());
        etcd.pause();
        followed[0].fails(failures + 1).await;
        measured("F5", "the watchdog fires while etcd is stopped", since.elapsed());
        etcd.resume();
        let since = Instant::now();
        let flows = flows_since(since, &admin, &mut followed).await;
        measured("F5", "the watch flows after etcd goes on", flows);
    }
    let written = writers.stop().await;
    verify(start, &admin, &written, &mut followed).await;
}

/// F5: what goes to and fro is lost and nobody is told, while others go on to write. The watch knows it, and misses
/// nothing of what was written meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_the_bytes_of_a_watch_are_swallowed() {
    let etcd = EtcdProcess::start().await;
    let admin = store(vec![etcd.address().to_owned()]).await;
    let start = admin.snapshot(PREFIX).await.unwrap();
    let proxy = Proxy::start(etcd.address()).await;
    let mut followed = [Followed::start(store(vec![proxy.address()]).await).await];
    let writers = Writers::start(vec![admin.clone()], WRITES_PER_SECOND);
    for _ in 0..rounds() {
        writers.more(WRITES_BETWEEN).await;
        let (failures, since) = (followed[0].history.failures(), Instant::now());
        proxy.set(Traffic::Swallow);
        writers.more(WRITES_BETWEEN).await;
        followed[0].fails(failures + 1).await;
        measured("F5", "the watchdog fires while bytes are swallowed", since.elapsed());
        proxy.set(Traffic::Pass);
        let since = Instant::now();
        let flows = flows_since(since, &admin, &mut followed).await;
        measured("F5", "the watch flows after bytes pass again", flows);
    }
    let written = writers.stop().await;
    verify(start, &admin, &written, &mut followed).await;
}

async fn verify(start: Snapshot, admin: &EtcdStore, written: &[Written], followed: &mut [Followed; 1]) {
    let truth = truth_since(start, admin).await;
    assert_accounted(written, &truth);
    followed[0].verify(&truth).await;
    assert_eq!(followed[0].history.lists(), 1, "what it missed was told, not listed");
}
