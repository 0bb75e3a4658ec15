use std::fmt::Write;

use switchyard_replay::Outcome;

use super::table::{Cell, Expected};
use crate::machine;

const HEAD: &str = "\
# Replays beside published figures

Every trace and size of `baselines_libcachesim-0.3.5.csv` (computed with libCacheSim 0.3.5: sizes ignored, cold start, every
request counted), OLTP at sizes of the ARC paper, and libCacheSim's own unit test with sizes (misses of LRU; an object has
the size of its first request throughout, there as here). The strategies are the components of `plugins/`, run by the cache
engine's own code at one shard. LRU must be equal to the last published digit, S3-FIFO within 0.3 points. Repeat it with
`cargo xtask bench --data DIR`, where `DIR/caching` has the traces; it runs the other benchmarks before.
";

/// The page for `docs/results`.
pub(super) fn write(cells: &[Cell], outcomes: &[Outcome]) -> String {
    let rows: Vec<_> = cells.iter().zip(outcomes).collect();
    let wrong = rows.iter().filter(|(cell, outcome)| !cell.holds(outcome)).count();
    let mut page = format!("{HEAD}\nMeasured on {}.\n\n", machine::describe());
    // Writing to a string does not fail.
    let _ = writeln!(page, "{} cells, {wrong} out of tolerance.\n", rows.len());
    page.push_str("| trace | size | requests | strategy | ours | theirs | difference | |\n");
    page.push_str("|---|---|---|---|---|---|---|---|\n");
    for (cell, outcome) in rows {
        let (ours, theirs, difference) = figures(cell, outcome);
        let verdict = if cell.holds(outcome) { "" } else { "out of tolerance" };
        let (trace, size, requests) = (&cell.trace, &cell.size, outcome.requests);
        let _ = writeln!(
            page,
            "| {trace} | {size} | {requests} | {} | {ours} | {theirs} | {difference} | {verdict} |",
            cell.strategy
        );
    }
    page
}

fn figures(cell: &Cell, outcome: &Outcome) -> (String, String, String) {
    match cell.expected {
        Expected::HitPercent(theirs, _) => {
            let ours = outcome.hit_ratio * 100.0;
            (format!("{ours:.3} %"), format!("{theirs:.3} %"), format!("{:+.3}", ours - theirs))
        }
        Expected::Misses(theirs) => {
            let ours = outcome.requests - outcome.hits;
            (format!("{ours} misses"), format!("{theirs} misses"), format!("{:+}", ours as i64 - theirs as i64))
        }
    }
}
