use switchyard_store::{
    ConfigStore,
    testing::{EtcdCluster, Island, Traffic},
};
use tokio::time::Instant;

use super::{
    PREFIX, assert_accounted, endpoints_at, flows_since, followed::Followed, measured, soak, store, truth_since,
    writers::Writers,
};

const WRITES_PER_SECOND: u32 = 50;
const WRITES_BETWEEN: u64 = 50;
/// The member that is cut off.
const LONELY: usize = 0;

/// How a member is taken from the others.
enum Cut {
    /// The link to its peers is down. Whoever hangs on it gets answers, only none that need a leader.
    Link(Island),
    /// It is stopped, and answers nobody.
    Stop,
}

impl Cut {
    async fn cluster(&self) -> EtcdCluster {
        match self {
            Self::Link(island) => EtcdCluster::start_with_island(3, island).await,
            Self::Stop => EtcdCluster::start(3).await,
        }
    }

    fn cut(&self, cluster: &EtcdCluster) {
        match self {
            Self::Link(island) => island.cut(),
            Self::Stop => cluster.members[LONELY].pause(),
        }
    }

    fn heal(&self, cluster: &EtcdCluster) {
        match self {
            Self::Link(island) => island.heal(),
            Self::Stop => cluster.members[LONELY].resume(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Link(_) => "the watch flows from another member after its own was cut off from its peers",
            Self::Stop => "the watch flows from another member after its own was stopped",
        }
    }
}

/// F4: the member on which our client hangs is cut off from its peers. The watch goes on from another member. Where no network
/// can be made this fails: it takes root and the program `ip`, or a filter that leaves it out by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_member_is_cut_off_with_our_client_on_it() {
    let island = Island::make().expect("a network namespace takes root and the program `ip`");
    leave_behind(Cut::Link(island)).await;
}

/// As F4, and the member answers nobody at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_member_is_stopped_with_our_client_on_it() {
    leave_behind(Cut::Stop).await;
}

async fn leave_behind(cut: Cut) {
    // The members are dropped before the island that one of them is on.
    let cluster = cut.cluster().await;
    let mainland = cluster.addresses().split_off(LONELY + 1);
    let admin = store(mainland.clone()).await;
    let start = admin.snapshot(PREFIX).await.unwrap();
    let writers = Writers::start(vec![store(mainland).await], WRITES_PER_SECOND);
    let mut all = Vec::new();
    for _ in 0..if soak() { 10 } else { 2 } {
        let (endpoints, proxies) = endpoints_at(&cluster, LONELY).await;
        let mut followed = [Followed::start(store(endpoints).await).await];
        proxies.iter().for_each(|proxy| proxy.set(Traffic::Pass));
        writers.more(WRITES_BETWEEN).await;
        let since = Instant::now();
        cut.cut(&cluster);
        followed[0].fails(1).await;
        measured("F4", "the watch leaves the member", since.elapsed());
        let flows = flows_since(since, &admin, &mut followed).await;
        measured("F4", cut.name(), flows);
        writers.more(WRITES_BETWEEN).await;
        cut.heal(&cluster);
        cluster.settled().await;
        let [one] = followed;
        all.push((one, proxies));
    }
    let written = writers.stop().await;
    let truth = truth_since(start, &admin).await;
    assert_accounted(&written, &truth);
    for (mut one, _proxies) in all {
        one.verify(&truth).await;
        assert!(one.history.failures() > 0, "it hung on the member that was cut off");
        assert_eq!(one.history.lists(), 1, "what it missed was told, not listed");
    }
}
