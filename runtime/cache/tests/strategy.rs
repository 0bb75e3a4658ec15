//! The cache with a real strategy in its slot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::{path::PathBuf, sync::atomic::AtomicBool, sync::atomic::Ordering};

use support::{Serving, entries, wait_until};
use switchyard_cache::{CacheConfig, TraceCache, Write};
use switchyard_host::{
    Host, Strategy,
    caching::{Budget, Unit},
};
use switchyard_types::Limits;

fn strategy(host: &Host, name: &str) -> Strategy {
    let folder = std::env::var_os("SWITCHYARD_PLUGINS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins")), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    let component =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: run cargo xtask test", path.display()));
    let plugin = host.load(&component).expect("a plugin");
    let configuration = plugin.manifest().configuration_default.clone();
    plugin.strategy(&configuration, Limits::DEFAULT).expect("a strategy")
}

/// Numbers with a skew: small ones come often.
struct Skewed(u64);

impl Skewed {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (first, second) = ((self.0 >> 33) % below, (self.0 >> 13) % below);
        first * second / below
    }
}

/// What an exact LRU hits, by a list.
fn lru_hits(ids: &[u64], capacity: usize) -> u64 {
    let mut list: Vec<u64> = Vec::new();
    let mut hits = 0;
    for id in ids {
        match list.iter().rposition(|resident| resident == id) {
            Some(at) => {
                hits += 1;
                list.remove(at);
            }
            None if list.len() == capacity => drop(list.remove(0)),
            None => {}
        }
        list.push(*id);
    }
    hits
}

#[test]
fn one_shard_of_a_replay_is_an_exact_lru() {
    let host = support::host();
    let lru = strategy(&host, "caching-lru");
    let mut numbers = Skewed(7);
    let ids: Vec<u64> = (0..20_000).map(|_| numbers.next(2_000).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    for capacity in [1_u64, 10, 200] {
        let cache = TraceCache::new(&host, 1, Budget { unit: Unit::Entries, capacity });
        cache.slot().swap(&lru, 1).expect("a swap");
        let hits = ids.iter().zip(0..).filter(|(id, now_ms)| cache.access(*now_ms, **id, 1)).count() as u64;
        assert_eq!(hits, lru_hits(&ids, capacity as usize), "capacity {capacity}");
        let (figures, slot) = (cache.figures(), cache.slot().figures());
        assert_eq!((figures.evicted_by_fallback, slot.shards.victims_unknown), (0, 0));
        assert_eq!(figures.hits, hits);
    }
}

/// Writes, reads, deletes and times to live by one client. The strategy must know the table all the while: every victim
/// that it names is there, and the host never has to choose one.
#[test]
fn a_strategy_knows_the_table_whatever_clients_do() {
    const CAPACITY: u64 = 300;
    for name in ["caching-lru", "caching-s3fifo"] {
        let serving = Serving::start(CacheConfig { shards: 1, ..entries(CAPACITY) });
        let host = support::host();
        serving.cache.slot().swap(&strategy(&host, name), 1).expect("a swap");
        let mut client = serving.client();
        let mut numbers = Skewed(11);
        for at in 0..6_000_u64 {
            let key = format!("user:1:{}", numbers.next(1_500));
            let said = match at % 8 {
                0..=2 => client.say(&format!("GET {key}")),
                3..=4 => client.say(&format!("SET {key} v{at}")),
                5 => client.say(&format!("SET n:{key} {at} NX PX 20")),
                6 => client.say(&format!("INCR count:{key}")),
                _ => client.say(&format!("DEL {key}")),
            };
            assert!(!said.starts_with(b"-"), "{}", said.escape_ascii());
        }
        let (figures, slot) = (serving.cache.figures(), serving.cache.slot().figures());
        assert!(figures.entries <= CAPACITY && figures.evicted_by_strategy > 0, "{name}: {figures:?}");
        assert!(slot.hooks["store"].calls > 2_000, "{name}: {slot:?}");
        // Where a policy thread held the shard, the fallback has decided; and what the sweep takes between a decision and
        // its being applied can no longer be a victim.
        let busy = slot.hooks["store"].fallbacks;
        let faults = (slot.shards.victims_unknown, figures.evicted_by_fallback);
        assert!(faults.0 <= busy + figures.expired / 20 && faults.1 <= busy, "{name}: {figures:?} {slot:?}");
        assert_eq!((figures.events_reads_dropped, figures.events_changes_dropped), (0, 0));
    }
}

#[test]
fn swaps_under_load_lose_nothing() {
    const CLIENTS: u64 = 3;
    const SWAPS: u64 = 20;
    let serving = Serving::start(entries(2_000));
    let host = support::host();
    let strategies = [strategy(&host, "caching-lru"), strategy(&host, "caching-s3fifo")];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..CLIENTS {
            let (mut client, done) = (serving.client(), &done);
            scope.spawn(move || {
                let mut numbers = Skewed(seed);
                while !done.load(Ordering::Relaxed) {
                    let key = format!("k:1:{}", numbers.next(10_000));
                    let got = client.say(&format!("GET {key}"));
                    assert!(got == b"$-1\r\n" || got == format!("${}\r\n{key}\r\n", key.len()).as_bytes());
                    if got == b"$-1\r\n" {
                        assert_eq!(client.say(&format!("SET {key} {key}")), b"+OK\r\n");
                    }
                }
            });
        }
        wait_until("the cache is full", || serving.cache.figures().entries >= 1_500);
        for (at, strategy) in (0..SWAPS).zip(strategies.iter().cycle()) {
            let report = serving.cache.slot().swap(strategy, at).expect("a swap under load");
            assert!(!report.unchanged && report.adopted > 0, "{report:?}");
        }
        let calls = || serving.cache.slot().figures().hooks["store"].calls;
        let before = calls();
        wait_until("the last strategy decides", || calls() > before + 100);
        done.store(true, Ordering::Relaxed);
    });
    let figures = serving.cache.figures();
    assert!(figures.entries <= 2_000 && figures.connections_cut == 0, "{figures:?}");
    assert_eq!(serving.cache.slot().figures().flips, SWAPS);
}

#[test]
fn a_flush_leaves_nothing_behind_in_the_strategy() {
    let serving = Serving::start(CacheConfig { shards: 1, ..entries(5_000) });
    let host = support::host();
    serving.cache.slot().swap(&strategy(&host, "caching-lru"), 1).expect("a swap");
    let fill = |from: u64| {
        for n in from..from + 5_000 {
            serving.cache.set(serving.cache.now_ms(), format!("k{n}").as_bytes(), b"v", Write::PLAIN);
        }
    };
    fill(0);
    assert_eq!(serving.client().say("FLUSHDB"), b"+OK\r\n");
    assert_eq!(serving.client().say("DBSIZE"), b":0\r\n");
    fill(5_000);
    let (figures, slot) = (serving.cache.figures(), serving.cache.slot().figures());
    assert_eq!((figures.entries, slot.shards.victims_unknown, figures.evicted_by_strategy), (5_000, 0, 0), "{slot:?}");
}
