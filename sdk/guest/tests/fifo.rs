//! The README's example is a working plugin: it is compiled here, played, and held to the contract.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../examples/fifo.rs"]
mod fifo;

use fifo::Fifo;
use switchyard_sdk::{
    caching::{Budget, Unit},
    testing::{CacheDriver, shake},
};

fn cache(unit: Unit, capacity: u64) -> CacheDriver<Fifo> {
    CacheDriver::new("{}", Budget { unit, capacity }).unwrap()
}

#[test]
fn the_readme_shows_the_whole_example_in_fewer_than_forty_lines() {
    let (readme, example) = (include_str!("../README.md"), include_str!("../examples/fifo.rs"));
    assert!(readme.contains(example), "README.md and examples/fifo.rs differ");
    assert!(example.lines().count() < 40);
}

#[test]
fn the_oldest_entry_goes_first_whatever_was_read() {
    let mut cache = cache(Unit::Entries, 2);
    let hits = [1, 2, 1, 3, 1, 2].map(|id| cache.access(id));
    assert_eq!(hits, [false, false, true, false, false, false]);
}

#[test]
fn the_example_keeps_the_contract() {
    for seed in 0..20 {
        assert_eq!(shake::<Fifo>("{}", Unit::Bytes, seed, 2_000), Ok(()));
        assert_eq!(shake::<Fifo>("{}", Unit::Entries, seed, 2_000), Ok(()));
    }
}

#[test]
fn an_entry_that_needs_more_victims_than_are_taken_gets_the_rest_of_its_room_from_the_host() {
    let mut cache = cache(Unit::Bytes, 2_000);
    assert!((0..2_000).all(|id| cache.put(id, 1)));
    assert!(cache.put(2_000, 1_100));
    let figures = cache.figures();
    assert_eq!((figures.fallback_evictions, figures.unknown_victims, figures.missing_victims), (76, 0, 0));
    assert_eq!((cache.used(), cache.entries()), (2_000, 901));
    assert!(!cache.put(2_001, 2_001), "what is larger than the cache is refused");
}
