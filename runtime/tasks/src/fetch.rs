use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    LeaseId, TaskId, TasksError,
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
    shared: &Shared,
    worker: &str,
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
    let worker: Arc<str> = Arc::from(worker);
    let queues: Vec<Arc<str>> = queues.iter().map(|queue| Arc::from(*queue)).collect();
    let (send, receive) = oneshot::channel();
    let taken = shared
        .change(|state, now_ms| state.take(now_ms, &worker, &queues).ok_or_else(|| state.wait(worker, queues, send)));
    let handout = match taken {
        Ok(handout) => Some(handout),
        Err(waiter) => Place { shared, waiter, receive }.wait(end.saturating_duration_since(Instant::now())).await,
    };
    handout.map(|handout| complete(shared, handout)).transpose()
}

fn complete(shared: &Shared, handout: Handout) -> Result<Leased, TasksError> {
    let Handout { id, lease } = handout;
    let moment = shared.clock.moment();
    let given = shared.read(|state| state.task(id).map(|task| Given::of(task, moment)));
    let given = given.map(|given| given.with_failure(|failure| shared.whole(id, failure)));
    match (given, shared.job(id)) {
        (Some(given), Ok(Some(job))) => Ok(Leased { id, lease, job: payload::complete(job, &given) }),
        (None, _) => Err(TasksError::NotFound(id)),
        (Some(_), Ok(None)) => {
            // Deleted between the two looks, or lost: whoever asks next must not get it too.
            if shared.change(|state, _| state.delete(id)).is_ok() {
                tracing::error!(task = %id, "a task without a job is forgotten: its job was lost with a damaged file");
            }
            Err(TasksError::NotFound(id))
        }
        (Some(_), Err(error)) => {
            shared.change(|state, now_ms| state.give_back(now_ms, handout));
            Err(error)
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
    async fn wait(mut self, wait: Duration) -> Option<Handout> {
        let answer = timeout(wait, &mut self.receive).await;
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
