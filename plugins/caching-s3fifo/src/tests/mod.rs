mod decisions;
mod model;
mod swap;

use switchyard_sdk::{
    caching::{Budget, Unit},
    testing::CacheDriver,
};

use crate::S3Fifo;

fn cache(configuration: &str, unit: Unit, capacity: u64) -> CacheDriver<S3Fifo> {
    CacheDriver::new(configuration, Budget { unit, capacity }).unwrap()
}

/// A trace with a few popular ids, a long tail, and scans of ids that come once: what caches meet.
fn skewed(seed: u64, requests: u64) -> impl Iterator<Item = u64> {
    (0..requests).map(move |at| {
        let random = switchyard_sdk::testing::spread(seed ^ at << 20);
        let uniform = (random >> 11) as f64 / (1_u64 << 53) as f64;
        match random % 8 {
            0 => 1_000_000 + at,
            _ => (uniform * uniform * uniform * 3_000.0) as u64,
        }
    })
}
