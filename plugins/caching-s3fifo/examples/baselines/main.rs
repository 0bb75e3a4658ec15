//! Both caching strategies beside published figures, natively: `cargo run --release --example baselines -- FOLDER`, where
//! FOLDER holds the traces and `baselines_libcachesim-0.3.5.csv`.
//!
//! Every trace and size is played through the SDK's driver. Exit status 0 only if LRU is exact to the printed digit and
//! S3-FIFO within 0.3 points in every cell. `-- FOLDER swaps` measures what a swap costs just after it instead.
//!
//! What this is not: a test of the host; `switchyard replay` plays the same traces through the WebAssembly.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

mod swaps;
mod traces;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use caching_lru::Lru;
use caching_s3fifo::S3Fifo;
use switchyard_sdk::{
    caching::{Budget, Caching, Unit},
    testing::{CacheDriver, Figures},
};
use traces::Traces;

/// Half of the last printed digit, in points.
const LRU_TOLERANCE: f64 = 0.000_5 + 1e-9;
/// Shares are rounded differently by the peer, in points.
const S3FIFO_TOLERANCE: f64 = 0.3;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [folder] => compare(&mut Traces::open(Path::new(folder))?),
        [folder, "swaps"] => swaps::measure(&mut Traces::open(Path::new(folder))?),
        _ => bail!("expected the folder that holds the traces, and nothing or \"swaps\" behind it"),
    }
}

fn compare(traces: &mut Traces) -> Result<ExitCode> {
    println!("{:18} {:>7} {:8} {:>8} {:>8} {:>8}", "trace", "size", "strategy", "theirs", "ours", "points");
    let (mut cells, mut wrong) = (0, 0);
    for line in traces.baselines()?.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let [trace, _, _, size, strategy, theirs] = columns.as_slice() else {
            bail!("{line:?} does not have six columns");
        };
        let (capacity, theirs): (u64, f64) = (size.parse().context("size")?, theirs.parse().context("hit ratio")?);
        let (figures, tolerance) = match *strategy {
            "LRU" => (play::<Lru>(traces, trace, capacity)?, LRU_TOLERANCE),
            "S3FIFO" => (play::<S3Fifo>(traces, trace, capacity)?, S3FIFO_TOLERANCE),
            _ => continue,
        };
        let difference = figures.hit_ratio() * 100.0 - theirs;
        let right = difference.abs() <= tolerance && figures.unknown_victims == 0 && figures.fallback_evictions == 0;
        let ours = figures.hit_ratio() * 100.0;
        let mark = if right { "" } else { "  WRONG" };
        println!("{trace:18} {capacity:7} {strategy:8} {theirs:8.3} {ours:8.3} {difference:+8.3}{mark}");
        cells += 1;
        wrong += u32::from(!right);
    }
    println!("{cells} cells, {wrong} wrong");
    Ok(if cells > 0 && wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play<S: Caching>(traces: &mut Traces, trace: &str, capacity: u64) -> Result<Figures> {
    let mut cache = driver::<S>(capacity)?;
    cache.play(traces.ids(trace)?.iter().copied());
    Ok(cache.figures())
}

fn driver<S: Caching>(capacity: u64) -> Result<CacheDriver<S>> {
    CacheDriver::new("{}", Budget { unit: Unit::Entries, capacity }).map_err(anyhow::Error::msg)
}
