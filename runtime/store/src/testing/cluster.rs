use futures_util::future::join_all;

use super::{
    etcd::{EtcdOptions, EtcdProcess, Membership, all_see_a_leader},
    eventually, free_port,
    island::Island,
};

/// As with one member: another may take a port in the meantime.
const STARTS_MAX: usize = 5;

/// An etcd of several members.
#[derive(Debug)]
pub struct EtcdCluster {
    /// In no order that means something.
    pub members: Vec<EtcdProcess>,
}

impl EtcdCluster {
    /// Starts so many members and waits until each sees a leader.
    pub async fn start(members: usize) -> Self {
        Self::start_with(members, &EtcdOptions::default()).await
    }

    /// The same, with options.
    pub async fn start_with(members: usize, options: &EtcdOptions) -> Self {
        Self::start_each(|| memberships(vec![Place::default(); members]), |_| options.clone()).await
    }

    /// The same with the first member on an island, which can be cut off from the others and not from clients.
    pub async fn start_with_island(members: usize, island: &Island) -> Self {
        let on_island = |n: usize| if n == 0 { island.launcher() } else { Vec::new() };
        let places = || (0..members).map(|n| Place::beside(island, n == 0)).collect();
        let options = |n| EtcdOptions { launcher: on_island(n), ..EtcdOptions::default() };
        Self::start_each(|| memberships(places()), options).await
    }

    async fn start_each(memberships: impl Fn() -> Vec<Membership>, options: impl Fn(usize) -> EtcdOptions) -> Self {
        for _ in 0..STARTS_MAX {
            let launch = |(n, this): (usize, &Membership)| EtcdProcess::launch(this, &options(n));
            let mut cluster = Self { members: memberships().iter().enumerate().map(launch).collect() };
            if join_all(cluster.members.iter_mut().map(EtcdProcess::serves)).await.into_iter().all(|serves| serves) {
                return cluster;
            }
        }
        panic!("the members of an etcd do not start {STARTS_MAX} times in a row")
    }

    /// Where clients connect.
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| member.address().to_owned()).collect()
    }

    /// Which of the members leads, by what the others that answer say too.
    pub async fn leader(&self) -> usize {
        eventually("one leader", || async {
            let seen = join_all(self.members.iter().map(EtcdProcess::leader)).await;
            let leader = seen.iter().flatten().map(|(_, leader)| *leader).next()?;
            let agreed = seen.iter().flatten().all(|(_, other)| *other == leader);
            seen.iter().position(|this| agreed && this.is_some_and(|(member, _)| member == leader))
        })
        .await
    }

    /// Waits until every member, also one that was started again, sees a leader.
    pub async fn settled(&self) {
        all_see_a_leader(&self.members).await;
    }
}

/// At which addresses of the machine a member listens.
#[derive(Debug, Clone)]
struct Place {
    client: String,
    peer: String,
}

impl Default for Place {
    fn default() -> Self {
        let loopback = "127.0.0.1".to_owned();
        Self { client: loopback.clone(), peer: loopback }
    }
}

impl Place {
    fn beside(island: &Island, is_on_it: bool) -> Self {
        let (there, here) = island.peers();
        if is_on_it {
            return Self { client: island.clients(), peer: there };
        }
        Self { peer: here, ..Self::default() }
    }
}

fn memberships(places: Vec<Place>) -> Vec<Membership> {
    let at = |host: &str| format!("{host}:{}", free_port());
    let mut all: Vec<Membership> = places
        .iter()
        .enumerate()
        .map(|(n, Place { client, peer })| Membership {
            name: format!("m{n}"),
            client: at(client),
            peer: at(peer),
            cluster: String::new(),
        })
        .collect();
    let cluster: Vec<String> = all.iter().map(|this| format!("{}=http://{}", this.name, this.peer)).collect();
    let cluster = cluster.join(",");
    for membership in &mut all {
        membership.cluster.clone_from(&cluster);
    }
    all
}
