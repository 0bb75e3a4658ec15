use super::{CacheDriver, spread};
use crate::caching::{Budget, Caching, Unit};

/// Different ids: several times what the cache holds.
const IDS: u64 = 200;
/// Largest entry, in bytes: a full cache of smallest entries has to give up fewer than 64 for it.
const SIZE_MAX: u64 = 40;
/// Small enough to be full after a few steps.
const CAPACITY: u64 = 300;

/// Puts a strategy through everything that can happen in a shard, by chance but the same for the same seed: reads,
/// writes, overwrites with other sizes, removals, entries that the host kept unasked, other capacities, swaps to a new
/// instance of itself. An error says what the strategy got wrong, and at which step.
pub fn shake<S: Caching>(configuration: &str, unit: Unit, seed: u64, steps: u32) -> Result<(), String> {
    let mut cache = CacheDriver::<S>::with_seed(configuration, Budget { unit, capacity: CAPACITY }, seed)?;
    let mut random = seed;
    for step in 0..steps {
        random = spread(random);
        let (what, id) = (random % 100, spread((random >> 8) % IDS));
        let size = (1 + (random >> 32) % SIZE_MAX) as u32;
        match what {
            0..60 => drop(cache.access_sized(id, size)),
            60..75 => drop(cache.put(id, size)),
            75..85 => drop(cache.remove(id)),
            85..93 => cache.put_unasked(id, size),
            93..96 => cache.flush(),
            96..98 => cache.tick(),
            98 => cache.resize(CAPACITY - CAPACITY / 10 * (random >> 56 & 1)),
            _ => cache = checked(cache, step)?.swap(configuration)?,
        }
        cache = checked(cache, step)?;
    }
    Ok(())
}

fn checked<S: Caching>(cache: CacheDriver<S>, step: u32) -> Result<CacheDriver<S>, String> {
    let figures = cache.figures();
    if figures.unknown_victims > 0 {
        return Err(format!("step {step}: a victim was not resident"));
    }
    if figures.missing_victims > 0 {
        return Err(format!("step {step}: too few victims were named, and there was room to name more"));
    }
    Ok(cache)
}
