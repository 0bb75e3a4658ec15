//! Recorded jobs through a scheduling strategy, by the protocol of RLScheduler (Zhang et al., SC'20), so that its published
//! table is comparable: parallel jobs on one machine of equal processors, sequences cut out of a log, each on an empty machine.
//!
//! The machine here is the protocol's and not the task engine: the engine hands tasks to workers and knows no processors. What
//! is the same is who decides: a strategy is asked through its slot where every job stands, at its arrival.

mod job;
mod machine;
mod queue;
mod simulation;

use std::path::{Path, PathBuf};

use serde::Serialize;
use switchyard_host::{Host, Strategy};

pub use self::job::Log;
use self::simulation::simulate;
use crate::ReplayError;

/// Starts of the ten sequences in the published table, from 0.
pub const PUBLISHED_STARTS: [usize; 10] = [1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085];
/// Jobs of each of them.
pub const PUBLISHED_LENGTH: usize = 1024;

/// What is replayed.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Where each sequence begins, from 0.
    pub starts: Vec<usize>,
    /// Jobs of a sequence.
    pub length: usize,
    /// Whether others may run while the first in the queue waits for processors.
    pub backfill: bool,
}

/// What one strategy made of one log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScheduleOutcome {
    /// The log's file as it was named.
    pub trace: String,
    /// The strategy as it was named.
    pub strategy: String,
    /// Whether others could run while the first in the queue waited for processors.
    pub backfill: bool,
    /// Jobs of a sequence.
    pub length: usize,
    /// The mean over the sequences.
    pub bounded_slowdown: f64,
    /// Each of them.
    pub sequences: Vec<Sequence>,
}

/// What became of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sequence {
    /// Its first job, from 0.
    pub start: usize,
    /// The mean over its jobs of max(1, (wait + run) / max(run, 10 s)).
    pub bounded_slowdown: f64,
}

impl Schedule {
    /// Plays every sequence; the log has been read before. `progress` is told how many are done.
    pub fn run(
        &self,
        host: &Host,
        log: &Log,
        name: &str,
        strategy: &Strategy,
        mut progress: impl FnMut(usize),
    ) -> Result<ScheduleOutcome, ReplayError> {
        let mut sequences = Vec::with_capacity(self.starts.len());
        for start in &self.starts {
            let jobs = log.sequence(*start, self.length)?;
            let bounded_slowdown = simulate(host, strategy, name, jobs, log.processors(), self.backfill)?;
            sequences.push(Sequence { start: *start, bounded_slowdown });
            progress(sequences.len());
        }
        let sum: f64 = sequences.iter().map(|sequence| sequence.bounded_slowdown).sum();
        Ok(ScheduleOutcome {
            trace: log.path().display().to_string(),
            strategy: name.to_owned(),
            backfill: self.backfill,
            length: self.length,
            bounded_slowdown: sum / sequences.len().max(1) as f64,
            sequences,
        })
    }
}

/// Why a log is not what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Its header does not say how large the machine is.
    #[error("{}: the header does not say how many processors the machine has: expected a line `; MaxProcs: N` or `; MaxNodes: N`", .0.display())]
    NoMachine(PathBuf),
    /// A job that never fits.
    #[error("{}: job {job} takes {width} processors: the machine has {processors}", path.display())]
    TooWide {
        /// Which log.
        path: PathBuf,
        /// Which job.
        job: u64,
        /// What it asks for.
        width: u32,
        /// What there is.
        processors: u32,
    },
    /// Too few jobs.
    #[error("{}: a sequence of {length} jobs from {start} goes beyond the log's {jobs} jobs: give other --starts or a shorter --length", path.display())]
    TooShort {
        /// Which log.
        path: PathBuf,
        /// Where it would begin.
        start: usize,
        /// How long it would be.
        length: usize,
        /// How many there are.
        jobs: usize,
    },
    /// The strategy did not take a job, or not now.
    #[error("{strategy}: {what} job {job}: in a replay every job runs, as soon as it is its turn")]
    NotTaken {
        /// Which strategy.
        strategy: String,
        /// What it did.
        what: String,
        /// To which job.
        job: u64,
    },
}

/// Reads a log in the Standard Workload Format (Feitelson, Parallel Workloads Archive), plain or with `.gz` or `.zst`.
pub fn read(path: &Path) -> Result<Log, ReplayError> {
    job::read(path)
}
