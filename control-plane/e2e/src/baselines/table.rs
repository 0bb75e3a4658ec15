use std::path::Path;

use anyhow::{Context, Result, bail};
use switchyard_replay::{Outcome, Size};

const TABLE: &str = "baselines_libcachesim-0.3.5.csv";

/// The table is computed with three decimals of a percent: an exact policy differs by rounding alone.
const EXACT_POINTS: f64 = 0.000_5 + 1e-9;
/// Published with two decimals.
const EXACT_POINTS_2: f64 = 0.005 + 1e-9;
/// S3-FIFO has freedoms that its description leaves open.
const NEAR_POINTS: f64 = 0.3;

/// Published for OLTP at sizes of the ARC paper: strategy, entries, hits in percent, tolerance.
const OLTP: [(&str, u64, f64, f64); 4] = [
    ("caching-lru", 1_000, 32.83, EXACT_POINTS_2),
    ("caching-lru", 5_000, 53.65, EXACT_POINTS_2),
    ("caching-s3fifo", 1_000, 40.86, NEAR_POINTS),
    ("caching-s3fifo", 5_000, 55.75, NEAR_POINTS),
];

/// Misses of LRU in libCacheSim's own unit tests, from 128 to 1,024 MiB in steps of 128 MiB, with sizes.
const CLOUD_PHYSICS_MISSES: [u64; 8] = [93_374, 89_783, 83_572, 81_722, 72_494, 72_104, 71_972, 71_704];
const CLOUD_PHYSICS: &str = "cloudPhysicsIO.csv.gz";
const OLTP_FILE: &str = "arc_OLTP.u32le.zst";
const STEP_MIB: usize = 128;

/// What others found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expected {
    /// Hits in percent, and how far one may be from it.
    HitPercent(f64, f64),
    /// Misses, exactly.
    Misses(u64),
}

/// One trace, one size, one strategy, and what others found.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) trace: String,
    pub(super) file: String,
    pub(super) strategy: &'static str,
    pub(super) size: Size,
    pub(super) expected: Expected,
}

impl Cell {
    /// Whether ours is what others found.
    pub(super) fn holds(&self, outcome: &Outcome) -> bool {
        match self.expected {
            Expected::HitPercent(percent, tolerance) => (outcome.hit_ratio * 100.0 - percent).abs() <= tolerance,
            Expected::Misses(misses) => outcome.requests - outcome.hits == misses,
        }
    }
}

/// Every cell that the strategies here are measured by.
pub(super) fn read(data: &Path) -> Result<Vec<Cell>> {
    let path = data.join(TABLE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read: give the folder with --data", path.display()))?;
    let mut cells = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let cell = cell(line).with_context(|| format!("{}, line {}: {line:?}", path.display(), number + 1))?;
        cells.extend(cell);
    }
    cells.extend(OLTP.map(|(strategy, entries, percent, tolerance)| Cell {
        trace: "arc_OLTP".to_owned(),
        file: OLTP_FILE.to_owned(),
        strategy,
        size: Size::Entries(entries),
        expected: Expected::HitPercent(percent, tolerance),
    }));
    for (misses, step) in CLOUD_PHYSICS_MISSES.into_iter().zip(1..) {
        cells.push(Cell {
            trace: "cloudphysicsIO".to_owned(),
            file: CLOUD_PHYSICS.to_owned(),
            strategy: "caching-lru",
            size: format!("{}MiB", STEP_MIB * step).parse()?,
            expected: Expected::Misses(misses),
        });
    }
    Ok(cells)
}

/// A line `trace,requests,unique,cache_size,algorithm,hit_ratio_pct`; none: an algorithm that has no strategy here.
fn cell(line: &str) -> Result<Option<Cell>> {
    let fields: Vec<_> = line.split(',').collect();
    let [trace, _, _, size, algorithm, percent] = fields.as_slice() else { bail!("expected six fields") };
    let (strategy, tolerance) = match *algorithm {
        "LRU" => ("caching-lru", EXACT_POINTS),
        "S3FIFO" => ("caching-s3fifo", NEAR_POINTS),
        _ => return Ok(None),
    };
    let file = match *trace {
        "cloudphysicsIO" => CLOUD_PHYSICS.to_owned(),
        trace => format!("{trace}.u32le.zst"),
    };
    let expected = Expected::HitPercent(percent.parse().context("hit_ratio_pct")?, tolerance);
    Ok(Some(Cell { trace: (*trace).to_owned(), file, strategy, size: size.parse()?, expected }))
}
