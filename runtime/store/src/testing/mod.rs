//! Real peers for the tests of this crate and of those above it: [`EtcdProcess`] and [`EtcdCluster`] are child processes on
//! free ports, which can be killed, stopped and started again on their data; [`Proxy`] stands between two that speak TCP and
//! does them harm on request.
//!
//! A peer that cannot be had is a failed test, hence the panics here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod cluster;
mod etcd;
mod island;
mod launch;
mod proxy;

use std::{net::TcpListener, time::Duration};

use tokio::time::{Instant, sleep};

pub use cluster::EtcdCluster;
pub use etcd::{EtcdOptions, EtcdProcess};
pub use island::Island;
pub use proxy::{Proxy, Traffic};

/// A condition that does not come within this is taken for lost. Generous: machines that test are busy.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Below the ports that the system gives to outgoing connections: a member that is down must find its own again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Waits until a condition gives something.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        sleep(POLL).await;
    }
}

/// A port that nobody listens on just now.
fn free_port() -> u16 {
    let mut tried = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(1_000);
    tried.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("one of a thousand ports is free")
}
