use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// A worker that has said nothing for so long is gone: its connections are closed, as Faktory does, and its tasks go to
/// others without waiting for the end of their leases. Workers must beat at least as often.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What a worker is asked to do when it beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum WorkerState {
    /// Work.
    #[default]
    Running,
    /// Take no more tasks.
    Quiet,
    /// End within half a minute.
    Terminate,
}

/// The processes that work, by the `wid` they gave. One may have many connections.
#[derive(Debug)]
pub(crate) struct Workers(Mutex<BTreeMap<String, Worker>>);

#[derive(Debug)]
struct Worker {
    heard: Instant,
    state: WorkerState,
    connections: usize,
    gone: CancellationToken,
}

impl Worker {
    fn new() -> Self {
        Self { heard: Instant::now(), state: WorkerState::Running, connections: 0, gone: CancellationToken::new() }
    }
}

impl Workers {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Workers that held tasks when the file was left have as long to come back as others have to speak.
    pub(crate) fn expect(&self, holders: Vec<String>) {
        let mut workers = self.0.lock();
        for wid in holders {
            workers.entry(wid).or_insert_with(Worker::new);
        }
    }

    /// A connection of this worker. The token is cancelled when the worker is given up.
    pub(crate) fn join(&self, wid: &str) -> CancellationToken {
        let mut workers = self.0.lock();
        let worker = workers.entry(wid.to_owned()).or_insert_with(Worker::new);
        worker.heard = Instant::now();
        worker.connections += 1;
        // A worker that comes back under its old name begins anew.
        if worker.connections == 1 {
            worker.state = WorkerState::Running;
        }
        worker.gone.clone()
    }

    /// A connection has ended. The worker may come back until it counts as silent.
    pub(crate) fn leave(&self, wid: &str) {
        if let Some(worker) = self.0.lock().get_mut(wid) {
            worker.connections = worker.connections.saturating_sub(1);
        }
    }

    /// Any command shows that a worker lives. What it is asked to do; none: it is not known.
    pub(crate) fn hear(&self, wid: &str) -> Option<WorkerState> {
        let mut workers = self.0.lock();
        let worker = workers.get_mut(wid)?;
        worker.heard = Instant::now();
        Some(worker.state)
    }

    /// Asks a worker to do something; what has begun to end does not go back. False: there is no such worker.
    pub(crate) fn signal(&self, wid: &str, state: WorkerState) -> bool {
        let mut workers = self.0.lock();
        let Some(worker) = workers.get_mut(wid) else { return false };
        worker.state = worker.state.max(state);
        true
    }

    /// Gives up the workers that have been silent for too long, and names them.
    pub(crate) fn give_up(&self, now: Instant) -> Vec<String> {
        let silent = |worker: &Worker| now.saturating_duration_since(worker.heard) > SILENCE_MAX;
        let mut gone = Vec::new();
        self.0.lock().retain(|wid, worker| {
            if silent(worker) {
                worker.gone.cancel();
                gone.push(wid.clone());
            }
            !silent(worker)
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_worker_is_given_up_and_one_that_speaks_is_not() {
        let workers = Workers::new();
        workers.expect(vec!["held".into()]);
        let token = workers.join("spoke");
        let later = Instant::now() + SILENCE_MAX / 2;
        assert!(workers.give_up(later).is_empty());
        let late = Instant::now() + SILENCE_MAX + Duration::from_secs(1);
        assert_eq!(workers.give_up(late), ["held", "spoke"]);
        assert!(token.is_cancelled());
        assert_eq!(workers.hear("spoke"), None);
    }

    #[test]
    fn a_worker_that_ends_does_not_go_back() {
        let workers = Workers::new();
        workers.join("w");
        assert!(workers.signal("w", WorkerState::Terminate));
        assert!(workers.signal("w", WorkerState::Quiet));
        assert_eq!(workers.hear("w"), Some(WorkerState::Terminate));
        assert!(!workers.signal("x", WorkerState::Quiet));
        workers.leave("w");
        workers.join("w");
        assert_eq!(workers.hear("w"), Some(WorkerState::Running));
    }
}
