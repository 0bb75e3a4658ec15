//! Replays of recorded traces beside figures that were published or computed by others, with the engine's own code.

mod page;
mod table;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_replay::{Candidate, Job, Outcome, Replay};

use self::table::Cell;
use crate::paths;

/// Replays every trace and size of the published tables with `caching-lru` and `caching-s3fifo` at one shard, and
/// compares.
#[derive(Debug, Clone, Parser)]
#[command(name = "baselines", max_term_width = 110)]
pub struct Options {
    /// The folder with the traces and baselines_libcachesim-0.3.5.csv
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Writes the page to this file too
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Replays, compares, prints. The status is 0 only if every cell is within its tolerance.
pub fn run(options: &Options) -> Result<ExitCode> {
    let cells = table::read(&options.data)?;
    let outcomes = replay(&options.data, &cells)?;
    let page = page::write(&cells, &outcomes);
    show(&page);
    if let Some(path) = &options.out {
        std::fs::write(path, &page).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let good = cells.iter().zip(&outcomes).all(|(cell, outcome)| cell.holds(outcome));
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the page is the result")]
fn show(page: &str) {
    println!("{page}");
}

fn replay(data: &Path, cells: &[Cell]) -> Result<Vec<Outcome>> {
    let host = Host::new(HostConfig::new(Compiler::InProcess))?;
    let lru = candidate(&host, "caching-lru")?;
    let s3fifo = candidate(&host, "caching-s3fifo")?;
    let job = |cell: &Cell| Job {
        trace: data.join(&cell.file),
        strategy: cell.strategy.to_owned(),
        candidate: if cell.strategy == "caching-lru" { lru.clone() } else { s3fifo.clone() },
        size: cell.size.clone(),
    };
    let jobs: Vec<_> = cells.iter().map(job).collect();
    let bar = ProgressBar::new(jobs.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} replays, {elapsed}")?);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let outcomes = Replay::new(host, 1).run_all(&jobs, threads, |progress| bar.inc(u64::from(progress.done)));
    bar.finish_and_clear();
    Ok(outcomes?)
}

fn candidate(host: &Host, name: &str) -> Result<Candidate> {
    let plugin = host.load(&std::fs::read(paths::plugin(name)?)?)?;
    Ok(Candidate::Strategy(plugin.strategy(&plugin.manifest().configuration_default, Replay::LIMITS)?))
}
