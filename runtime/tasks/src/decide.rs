//! Where decisions are made: with the lock of the state released, because whoever decides may look at the state. What was
//! decided is then done under the lock, if what it was decided about is still so.

use bytes::Bytes;

use crate::{
    TaskId, TasksError,
    clock::wall_ms,
    job::Job,
    placement,
    shared::Shared,
    state::{Arrival, Claim, Failing, LOST, Ticket},
    task::Failure,
};

/// A task that is accepted once its ticket is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) id: TaskId,
    pub(crate) ticket: Ticket,
}

/// Takes a job in.
pub(crate) fn offer(shared: &Shared, job: Job, payload: &[u8]) -> Result<Arrived, TasksError> {
    let id = shared.change(|state, _| state.invite(&job.queue))?;
    let placement = placement::fallback(job.priority);
    let at_ms = job.at_ms.map(|at_ms| shared.clock.at_wall(at_ms));
    // A copy: what a connection has read stays in memory for as long as a part of it does, and a job stays until the next
    // checkpoint.
    let payload = Bytes::copy_from_slice(payload);
    let arrival = Arrival { job, payload, placement, at_ms };
    Ok(Arrived { id, ticket: shared.change(|state, now_ms| state.arrive(now_ms, id, arrival)) })
}

/// A worker says that its task has failed. None: it does not hold it any more.
pub(crate) fn fail(shared: &Shared, claim: Claim<'_>, failure: Failure) -> Option<Ticket> {
    let failing = shared.change(|state, _| state.failing(claim))?;
    failed(shared, failing, failure)
}

/// The lease of a task has ended without a word.
pub(crate) fn lost(shared: &Shared, failing: Failing, message: &str) {
    let (kind, message) = (LOST.to_owned(), message.to_owned());
    failed(shared, failing, Failure { failed_at_ms: wall_ms(), kind, message, backtrace: Vec::new() });
}

fn failed(shared: &Shared, failing: Failing, failure: Failure) -> Option<Ticket> {
    // Without a random number the task waits the whole time.
    let random = getrandom::u64().unwrap_or(u64::MAX);
    let retry = placement::fallback_retry(failing.priority, failing.attempt, failing.retry, random);
    shared.change(|state, now_ms| state.fail(now_ms, failing, failure, retry))
}
