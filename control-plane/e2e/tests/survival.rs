//! The node without its server, and under many swaps.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::{sync::Arc, time::Duration};

use hdrhistogram::Histogram;
use switchyard_cache::{Cache, CacheConfig, CacheService};
use switchyard_e2e::{
    dev::Dev,
    load::{Load, Plan},
    paths,
    process::{Process, wait_for},
    resp::{Reply, RespClient},
    workload::Workload,
};
use switchyard_host::{
    Compiler, Host, HostConfig, Strategy,
    caching::{Budget, Unit},
};
use switchyard_types::Limits;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);
const CONNECTIONS: usize = 4;

fn load(address: std::net::SocketAddr) -> Load {
    let ids = Workload::generated(3).ids.into_iter().take(100_000).collect();
    Load::start(ids, Plan { address, connections: CONNECTIONS, duration_min: Duration::ZERO, repeat: true }).unwrap()
}

#[tokio::test]
async fn a_node_serves_its_last_healthy_set_alone() {
    let dev = Dev::start("1000", 2).unwrap();
    let s3fifo = dev.publish("caching-s3fifo").await.unwrap();
    dev.activate(&s3fifo).await.unwrap();
    let load = load(dev.address());
    dev.reported("healthy", |slot, _| slot.last_healthy.is_some()).await.unwrap();
    wait_for("load", DEADLINE, || Ok((load.position() > 5_000).then_some(()))).unwrap();
    let data = dev.data();
    let folder = dev.kill().unwrap();
    load.finish().unwrap();

    let arguments = [
        "node",
        "--data",
        data.to_str().unwrap(),
        "--resp",
        "127.0.0.1:0",
        "--faktory",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--gateway",
        "127.0.0.1:0",
    ];
    let node = Process::start(folder.path(), &arguments).unwrap();
    let mut client = RespClient::connect(node.ready().resp.as_str()).unwrap();
    for (field, remembered) in [("cache_budget_unit", "entries"), ("cache_budget", "1000"), ("cache_shards", "2")] {
        assert_eq!(client.info(field).unwrap().as_deref(), Some(remembered), "{field}");
    }
    assert_eq!(client.info("caching_plugin").unwrap(), Some(s3fifo.digest.to_string()));
    println!("serves its last healthy set {} ms after its start", node.started_in().as_millis());
    for key in 0..3_000 {
        let key = format!("k{key}");
        assert_eq!(client.call(&[b"SET", key.as_bytes(), b"v"]).unwrap(), Reply::Status("OK".to_owned()));
    }
    let calls: u64 = client.info("caching_store_calls").unwrap().unwrap().parse().unwrap();
    assert!(calls >= 2_900, "the strategy decides: {calls}");
    assert!(node.terminate().unwrap().success());
}

#[tokio::test]
async fn strategies_change_under_load_without_an_error() {
    const SWAPS: u64 = 12;
    let dev = Dev::start("1000", 2).unwrap();
    let plugins = [dev.publish("caching-lru").await.unwrap(), dev.publish("caching-s3fifo").await.unwrap()];
    let first = dev.activate(&plugins[0]).await.unwrap().flips;
    let load = load(dev.address());
    let mut flips = Vec::new();
    for swap in 1..=SWAPS {
        let slot = dev.activate(&plugins[(swap % 2) as usize]).await.unwrap();
        assert_eq!((slot.flips, &slot.last_failure), (first + swap, &None));
        flips.push(slot.flip_ms.unwrap());
    }
    let served = load.finish().unwrap();
    assert_eq!((served.errors, served.first_error), (0, None));
    dev.reported("released", |_, node| node.live_generations == 1 && node.live_instances == 2).await.unwrap();
    println!("{SWAPS} swaps in {} requests, flips took {flips:?} ms", served.requests);
}

/// The real engine and host in this process, so that a thousand swaps take seconds: the way through the API is above.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_swaps_under_load_leave_nothing_behind() {
    const SWAPS: usize = 1_000;
    /// What the heap may keep without anything being lost: freed pages that the allocator holds on to.
    const GROWTH_BYTES_MAX: u64 = 16 << 20;
    let host = Host::new(HostConfig::new(Compiler::InProcess)).unwrap();
    let strategies = ["caching-lru", "caching-s3fifo"].map(|name| strategy(&host, name));
    let budget = Budget { unit: Unit::Entries, capacity: 1_000 };
    let cache = Cache::new(&host, CacheConfig { shards: 2, ..CacheConfig::new(budget) }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let service = tokio::spawn(CacheService::new(cache.clone(), listener).run(stop.clone()));
    let (cache, flips, grown, served) = tokio::task::spawn_blocking(move || {
        let load = load(address);
        let mut flips = Histogram::<u64>::new(3).unwrap();
        let mut before = 0;
        for swap in 0..SWAPS {
            let report = cache.slot().swap(&strategies[swap % 2], 1).unwrap();
            assert!(!report.unchanged);
            flips.record((report.flip_ms * 1e6) as u64).unwrap();
            if swap == SWAPS / 10 {
                before = resident_bytes();
            }
        }
        let grown = resident_bytes().saturating_sub(before);
        (cache, flips, grown, load.finish().unwrap())
    })
    .await
    .unwrap();
    assert_eq!((served.errors, served.first_error), (0, None));
    assert_eq!(cache.slot().figures().flips, SWAPS as u64);
    wait_for("the old instances are gone", DEADLINE, || {
        let gauges = host.gauges();
        Ok((gauges.live_generations == 1 && gauges.live_instances == 2).then_some(()))
    })
    .unwrap();
    assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes more after {SWAPS} swaps");
    let ms = |ns: u64| ns as f64 / 1e6;
    println!(
        "{SWAPS} swaps in {} requests: flip p50 {} ms, p99 {} ms, longest {} ms; {grown} bytes more",
        served.requests,
        ms(flips.value_at_quantile(0.5)),
        ms(flips.value_at_quantile(0.99)),
        ms(flips.max())
    );
    stop.cancel();
    service.await.unwrap().unwrap();
}

fn strategy(host: &Host, name: &str) -> Arc<Strategy> {
    let plugin = host.load(&std::fs::read(paths::plugin(name).unwrap()).unwrap()).unwrap();
    Arc::new(plugin.strategy(&plugin.manifest().configuration_default, Limits::DEFAULT).unwrap())
}

fn resident_bytes() -> u64 {
    switchyard_e2e::process::resident_bytes(std::process::id()).unwrap()
}
