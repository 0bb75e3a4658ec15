use std::sync::Arc;

use bytes::Bytes;

use crate::{LeaseId, TaskId, job::Hints, rank::Rank};

/// Bytes of a message that are kept in memory.
const MESSAGE_BRIEF_BYTES_MAX: usize = 200;

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
    pub(crate) rank: Rank,
    pub(crate) phase: Phase,
    /// In brief.
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
    pub(crate) worker: Arc<str>,
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

impl Failure {
    /// What of it is kept in memory and written with every change of the task: dead letters are many.
    pub(crate) fn brief(&self) -> Self {
        let message = cut(&self.message, MESSAGE_BRIEF_BYTES_MAX).to_owned();
        Self { failed_at_ms: self.failed_at_ms, kind: self.kind.clone(), message, backtrace: Vec::new() }
    }

    /// What is written once, beside the job; none: the brief form says it all.
    pub(crate) fn detail(&self) -> Option<Bytes> {
        let has_more = !self.backtrace.is_empty() || self.message.len() > MESSAGE_BRIEF_BYTES_MAX;
        // Texts and a number: they can be written.
        has_more.then(|| serde_json::to_vec(self).ok()).flatten().map(Bytes::from)
    }

    /// The whole of a brief one. A detail may be of an earlier failure, where this one had none.
    pub(crate) fn with_detail(self, detail: Option<&Bytes>) -> Self {
        let whole = detail.and_then(|detail| serde_json::from_slice::<Self>(detail).ok());
        whole.filter(|whole| whole.brief() == self).unwrap_or(self)
    }
}

/// As much of a text as fits.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_brief_in_memory_and_whole_with_its_detail() {
        let lines = vec!["l".repeat(500); 50];
        let failure = Failure { failed_at_ms: 7, kind: "E".into(), message: "é".repeat(900), backtrace: lines };
        let (brief, detail) = (failure.brief(), failure.detail());
        assert_eq!((brief.message.len(), brief.backtrace.len(), brief.detail()), (200, 0, None));
        assert_eq!(brief.clone().with_detail(detail.as_ref()), failure);
        let later = Failure { failed_at_ms: 8, ..brief.clone() };
        assert_eq!(later.clone().with_detail(detail.as_ref()), later, "of an earlier one");
        assert_eq!(brief.clone().with_detail(None), brief);
    }
}
