use serde::{Deserialize, Serialize};

use crate::{
    LeaseId, TaskId,
    clock::Moment,
    task::{Failure, Phase, Task},
};

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// It could run now.
    Waiting,
    /// It waits for its time.
    Delayed,
    /// A worker has it.
    Leased,
    /// It is not tried again unless somebody sends it back.
    Dead,
}

impl TaskState {
    /// None: the task is on its way in, and nobody knows of it yet.
    pub(crate) fn of(phase: &Phase) -> Option<Self> {
        match phase {
            Phase::Arriving { .. } => None,
            Phase::Waiting => Some(Self::Waiting),
            Phase::Delayed { .. } => Some(Self::Delayed),
            Phase::Leased(_) => Some(Self::Leased),
            Phase::Dead { .. } => Some(Self::Dead),
        }
    }
}

/// A task, for people and programs that look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// Its number.
    pub id: TaskId,
    /// What its producer calls it.
    pub jid: String,
    /// Its `jobtype`.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Where it is in its life.
    pub state: TaskState,
    /// 1 to 9, 9 being the most urgent.
    pub priority: u8,
    /// Of the waiting tasks the lowest rank runs first.
    pub rank: f64,
    /// Failures so far.
    pub attempt: u32,
    /// When it was accepted: a time of day, in milliseconds since 1970.
    pub accepted_at_ms: u64,
    /// Until it may run, or until its worker loses it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
    /// The lease of the worker that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    /// The worker that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// How it failed last; in a list without the backtrace, and with the beginning of a long message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The job as it was pushed; not in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<serde_json::Value>,
}

impl TaskView {
    /// None: the task is on its way in.
    pub(crate) fn of(task: &Task, moment: Moment) -> Option<Self> {
        let lease = task.lease();
        Some(Self {
            id: task.id,
            jid: task.jid.to_string(),
            kind: task.kind.to_string(),
            queue: task.queue.to_string(),
            state: TaskState::of(&task.phase)?,
            priority: task.priority,
            rank: task.rank.value(),
            attempt: task.attempt,
            accepted_at_ms: moment.to_wall(task.accepted_ms),
            left_ms: task.timer_ms().map(|at_ms| at_ms.saturating_sub(moment.now_ms)),
            lease: lease.map(|lease| lease.id),
            worker: lease.map(|lease| lease.worker.to_string()),
            failure: task.failure.as_deref().cloned(),
            job: None,
        })
    }
}
