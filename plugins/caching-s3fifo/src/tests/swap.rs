use caching_lru::Lru;
use proptest::prelude::*;
use switchyard_sdk::{
    caching::{Budget, Caching, Unit},
    testing::{CacheDriver, spread},
};

use super::{cache, skewed};
use crate::S3Fifo;

const CAPACITY: u64 = 400;
const BUDGET: Budget = Budget { unit: Unit::Entries, capacity: CAPACITY };

fn played<S: Caching>(ids: &[u64]) -> CacheDriver<S> {
    let mut cache = CacheDriver::new("{}", BUDGET).unwrap();
    hits(&mut cache, ids);
    cache
}

fn hits<S: Caching>(cache: &mut CacheDriver<S>, ids: &[u64]) -> u64 {
    cache.play(ids.iter().map(|id| spread(*id)))
}

proptest! {
    /// Order, hits and ghost are in the state: a new instance of the same decides as the old one would have.
    #[test]
    fn a_swap_to_itself_changes_no_decision(
        accesses in prop::collection::vec(0..60_u64, 2..600),
        at in 0.0..1.0,
        unit in prop::sample::select(vec![Unit::Entries, Unit::Bytes]),
    ) {
        let (before, after) = accesses.split_at((accesses.len() as f64 * at) as usize);
        let (mut stays, mut swapped) = (cache("{}", unit, 30), cache("{}", unit, 30));
        let size = |id: u64| 1 + (id % 5) as u32;
        for id in before {
            prop_assert_eq!(stays.access_sized(*id, size(*id)), swapped.access_sized(*id, size(*id)));
        }
        let mut swapped: CacheDriver<S3Fifo> = swapped.swap("{}").unwrap();
        for id in after {
            prop_assert_eq!(stays.access_sized(*id, size(*id)), swapped.access_sized(*id, size(*id)));
        }
        // A swap delivers what the driver has buffered; the one that stays may still wait for a batch.
        stays.flush();
        swapped.flush();
        prop_assert_eq!(stays.state(), swapped.state());
    }
}

#[test]
fn just_after_a_swap_from_lru_hits_are_not_fewer_than_lru_would_have_had() {
    for seed in 0..8 {
        let ids: Vec<u64> = skewed(seed, 40_000).collect();
        let (before, after) = ids.split_at(36_000);
        let mut lru = played::<Lru>(before);
        let mut swapped: CacheDriver<S3Fifo> = played::<Lru>(before).swap("{}").unwrap();
        let (lru, swapped) = (hits(&mut lru, after), hits(&mut swapped, after));
        assert!(swapped >= lru, "seed {seed}: {swapped} hits after the swap, {lru} without");
    }
}

#[test]
fn just_after_a_swap_to_lru_hits_are_not_fewer_than_lru_would_have_had() {
    for seed in 0..8 {
        let ids: Vec<u64> = skewed(seed, 40_000).collect();
        let (before, after) = ids.split_at(39_200);
        let mut lru = played::<Lru>(before);
        let mut swapped: CacheDriver<Lru> = played::<S3Fifo>(before).swap("{}").unwrap();
        let (lru, swapped) = (hits(&mut lru, after), hits(&mut swapped, after));
        assert!(swapped >= lru, "seed {seed}: {swapped} hits after the swap, {lru} without");
    }
}

#[test]
fn state_of_another_format_is_refused() {
    let mut strategy = S3Fifo::new(crate::Configuration::default(), 1).unwrap();
    let error = strategy.import_state("caching-s3fifo/0", &[1]).unwrap_err();
    assert_eq!(error, r#"the state has the format "caching-s3fifo/0": expected "caching-s3fifo/1""#);
}
