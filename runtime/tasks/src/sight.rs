//! Tasks as strategies see them.

use switchyard_host::scheduling;

use crate::{
    TaskId,
    clock::Moment,
    job::Hints,
    task::{Phase, Task},
};

/// What a strategy is told of a task, before the deadline is told by the clock of the tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) id: TaskId,
    pub(crate) priority: u8,
    pub(crate) hints: Hints,
    /// Failures so far.
    pub(crate) attempt: u32,
    pub(crate) accepted_ms: u64,
}

impl Seen {
    pub(crate) fn at(self, moment: Moment) -> scheduling::Task {
        let Hints { estimate_ms, deadline_ms, tenant, width } = self.hints;
        scheduling::Task {
            id: self.id.0,
            priority: self.priority,
            tenant,
            width,
            estimate_ms,
            deadline_ms: deadline_ms.map(|at_ms| moment.of_wall(at_ms)),
            attempt: self.attempt,
            accepted_ms: self.accepted_ms,
        }
    }
}

pub(crate) fn task(task: &Task, moment: Moment) -> scheduling::Task {
    let Task { id, priority, hints, attempt, accepted_ms, .. } = *task;
    Seen { id, priority, hints, attempt, accepted_ms }.at(moment)
}

/// None: a dead letter, which is nothing to a strategy.
pub(crate) fn resident(task: &Task, moment: Moment) -> Option<scheduling::Resident> {
    let (due_ms, leased) = match &task.phase {
        Phase::Dead { .. } => return None,
        Phase::Leased(lease) => (lease.since_ms, true),
        Phase::Waiting => (task.ready_ms, false),
        Phase::Arriving { due_ms } | Phase::Delayed { due_ms } => (*due_ms, false),
    };
    Some(scheduling::Resident { task: self::task(task, moment), rank: task.place.rank.value(), due_ms, leased })
}
