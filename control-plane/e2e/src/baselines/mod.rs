//! Replays of recorded traces beside figures that were published or computed by others, with the engine's own code.

mod decisions;
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

/// Replays every trace, log and table of requests for which others have figures, with the strategies of `plugins/`, and compares.
#[derive(Debug, Clone, Parser)]
#[command(name = "baselines", max_term_width = 110)]
pub struct Options {
    /// A folder with `caching` (traces and baselines_libcachesim-0.3.5.csv) and `scheduling` (logs of jobs, requests and
    /// baselines_rlscheduler_protocol.csv)
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Writes the pages to this folder too
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Replays, compares, prints. The status is 0 only if every cell is within its tolerance.
pub fn run(options: &Options) -> Result<ExitCode> {
    let (caching, scheduling) = (options.data.join("caching"), options.data.join("scheduling"));
    let cells = table::read(&caching)?;
    let outcomes = replay(&caching, &cells)?;
    keep(&page::write(&cells, &outcomes), options.out.as_deref(), "replay-baselines.md")?;
    let (page, decided_well) = decisions::run(&scheduling)?;
    keep(&page, options.out.as_deref(), "decision-baselines.md")?;
    let cached_well = cells.iter().zip(&outcomes).all(|(cell, outcome)| cell.holds(outcome));
    Ok(if cached_well && decided_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keep(page: &str, folder: Option<&Path>, name: &str) -> Result<()> {
    show(page);
    if let Some(path) = folder.map(|folder| folder.join(name)) {
        std::fs::write(&path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
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
