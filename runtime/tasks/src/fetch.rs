use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    LeaseId, TaskId, TasksError,
    owner::Owner,
    payload::{self, Given},
    shared::Shared,
    state::{Handout, WaiterId},
};

/// Queues that one worker asks for at once.
const QUEUES_MAX: usize = 128;

/// A task that a worker holds from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The task.
    pub id: TaskId,
    /// What it is acknowledged by.
    pub lease: LeaseId,
    /// The job as it was pushed, completed by what the server knows of it.
    pub job: Bytes,
}

/// The next task of these queues, or none within `wait`. Whoever drops this loses nothing: the task goes to the next worker.
pub(crate) async fn fetch(
    shared: &Arc<Shared>,
    owner: &Owner,
    queues: &[&str],
    wait: Duration,
) -> Result<Option<Leased>, TasksError> {
    let end = Instant::now() + wait;
    // Workers ask again at once: those that came while the files are mended wait for that as they wait for a task.
    if timeout(wait, shared.healthy()).await.is_err() {
        shared.check()?;
    }
    if queues.is_empty() || queues.len() > QUEUES_MAX {
        return Err(TasksError::Invalid(format!("fetch names 1 to {QUEUES_MAX} queues")));
    }
    let queues: Vec<Arc<str>> = queues.iter().map(|queue| Arc::from(*queue)).collect();
    while let Some(taken) = take(shared, owner, &queues, end).await {
        // A task that was deleted as it was handed out is nothing to its worker: there may be another one.
        if let Some(leased) = complete(shared, taken).await? {
            return Ok(Some(leased));
        }
    }
    Ok(None)
}

async fn take<'a>(shared: &'a Shared, owner: &Owner, queues: &[Arc<str>], until: Instant) -> Option<Taken<'a>> {
    let (send, receive) = oneshot::channel();
    let taken = shared.change(|state, now_ms| {
        state.take(now_ms, owner, queues).ok_or_else(|| state.wait(owner.clone(), queues.to_vec(), send))
    });
    let handout = match taken {
        Ok(handout) => Some(handout),
        Err(waiter) => Place { shared, waiter, receive }.wait(until).await,
    };
    handout.map(|handout| Taken { shared, handout: Some(handout) })
}

async fn complete(shared: &Arc<Shared>, mut taken: Taken<'_>) -> Result<Option<Leased>, TasksError> {
    let Some(Handout { id, lease }) = taken.handout else { return Ok(None) };
    let moment = shared.clock.moment();
    let given = shared.read(|state| state.task(id).map(|task| Given::of(task, moment)));
    let Some(given) = given else { return Ok(None) };
    let (job, given) = read(shared, id, given).await?;
    let Some(job) = job else {
        // Deleted between the two looks, or lost: whoever asks next must not get it too.
        if shared.change(|state, _| state.delete(id)).is_ok() {
            tracing::error!(task = %id, "a task without a job is forgotten: its job was lost with a damaged file");
        }
        return Ok(None);
    };
    taken.handout = None;
    Ok(Some(Leased { id, lease, job: payload::complete(job, &given) }))
}

/// The job of a task, and all of its last failure. What is not in memory may have to wait for the disk, and this thread serves
/// others.
async fn read(shared: &Arc<Shared>, id: TaskId, given: Given) -> Result<(Option<Bytes>, Given), TasksError> {
    if let Some(known) = shared.recent_job(id).filter(|_| !given.has_failed()) {
        return Ok((known, given));
    }
    let shared = Arc::clone(shared);
    let read = move || Ok((shared.job(id)?, given.with_failure(|failure| shared.whole(id, failure))));
    tokio::task::spawn_blocking(read).await.map_err(TasksError::disk)?
}

/// A task on its way to a worker: given back where it does not get there.
struct Taken<'a> {
    shared: &'a Shared,
    handout: Option<Handout>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(handout) = self.handout {
            self.shared.change(|state, now_ms| state.give_back(now_ms, handout));
        }
    }
}

/// A place in the line, given up when it is dropped.
struct Place<'a> {
    shared: &'a Shared,
    waiter: WaiterId,
    receive: oneshot::Receiver<Handout>,
}

impl Place<'_> {
    async fn wait(mut self, until: Instant) -> Option<Handout> {
        let answer = tokio::time::timeout_at(until.into(), &mut self.receive).await;
        answer.ok()?.ok()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.receive.close();
        // Answered in the moment in which the worker left, or left alone.
        let unread = self.receive.try_recv().ok();
        self.shared.change(|state, now_ms| match unread {
            Some(handout) => state.give_back(now_ms, handout),
            None => state.leave(self.waiter),
        });
    }
}
