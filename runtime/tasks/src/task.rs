use std::sync::Arc;

use crate::{LeaseId, TaskId, job::Hints, owner::Owner, place::Place};

/// A task as it stands in memory. Its job stays on disk until a worker takes it.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) jid: Arc<str>,
    pub(crate) kind: Arc<str>,
    pub(crate) queue: Arc<str>,
    pub(crate) priority: u8,
    pub(crate) retry: i32,
    pub(crate) reserve_ms: u64,
    /// Its `deadline_ms` is a time of day; everything else here is by the clock of the tasks.
    pub(crate) hints: Hints,
    pub(crate) accepted_ms: u64,
    /// Since when it could run, last.
    pub(crate) ready_ms: u64,
    /// Failures so far.
    pub(crate) attempt: u32,
    pub(crate) place: Place,
    pub(crate) phase: Phase,
    pub(crate) failure: Option<Box<Failure>>,
}

/// Where a task is in its life.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Phase {
    /// On its way to the disk; nobody but who pushed it knows of it.
    Arriving { due_ms: u64 },
    /// It could run now.
    Waiting,
    /// It waits for its time.
    Delayed { due_ms: u64 },
    /// A worker has it.
    Leased(Lease),
    /// It is not tried again unless somebody sends it back.
    Dead { since_ms: u64 },
}

/// A worker's hold on a task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lease {
    pub(crate) id: LeaseId,
    pub(crate) owner: Owner,
    pub(crate) since_ms: u64,
    pub(crate) until_ms: u64,
}

/// How a task failed last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// The time of day, in milliseconds since 1970.
    pub failed_at_ms: u64,
    /// The class of the error; `lost` where the lease ran out.
    pub kind: String,
    /// What the worker said.
    pub message: String,
    /// The first lines of the backtrace, where the worker sent one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
}

impl Task {
    pub(crate) fn lease(&self) -> Option<&Lease> {
        match &self.phase {
            Phase::Leased(lease) => Some(lease),
            _ => None,
        }
    }

    /// When something happens to it by itself.
    pub(crate) fn timer_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Delayed { due_ms } => Some(*due_ms),
            Phase::Leased(lease) => Some(lease.until_ms),
            Phase::Arriving { .. } | Phase::Waiting | Phase::Dead { .. } => None,
        }
    }
}
