//! A workload on a RESP port, over several connections: GET, and SET where nothing was found.
//!
//! Connections take the next request from one cursor, so that each is at most one request away from where the others
//! are: what the cache sees is the trace's order but for neighbours that overtake one another. Requests of one key never
//! overtake: the later waits for the earlier, as it would in an application that fills its cache once (otherwise both
//! would miss, which the trace does not have). What they are given is compared with what was stored; another value is an
//! error.

mod connection;
mod turns;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use self::{connection::Connection, turns::Turns};
use crate::latency::{Latencies, Window};

/// A run with so many errors has failed; going on would only take time.
const ERRORS_MAX: u64 = 1_000;

/// What happened to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It was not made.
    Pending = 0,
    /// Found.
    Hit = 1,
    /// Not found, and stored.
    Miss = 2,
    /// Answered with an error, with another value, or not at all.
    Error = 3,
}

/// How a workload is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The RESP port.
    pub address: SocketAddr,
    /// Connections at once.
    pub connections: usize,
    /// How long the whole takes at least: a short trace is spread over it, so that what happens meanwhile has time to.
    pub duration_min: Duration,
    /// Whether to begin again at the end, until [`Load::finish`].
    pub repeat: bool,
}

/// A workload that runs.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<Latencies>>>,
}

/// What came of it.
#[derive(Debug)]
pub struct Served {
    /// By request; with `repeat`, of the last round.
    pub outcomes: Vec<Outcome>,
    /// Requests made.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<String>,
    /// Of GETs and SETs.
    pub latencies: Latencies,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

#[derive(Debug)]
struct Shared {
    ids: Vec<u64>,
    plan: Plan,
    begun: Instant,
    interval: Duration,
    turns: Turns,
    outcomes: Vec<AtomicU8>,
    window: AtomicU8,
    stop: AtomicBool,
    errors: AtomicU64,
    first_error: Mutex<Option<String>>,
}

impl Load {
    /// Begins.
    pub fn start(ids: Vec<u64>, plan: Plan) -> Result<Self> {
        let connections = (0..plan.connections).map(|_| Connection::open(plan.address)).collect::<Result<Vec<_>>>()?;
        let shared = Arc::new(Shared {
            interval: plan.duration_min / u32::try_from(ids.len().max(1)).unwrap_or(u32::MAX),
            outcomes: ids.iter().map(|_| AtomicU8::new(Outcome::Pending as u8)).collect(),
            ids,
            begun: Instant::now(),
            turns: Turns::new(plan.connections),
            plan,
            window: AtomicU8::new(Window::Steady as u8),
            stop: AtomicBool::new(false),
            errors: AtomicU64::new(0),
            first_error: Mutex::new(None),
        });
        let run = |(number, connection)| {
            let shared = shared.clone();
            thread::spawn(move || shared.run(number, connection))
        };
        let threads = connections.into_iter().enumerate().map(run).collect();
        Ok(Self { shared, threads })
    }

    /// How many requests were begun.
    pub fn position(&self) -> usize {
        let cursor = self.shared.turns.taken();
        if self.shared.plan.repeat { cursor } else { cursor.min(self.shared.ids.len()) }
    }

    /// Whether nothing is made any more.
    pub fn is_done(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Requests that failed.
    pub fn errors(&self) -> u64 {
        self.shared.errors.load(Relaxed)
    }

    /// Says what else goes on from now on.
    pub fn enter(&self, window: Window) {
        self.shared.window.store(window as u8, Relaxed);
    }

    /// Waits for the end of the workload; one that repeats is ended.
    pub fn finish(self) -> Result<Served> {
        if self.shared.plan.repeat {
            self.shared.stop.store(true, Relaxed);
        }
        let mut latencies = Latencies::new()?;
        for thread in self.threads {
            latencies.add(&thread.join().map_err(|_| anyhow!("a connection's thread panicked"))??)?;
        }
        let shared = self.shared;
        Ok(Served {
            outcomes: shared.outcomes.iter().map(|outcome| read(outcome.load(Relaxed))).collect(),
            requests: match shared.plan.repeat {
                true => shared.turns.taken() as u64,
                false => shared.outcomes.iter().filter(|outcome| outcome.load(Relaxed) != 0).count() as u64,
            },
            errors: shared.errors.load(Relaxed),
            first_error: shared.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            latencies,
            elapsed: shared.begun.elapsed(),
        })
    }
}

impl Shared {
    fn run(&self, number: usize, mut connection: Connection) -> Result<Latencies> {
        let mut latencies = Latencies::new()?;
        while let Some((place, id)) = self.claim(number) {
            let mut measure = |took| latencies.record(self.window(), took);
            let outcome = connection.request(id, &mut measure).unwrap_or_else(|error| {
                self.fail(&error);
                Outcome::Error
            });
            self.turns.done(number);
            if let Some(slot) = self.outcomes.get(place) {
                slot.store(outcome as u8, Relaxed);
            }
        }
        Ok(latencies)
    }

    /// The next request, when it is its turn: its place in the workload and its id.
    fn claim(&self, number: usize) -> Option<(usize, u64)> {
        if self.stop.load(Relaxed) {
            return None;
        }
        let (taken, id) = self.turns.take(number, |taken| self.ids.get(self.place(taken)).copied())?;
        let due = self.interval.saturating_mul(u32::try_from(taken).unwrap_or(u32::MAX));
        if let Some(early) = due.checked_sub(self.begun.elapsed()) {
            thread::sleep(early);
        }
        Some((self.place(taken), id))
    }

    fn place(&self, taken: usize) -> usize {
        if self.plan.repeat { taken % self.ids.len().max(1) } else { taken }
    }

    fn window(&self) -> Window {
        let window = self.window.load(Relaxed);
        Window::ALL.into_iter().find(|known| *known as u8 == window).unwrap_or(Window::Steady)
    }

    fn fail(&self, error: &anyhow::Error) {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| format!("{error:#}"));
        if self.errors.fetch_add(1, Relaxed) >= ERRORS_MAX {
            self.stop.store(true, Relaxed);
        }
    }
}

fn read(outcome: u8) -> Outcome {
    let known = [Outcome::Hit, Outcome::Miss, Outcome::Error];
    known.into_iter().find(|known| *known as u8 == outcome).unwrap_or(Outcome::Pending)
}
