//! Decisions worked out by hand. The cache holds ten entries: small one, main nine, the ghost nine ids.

use switchyard_sdk::{
    caching::{Budget, Unit},
    testing::CacheDriver,
};

use super::cache;
use crate::S3Fifo;

/// Without the direct way into main, ids 0 to 9 stand in the small queue in their order.
fn full() -> CacheDriver<S3Fifo> {
    let mut cache = cache(r#"{"fill_main": false}"#, Unit::Entries, 10);
    cache.play(0..10);
    cache
}

#[test]
fn what_leaves_small_without_two_hits_is_evicted() {
    let mut cache = full();
    cache.access(0);
    cache.access(10);
    assert!(!cache.holds(0), "one hit is not enough");
}

#[test]
fn what_leaves_small_with_two_hits_stays() {
    let mut cache = full();
    cache.play([0, 0, 10]);
    assert!(cache.holds(0) && !cache.holds(1));
}

#[test]
fn an_id_that_the_ghost_knows_enters_main() {
    let mut cache = full();
    // 10 pushes 0 out; 0 comes back into main and pushes 1 out. From then on small gives up its ids in order, and main
    // is not over its share, so 0 outlives them all.
    cache.access(10);
    assert!(!cache.access(0));
    cache.play(11..20);
    assert!(cache.holds(0) && !cache.holds(9) && !cache.holds(10));
}

#[test]
fn the_ghost_forgets_what_is_older_than_its_length() {
    let outlives = |returns_after: u64| {
        let mut cache = full();
        cache.play(10..10 + returns_after);
        assert!(!cache.access(0), "0 is gone");
        cache.play(100..110);
        cache.holds(0)
    };
    assert!(outlives(9), "nine ids have left since: the ghost still knows 0");
    assert!(!outlives(10), "ten have: it does not, and 0 enters small again and leaves it");
}

#[test]
fn main_gives_another_chance_for_every_hit_up_to_three() {
    // Everything in main: nine entered it directly while the cache filled, one stands in small.
    let mut cache = cache("{}", Unit::Entries, 10);
    cache.play(0..10);
    // 0 is in small. 1 has four hits, which count as three.
    cache.play([1, 1, 1, 1]);
    // Main gets over its share by ids that the ghost knows: each time one of main leaves.
    cache.access(10);
    assert!(!cache.holds(0), "small goes first while main is within its share");
    cache.access(0);
    assert!(cache.holds(0) && !cache.holds(10), "small is emptied, 0 enters main");
    cache.access(10);
    assert!(!cache.holds(2) && cache.holds(1), "main is over its share; 1 has a hit and goes to the back");
}

#[test]
fn an_empty_cache_fills_main_until_the_first_eviction() {
    let mut filled = cache("{}", Unit::Entries, 10);
    filled.play(0..10);
    filled.play(10..20);
    assert!((1..10).all(|id| filled.holds(id)), "main holds the first nine that did not fit in small");
    let mut strict = full();
    strict.play(10..20);
    assert!((0..10).all(|id| !strict.holds(id)), "everything went through small");
}

#[test]
fn an_overwrite_counts_as_a_hit_and_takes_the_new_size() {
    let mut cache = cache(r#"{"fill_main": false}"#, Unit::Bytes, 10);
    assert!(cache.put(1, 4) && cache.put(2, 4) && cache.put(1, 6));
    assert_eq!((cache.used(), cache.figures().unknown_victims), (10, 0));
    assert!(cache.put(3, 8));
    assert!(!cache.holds(1) && !cache.holds(2) && cache.holds(3));
}

#[test]
fn what_is_larger_than_the_cache_is_refused_and_its_old_value_goes() {
    let mut cache = cache("{}", Unit::Bytes, 10);
    assert!(cache.put(1, 4) && !cache.put(1, 11));
    assert!(!cache.holds(1));
    assert_eq!((cache.figures().refused, cache.figures().unknown_victims), (1, 0));
}

#[test]
fn a_hot_main_queue_is_walked_within_a_bound() {
    const ENTRIES: u64 = 40_000;
    let mut cache = cache("{}", Unit::Entries, ENTRIES);
    for _ in 0..3 {
        cache.play(0..ENTRIES);
    }
    // All of small has two hits and goes to main: 4,000 steps. Behind main's first 36,000, of which 4,192 are looked at:
    // then the next one goes although it has two hits.
    cache.access(ENTRIES);
    assert!((0..ENTRIES).all(|id| cache.holds(id) == (id != 4_000 + 4_192)));
    assert_eq!((cache.figures().unknown_victims, cache.figures().fallback_evictions), (0, 0));
}

#[test]
fn a_value_out_of_its_range_is_named() {
    let check = |configuration: &str, expected: &str| {
        let budget = Budget { unit: Unit::Entries, capacity: 10 };
        assert_eq!(CacheDriver::<S3Fifo>::new(configuration, budget).err().as_deref(), Some(expected));
    };
    check(r#"{"small_percent": 0}"#, r#"configuration key "small_percent" has the value 0: expected 1 to 90"#);
    check(r#"{"ghost_percent": 401}"#, r#"configuration key "ghost_percent" has the value 401: expected 0 to 400"#);
    check(r#"{"promotion_hits": 4}"#, r#"configuration key "promotion_hits" has the value 4: expected 1 to 3"#);
}
