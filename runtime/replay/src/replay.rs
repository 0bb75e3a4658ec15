use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use switchyard_cache::{SHARDS_MAX, TraceCache};
use switchyard_host::{Host, HostError, SlotFigures, Strategy, caching::Unit};
use switchyard_types::Limits;

use crate::{Outcome, Size, TraceError, TraceReader, object_sizes::ObjectSizes, schedule::ScheduleError};

/// Every replay gives strategies the same seed: the same trace has the same figures.
const SEED: u64 = 1;

/// Requests between two reports of progress.
const PROGRESS_REQUESTS: u64 = 65_536;

/// Replays at once, whatever the machine: each holds a cache and its instances.
const THREADS_MAX: usize = 64;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A log of jobs.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A request went nowhere.
    #[error("{strategy}: it refused a request with the status {status}: in a replay every request is served")]
    Refused {
        /// Which strategy.
        strategy: String,
        /// What it said.
        status: u16,
    },
    /// Bytes are asked of a trace that has none.
    #[error(
        "{}: the trace knows no sizes, so that a cache of {size} cannot be filled by it: give a number of entries",
        trace.display()
    )]
    NoSizes {
        /// Which trace.
        trace: PathBuf,
        /// The size that was asked for.
        size: Size,
    },
    /// Sizes of so many objects are not remembered.
    #[error("{}: too many different objects to replay by bytes: give a number of entries", trace.display())]
    TooManyObjects {
        /// Which trace.
        trace: PathBuf,
    },
    /// Fewer entries or bytes than shards.
    #[error("a cache of {size} cannot be split into {shards} shards: give a larger --size or fewer --shards")]
    TooSmall {
        /// The size that was asked for.
        size: Size,
        /// The shards that were asked for.
        shards: usize,
    },
    /// The strategy could not be brought to life.
    #[error("{strategy}: the strategy cannot run")]
    Host {
        /// Which one.
        strategy: String,
        /// Why.
        #[source]
        source: HostError,
    },
    /// Some decisions were not the strategy's.
    #[error("{strategy}: {faults}: the figures would not be the strategy's own")]
    Faults {
        /// Which one.
        strategy: String,
        /// What happened, how often.
        faults: String,
    },
}

/// Who decides.
#[derive(Clone)]
pub enum Candidate {
    /// The engine's own fallback, with no plugin.
    Fallback,
    /// A plugin with its configuration.
    Strategy(Strategy),
}

/// One strategy over one trace in a cache of one size.
#[derive(Clone)]
pub struct Job {
    /// The trace's file.
    pub trace: PathBuf,
    /// What to call the strategy in the outcome.
    pub strategy: String,
    /// Who decides.
    pub candidate: Candidate,
    /// How large the cache is.
    pub size: Size,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which job, in the order in which they were given.
    pub job: usize,
    /// Requests replayed.
    pub requests: u64,
    /// Whether that was all.
    pub done: bool,
}

/// Runs jobs on caches of so many shards. Quality is measured at the shard count of production, exactness at one.
#[derive(Clone)]
pub struct Replay {
    host: Host,
    shards: usize,
}

impl Replay {
    /// Limits for strategies that are replayed: as generous as the node's ceiling, so that a busy laptop does not cost a
    /// strategy decisions. What a strategy takes of its production limits is the bench's business.
    pub const LIMITS: Limits = Limits { memory_bytes: Limits::DEFAULT.memory_bytes, ..Limits::CEILING };

    /// Replays on this host. The number of shards becomes a power of two, as the engine's does: outcomes say which.
    pub fn new(host: Host, shards: usize) -> Self {
        Self { host, shards: shards.clamp(1, SHARDS_MAX).next_power_of_two() }
    }

    /// One job on the calling thread.
    pub fn run(&self, job: &Job, progress: impl FnMut(u64)) -> Result<Outcome, ReplayError> {
        let trace = TraceReader::open(&job.trace)?;
        if job.size.budget().unit == Unit::Bytes && !trace.has_sizes() {
            return Err(ReplayError::NoSizes { trace: job.trace.clone(), size: job.size.clone() });
        }
        let cache = self.cache(&job.strategy, &job.candidate, &job.size)?;
        let (requests, hits) = drive(&cache, trace, job, progress)?;
        Self::check(&job.strategy, &cache)?;
        Ok(Outcome {
            trace: job.trace.display().to_string(),
            strategy: job.strategy.clone(),
            size: job.size.clone(),
            shards: self.shards,
            requests,
            hits,
            hit_ratio: hits as f64 / requests as f64,
        })
    }

    /// Several jobs, up to `threads` of them at once; the outcomes stand in the order of the jobs. The first error ends
    /// it: those that run come to their end, no other begins.
    pub fn run_all(
        &self,
        jobs: &[Job],
        threads: usize,
        progress: impl Fn(Progress) + Sync,
    ) -> Result<Vec<Outcome>, ReplayError> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(jobs.len()));
        let work = || {
            while let Some((index, job)) = claim(jobs, &next) {
                let report = |requests, done| progress(Progress { job: index, requests, done });
                let outcome = self.run(job, |requests| report(requests, false));
                match &outcome {
                    Ok(outcome) => report(outcome.requests, true),
                    Err(_) => next.store(jobs.len(), Ordering::Relaxed),
                }
                results.lock().unwrap_or_else(PoisonError::into_inner).push((index, outcome));
            }
        };
        thread::scope(|scope| {
            for _ in 0..threads.clamp(1, THREADS_MAX).min(jobs.len()) {
                scope.spawn(work);
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// An empty cache of this size with the candidate in charge, to be driven by the caller.
    pub fn cache(&self, name: &str, candidate: &Candidate, size: &Size) -> Result<TraceCache, ReplayError> {
        if size.budget().capacity < self.shards as u64 {
            return Err(ReplayError::TooSmall { size: size.clone(), shards: self.shards });
        }
        let cache = TraceCache::new(&self.host, self.shards, size.budget());
        if let Candidate::Strategy(strategy) = candidate {
            let failed = |source| ReplayError::Host { strategy: name.to_owned(), source };
            cache.slot().swap(strategy, SEED).map_err(failed)?;
        }
        Ok(cache)
    }

    /// A plugin that failed on the way left decisions to the fallback: the hit ratio is a mixture that nobody asked for.
    pub fn check(name: &str, cache: &TraceCache) -> Result<(), ReplayError> {
        check_figures(name, &cache.slot().figures())
    }
}

/// The same by a slot's figures.
pub(crate) fn check_figures(name: &str, figures: &SlotFigures) -> Result<(), ReplayError> {
    if figures.strategy.is_none() {
        return Ok(());
    }
    let faults = faults(figures);
    if faults.is_empty() {
        return Ok(());
    }
    Err(ReplayError::Faults { strategy: name.to_owned(), faults: faults.join(", ") })
}

/// Every request of the trace; how many there were, and how many of them hit.
fn drive(
    cache: &TraceCache,
    trace: TraceReader,
    job: &Job,
    mut progress: impl FnMut(u64),
) -> Result<(u64, u64), ReplayError> {
    let by_entries = job.size.budget().unit == Unit::Entries;
    let mut sizes = ObjectSizes::default();
    let (mut requests, mut hits) = (0, 0);
    for request in trace {
        let request = request?;
        let size = if by_entries { Some(1) } else { sizes.of(request.id, request.size) };
        let size = size.ok_or_else(|| ReplayError::TooManyObjects { trace: job.trace.clone() })?;
        requests += 1;
        hits += u64::from(cache.access(request.now_ms, request.id, size));
        if requests % PROGRESS_REQUESTS == 0 {
            progress(requests);
        }
    }
    progress(requests);
    Ok((requests, hits))
}

fn claim<'a>(jobs: &'a [Job], next: &AtomicUsize) -> Option<(usize, &'a Job)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, jobs.get(index)?))
}

fn faults(figures: &SlotFigures) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, hook) in &figures.hooks {
        let counts = [
            ("trapped", hook.traps),
            ("exceeded its budget", hook.budget_exceeded),
            ("was starved of CPU", hook.starved),
            ("gave an invalid answer", hook.invalid),
            ("left the decision to the fallback", hook.fallbacks),
        ];
        faults.extend(
            counts.iter().filter(|(_, count)| *count > 0).map(|(fault, count)| format!("{name} {fault} {count} times")),
        );
    }
    faults
}
