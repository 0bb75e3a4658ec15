//! What a swap costs just after it, natively: `cargo run --release --example swaps -- FOLDER`, where FOLDER holds the traces.
//!
//! What this is not: a comparison with published figures. `cargo run --release -p switchyard-e2e --bin baselines` makes it,
//! with the components and the engine's own code.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

mod traces;

use std::path::Path;

use anyhow::{Context, Result};
use caching_lru::Lru;
use caching_s3fifo::S3Fifo;
use switchyard_sdk::{
    caching::{Budget, Caching, Unit},
    testing::CacheDriver,
};
use traces::Traces;

/// Requests after a swap that are counted, as a share of the trace.
const WINDOW: usize = 50;
/// Points of the trace, evenly spaced, at which a swap is tried.
const POINTS: usize = 20;
const CELLS: [(&str, u64); 6] = [
    ("arc_OLTP", 1000),
    ("arc_OLTP", 1869),
    ("arc_OLTP", 5000),
    ("cache2k_web12", 1376),
    ("lirs_multi2", 568),
    ("cloudphysicsIO", 4897),
];

/// Hits in the first 2 % of the requests after a swap, less those of LRU alone over the same requests, in points. A swap
/// of S3-FIFO to itself changes no decision: that line is what the workload makes of the difference, without a swap.
fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("expected the folder that holds the traces")?;
    let mut traces = Traces::new(Path::new(&folder));
    println!("{:18} {:>6} {:16} {:>6} {:>8} {:>8}", "trace", "size", "swap", "below", "mean", "worst");
    for (trace, capacity) in CELLS {
        let ids = traces.ids(trace)?;
        print("LRU to S3-FIFO", trace, capacity, &differences::<Lru, S3Fifo>(ids, capacity)?);
        print("S3-FIFO alone", trace, capacity, &differences::<S3Fifo, S3Fifo>(ids, capacity)?);
        print("S3-FIFO to LRU", trace, capacity, &differences::<S3Fifo, Lru>(ids, capacity)?);
    }
    Ok(())
}

fn differences<From: Caching, To: Caching>(ids: &[u64], capacity: u64) -> Result<Vec<f64>> {
    let window = ids.len() / WINDOW;
    let mut differences = Vec::new();
    for point in 1..POINTS {
        let (before, after) = ids.split_at(ids.len() * point / POINTS);
        let after = || after.iter().copied().take(window);
        let (mut stays, mut swapped) = (driver::<Lru>(capacity)?, driver::<From>(capacity)?);
        stays.play(before.iter().copied());
        swapped.play(before.iter().copied());
        let mut swapped = swapped.swap::<To>("{}").map_err(anyhow::Error::msg)?;
        let (swapped, stays) = (swapped.play(after()), stays.play(after()));
        differences.push((swapped as f64 - stays as f64) * 100.0 / window as f64);
    }
    Ok(differences)
}

fn print(swap: &str, trace: &str, capacity: u64, differences: &[f64]) {
    let below = differences.iter().filter(|difference| **difference < 0.0).count();
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let worst = differences.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{trace:18} {capacity:6} {swap:16} {below:>3}/{} {mean:+8.2} {worst:+8.2}", differences.len());
}

fn driver<S: Caching>(capacity: u64) -> Result<CacheDriver<S>> {
    CacheDriver::new("{}", Budget { unit: Unit::Entries, capacity }).map_err(anyhow::Error::msg)
}
