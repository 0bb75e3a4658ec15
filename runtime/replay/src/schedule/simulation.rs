use std::sync::{Arc, Weak};

use switchyard_host::{
    Host, Strategy, Upkeep,
    scheduling::{QueueTable, SchedulingSlot, Task, Verdict},
};

use super::{
    ScheduleError,
    job::Job,
    machine::Machine,
    queue::{TraceQueue, Waiting},
};
use crate::{ReplayError, replay};

/// Every replay gives strategies the same seed.
const SEED: u64 = 1;
/// A shorter job's slowdown says little: it counts as one of so many seconds.
const RUN_SECONDS_MIN: u64 = 10;
/// The only shard.
const SHARD: usize = 0;

/// Plays a sequence on an empty machine. Returns its mean bounded slowdown.
pub(super) fn simulate(
    host: &Host,
    strategy: &Strategy,
    name: &str,
    jobs: &[Job],
    processors: u32,
    backfill: bool,
) -> Result<f64, ReplayError> {
    let queue = Arc::new(TraceQueue::default());
    let table: Weak<TraceQueue> = Arc::downgrade(&queue);
    let slot = SchedulingSlot::new(host, table as Weak<dyn QueueTable>, 1, Upkeep::Caller);
    let failed = |source| ReplayError::Host { strategy: name.to_owned(), source };
    slot.swap(strategy, SEED).map_err(failed)?;
    let machine = Machine::new(processors);
    let now = jobs.first().map_or(0, |job| job.submit);
    let waits = vec![0; jobs.len()];
    let mut simulation = Simulation { jobs, queue, slot, machine, now, arrived: 0, waits, name };
    simulation.arrive()?;
    while !simulation.queue.is_empty() {
        simulation.run_first(backfill)?;
        simulation.wait_for_a_job()?;
    }
    replay::check_figures(name, &simulation.slot.figures())?;
    Ok(simulation.bounded_slowdown())
}

/// One sequence on its way.
struct Simulation<'a> {
    jobs: &'a [Job],
    queue: Arc<TraceQueue>,
    slot: SchedulingSlot,
    machine: Machine,
    /// Seconds of the log.
    now: u64,
    /// Jobs that have come.
    arrived: usize,
    /// Seconds that each waited.
    waits: Vec<u64>,
    name: &'a str,
}

impl Simulation<'_> {
    /// The first in the queue runs, and time passes until it can. The clock does not move while it fits.
    fn run_first(&mut self, backfill: bool) -> Result<(), ReplayError> {
        let Some(first) = self.queue.sort_by_rank() else { return Ok(()) };
        let Some(job) = self.jobs.get(first.place).copied() else { return Ok(()) };
        let promised = (backfill && !self.machine.fits(&job)).then(|| self.machine.promised_start(&job, self.now));
        while !self.machine.fits(&job) {
            if let Some(promised) = promised {
                self.backfill(promised);
            }
            self.step()?;
        }
        self.start(first.place);
        Ok(())
    }

    /// Whatever fits and has ended by its user's word before the first in the queue is promised its start, in the order of
    /// arrival.
    fn backfill(&mut self, promised: u64) {
        for waiting in self.queue.sort_by_arrival() {
            let Some(job) = self.jobs.get(waiting.place) else { continue };
            if self.machine.fits(job) && self.now + job.requested < promised {
                self.start(waiting.place);
            }
        }
    }

    /// The next event: a job comes, or the next one ends.
    fn step(&mut self) -> Result<(), ReplayError> {
        let end = self.machine.next_end();
        match (self.jobs.get(self.arrived), end) {
            (Some(next), end) if end.is_none_or(|end| next.submit <= end) => {
                self.now = self.now.max(next.submit);
                self.arrive()
            }
            (_, Some(end)) => {
                self.now = self.now.max(end);
                self.queue.advance(self.now);
                if let Some(place) = self.machine.release_one() {
                    self.queue.end(place, self.now, self.slot.wants().done);
                }
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }

    fn wait_for_a_job(&mut self) -> Result<(), ReplayError> {
        while self.queue.is_empty() && self.arrived < self.jobs.len() {
            self.step()?;
        }
        Ok(())
    }

    /// The next job joins the queue, where the strategy puts it.
    fn arrive(&mut self) -> Result<(), ReplayError> {
        let (place, Some(job)) = (self.arrived, self.jobs.get(self.arrived)) else { return Ok(()) };
        self.arrived += 1;
        self.queue.advance(self.now);
        let task = Task {
            id: place as u64 + 1,
            priority: 5,
            tenant: 0,
            width: job.width,
            estimate_ms: Some(job.requested * 1_000),
            deadline_ms: None,
            attempt: 0,
            accepted_ms: job.submit * 1_000,
        };
        let verdict = self.slot.submit(SHARD, self.now * 1_000, &task, self.queue.view(), |verdict| verdict.cloned());
        match verdict {
            Some(Verdict::Accept(placement)) if placement.delay_ms == 0 => {
                self.queue.push(Waiting { place, task, rank: placement.rank });
                Ok(())
            }
            Some(Verdict::Accept(placement)) => self.not_taken(format!("it delayed by {} ms", placement.delay_ms), job),
            Some(Verdict::Refuse(reason)) => self.not_taken(format!("it refused ({reason})"), job),
            // The figures say why, and there is no result to give.
            None => replay::check_figures(self.name, &self.slot.figures()),
        }
    }

    fn not_taken(&self, what: String, job: &Job) -> Result<(), ReplayError> {
        Err(ScheduleError::NotTaken { strategy: self.name.to_owned(), what, job: job.id }.into())
    }

    fn start(&mut self, place: usize) {
        let Some(job) = self.jobs.get(place) else { return };
        self.queue.advance(self.now);
        self.queue.start(place, self.now, self.slot.wants().started);
        self.machine.start(place, job, self.now);
        if let Some(wait) = self.waits.get_mut(place) {
            *wait = self.now - job.submit;
        }
    }

    fn bounded_slowdown(&self) -> f64 {
        let slowdown = |(job, wait): (&Job, &u64)| {
            let bound = job.run.max(RUN_SECONDS_MIN) as f64;
            ((wait + job.run) as f64 / bound).max(1.0)
        };
        self.jobs.iter().zip(&self.waits).map(slowdown).sum::<f64>() / self.jobs.len() as f64
    }
}
