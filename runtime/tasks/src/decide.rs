//! Where decisions are made: with the lock of the state released, because whoever decides looks at the state. What was
//! decided is then done under the lock, if what it was decided about is still so.

use bytes::Bytes;
use switchyard_host::scheduling::{self, EventKind, Verdict};

use crate::{
    TaskId, TasksError,
    clock::wall_ms,
    job::Job,
    owner::Owner,
    placement::{self, Placement, Retry},
    rank::Rank,
    shared::{SHARD, Shared},
    sight::Seen,
    state::{Arrival, Claim, Failing, LOST, Ticket},
    task::Failure,
};

/// A task that is accepted once its ticket is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) id: TaskId,
    pub(crate) ticket: Ticket,
}

/// Takes a job in, unless the strategy says no.
pub(crate) fn offer(shared: &Shared, job: Job, payload: &[u8]) -> Result<Arrived, TasksError> {
    let invited = shared.change(|state, now_ms| state.invite(now_ms, &job.queue))?;
    // Before the clock is read: to the strategy, time does not go back.
    let _turn = shared.turn();
    let moment = shared.clock.moment();
    let (id, accepted_ms) = (invited.id, invited.accepted_ms);
    let seen = Seen { id, priority: job.priority, hints: job.hints, attempt: 0, accepted_ms };
    shared.slot.submit(SHARD, moment.now_ms, &seen.at(moment), invited.queue, |verdict| {
        let decided = match verdict {
            Some(Verdict::Refuse(reason)) => return Err(refuse(shared, reason)),
            Some(Verdict::Accept(placement)) => read(*placement),
            None => None,
        };
        let at_ms = job.at_ms.map(|at_ms| moment.of_wall(at_ms));
        // A copy: what a connection has read stays in memory for as long as a part of it does, and a job stays until the
        // next checkpoint.
        let payload = Bytes::copy_from_slice(payload);
        let ticket = shared.change_waited(|state, now_ms| {
            let standing = state.stand(&job.queue, job.priority, decided);
            let ticket = state.arrive(now_ms, Arrival { invited, job, payload, standing, at_ms });
            if decided.is_none() {
                state.tell(id, EventKind::Placed, |_| 0);
            }
            ticket
        });
        Ok(Arrived { id, ticket })
    })
}

fn refuse(shared: &Shared, reason: &str) -> TasksError {
    shared.change(|state, _| state.totals.refused += 1);
    let reason = if reason.trim().is_empty() { "the strategy does not take this task" } else { reason };
    TasksError::Refused(reason.to_owned())
}

/// The host has refused ranks that are not finite.
fn read(placement: scheduling::Placement) -> Option<Placement> {
    Rank::new(placement.rank).map(|rank| Placement { rank, delay_ms: placement.delay_ms })
}

/// A worker says that its task has failed. None: it does not hold it any more.
pub(crate) fn fail(shared: &Shared, claim: Claim<'_>, failure: Failure) -> Option<Ticket> {
    let failing = shared.change(|state, _| state.failing(claim))?;
    failed(shared, failing, failure)
}

/// Whoever held these tasks is gone. Others come in between two of them: a worker may have held thousands.
pub(crate) async fn gone(shared: &Shared, owner: &Owner, message: &str) {
    for failing in shared.read(|state| state.held_by(owner)) {
        lost(shared, failing, message);
        tokio::task::yield_now().await;
    }
}

/// The lease of a task has ended without a word.
pub(crate) fn lost(shared: &Shared, failing: Failing, message: &str) {
    let (kind, message) = (LOST.to_owned(), message.to_owned());
    failed(shared, failing, Failure { failed_at_ms: wall_ms(), kind, message, backtrace: Vec::new() });
}

fn failed(shared: &Shared, failing: Failing, failure: Failure) -> Option<Ticket> {
    if placement::is_spent(failing.attempt, failing.retry) {
        return settle(shared, failing, failure, None);
    }
    let Failing { id, priority, hints, attempt, accepted_ms, .. } = failing;
    let _turn = shared.turn();
    let moment = shared.clock.moment();
    let task = Seen { id, priority, hints, attempt, accepted_ms }.at(moment);
    let why = if failure.kind == LOST { scheduling::Failure::Lost } else { scheduling::Failure::Failed };
    shared.slot.failed(SHARD, moment.now_ms, &task, why, |retry| {
        let decided = match retry {
            Some(scheduling::Retry::GiveUp) => Some(Retry::GiveUp),
            Some(scheduling::Retry::Again(placement)) => read(*placement).map(Retry::Again),
            None => None,
        };
        settle(shared, failing, failure, decided)
    })
}

/// Does what was decided, or what the fallback says.
fn settle(shared: &Shared, failing: Failing, failure: Failure, decided: Option<Retry>) -> Option<Ticket> {
    // Without a random number the task waits the whole time.
    let random = getrandom::u64().unwrap_or(u64::MAX);
    shared.change(|state, now_ms| {
        let fate = state.fate(&failing, decided, random);
        if decided.is_none() {
            let kind = if fate.is_some() { EventKind::Placed } else { EventKind::Removed };
            state.tell(failing.id, kind, |_| 0);
        }
        let ticket = state.fail(now_ms, failing, failure, fate);
        if ticket.is_none() {
            state.correct(&failing);
        }
        ticket
    })
}

#[cfg(test)]
mod tests {
    use switchyard_host::{Compiler, Host, HostConfig};

    use super::*;
    use crate::{
        Tasks, TasksConfig,
        disk::{Batch, Database},
    };

    /// Ranks that are made of the time of acceptance compare with those from before a start, whatever the time of day did.
    #[tokio::test]
    async fn what_is_accepted_after_a_start_is_later_than_what_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let config = TasksConfig::new(folder.path().join("tasks.redb"));
        let left_ms = wall_ms() + 24 * 60 * 60 * 1_000;
        let database = Database::open(&config.files()).unwrap();
        // The time of day was set back by a day since.
        database.commit(Batch { next_id: 1, clock_ms: left_ms, ..Batch::default() }).unwrap();
        drop(database);
        let host = Host::new(HostConfig { instances_max: 1, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        for _ in 0..2 {
            let tasks = Tasks::open(&host, config.clone()).unwrap();
            let job = r#"{"jid":"12345678","jobtype":"t","args":[],"custom":{"deadline":"2999-01-01T00:00:00Z"}}"#;
            let id = tasks.push(Bytes::from_static(job.as_bytes())).await.unwrap();
            let accepted_ms = tasks.shared().read(|state| state.task(id).unwrap().accepted_ms);
            assert!(accepted_ms >= left_ms);
            let shown_ms = tasks.get(id).unwrap().accepted_at_ms;
            assert!(shown_ms <= wall_ms(), "people are shown the time of day");
        }
    }
}
