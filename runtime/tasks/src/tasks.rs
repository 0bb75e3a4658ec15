use std::{sync::Arc, thread::JoinHandle, time::Duration};

use bytes::Bytes;
use switchyard_host::{Host, scheduling::SchedulingSlot};

use crate::{
    LeaseId, Leased, QueueFigures, TaskId, TaskState, TaskView, TasksConfig, TasksError, TasksFigures,
    clock::{Moment, wall_ms},
    decide::{self, Arrived},
    fetch,
    job::{self, Job},
    owner::Owner,
    shared::Shared,
    state::{Claim, Filter, Handout, Ticket},
    task::{Failure, cut},
    workers::Workers,
    writer,
};

/// Bytes of a message or a class of error that are kept: Faktory's bounds, and a little more for other alphabets.
const MESSAGE_BYTES_MAX: usize = 2_000;
const KIND_BYTES_MAX: usize = 200;
/// Lines of a backtrace that are kept: Faktory's bound.
const BACKTRACE_LINES_MAX: usize = 50;
/// Bytes of one line of a backtrace that are kept.
const BACKTRACE_LINE_BYTES_MAX: usize = 500;

/// Jobs of one push that are offered before others have their turn.
const OFFERS_AT_ONCE: usize = 64;

/// The tasks: a handle that is cheap to clone. A method that changes something returns when the change is as safe as the
/// durability says.
#[derive(Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    config: TasksConfig,
    writer: Option<JoinHandle<()>>,
}

/// Which tasks a list has.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Only those of this queue.
    pub queue: Option<String>,
    /// Only those in this state.
    pub state: Option<TaskState>,
    /// Only those after this one.
    pub after: Option<TaskId>,
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks").field("path", &self.inner.config.path).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// What was changed is written before the last handle is gone.
    fn drop(&mut self) {
        self.shared.close();
        if let Some(writer) = self.writer.take() {
            // A panic there has been reported, and there is nothing left to do.
            let _ = writer.join();
        }
    }
}

impl Tasks {
    /// Opens the file, or makes it, and takes up where it was left; the fallback decides until the slot gets a strategy. Blocks
    /// while it reads.
    pub fn open(host: &Host, config: TasksConfig) -> Result<Self, TasksError> {
        let shared = Shared::new(host, &config);
        shared.open_files()?;
        Self::start(shared, config)
    }

    /// As [`Tasks::open`], and where the files cannot be opened, they are tried until they can: everybody is told so
    /// meanwhile.
    pub fn open_in_time(host: &Host, config: TasksConfig) -> Result<Self, TasksError> {
        let shared = Shared::new(host, &config);
        if let Err(error) = shared.open_files() {
            shared.fail(&error);
        }
        Self::start(shared, config)
    }

    fn start(shared: Arc<Shared>, config: TasksConfig) -> Result<Self, TasksError> {
        let writer = Some(writer::start(Arc::clone(&shared))?);
        Ok(Self { inner: Arc::new(Inner { shared, config, writer }) })
    }

    /// Where strategies are swapped.
    pub fn slot(&self) -> &SchedulingSlot {
        &self.shared().slot
    }

    /// What they were opened with.
    pub fn config(&self) -> &TasksConfig {
        &self.inner.config
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.shared().workers
    }

    /// Takes a job of the Faktory work protocol: a JSON object with `jid`, `jobtype` and `args`.
    pub async fn push(&self, job: Bytes) -> Result<TaskId, TasksError> {
        let arrived = self.offer(job)?;
        self.arrive(arrived).await
    }

    /// Takes jobs, each for itself; all of them share one wait.
    pub async fn push_all(&self, jobs: Vec<Bytes>) -> Result<Vec<Result<TaskId, TasksError>>, TasksError> {
        let mut offered: Vec<Result<Arrived, TasksError>> = Vec::with_capacity(jobs.len());
        for (index, job) in jobs.into_iter().enumerate() {
            // The strategy is asked about each, and this thread serves others.
            if index % OFFERS_AT_ONCE == OFFERS_AT_ONCE - 1 {
                // Nobody comes back here if the client leaves now.
                if let Some(ticket) = offered.iter().flatten().map(|arrived| arrived.ticket).max() {
                    self.shared().hasten(ticket);
                }
                tokio::task::yield_now().await;
            }
            offered.push(self.offer(job));
        }
        let last = offered.iter().flatten().map(|arrived| arrived.ticket).max();
        if let Some(ticket) = last {
            // What it came to is asked for each.
            let _ = self.shared().safe(ticket).await;
        }
        let mut results = Vec::with_capacity(offered.len());
        for arrived in offered {
            results.push(match arrived {
                Ok(arrived) => self.arrive(arrived).await,
                Err(error) => Err(error),
            });
        }
        Ok(results)
    }

    /// Waits until a task is safe. What is not is taken back: whoever pushed it hears of an error, and pushes it again.
    async fn arrive(&self, Arrived { id, ticket }: Arrived) -> Result<TaskId, TasksError> {
        match self.shared().safe(ticket).await {
            Err(error) if self.shared().change(|state, _| state.withdraw(id)) => Err(error),
            _ => Ok(id),
        }
    }

    fn offer(&self, payload: Bytes) -> Result<Arrived, TasksError> {
        self.shared().check()?;
        let bytes_max = self.config().job_bytes_max;
        if payload.len() > bytes_max {
            return Err(TasksError::TooLarge { bytes_max });
        }
        decide::offer(self.shared(), Job::parse(&payload)?, &payload)
    }

    /// The next task of the first of these queues that has one; none within `wait`.
    pub async fn fetch(&self, worker: &str, queues: &[&str], wait: Duration) -> Result<Option<Leased>, TasksError> {
        fetch::fetch(self.shared(), &Owner::from(worker), queues, wait).await
    }

    pub(crate) async fn fetch_for(
        &self,
        owner: &Owner,
        queues: &[&str],
        wait: Duration,
    ) -> Result<Option<Leased>, TasksError> {
        fetch::fetch(self.shared(), owner, queues, wait).await
    }

    /// The task is done and forgotten. An error where this lease has ended.
    pub async fn acknowledge(&self, id: TaskId, lease: LeaseId) -> Result<(), TasksError> {
        let held = self
            .settle(|shared| {
                shared.change_waited(|state, now_ms| {
                    state.acknowledge(Moment { now_ms, wall_ms: wall_ms() }, Claim::Lease(id, lease))
                })
            })
            .await?;
        if held { Ok(()) } else { Err(TasksError::NotHeld(id.to_string())) }
    }

    /// The task has failed. An error where this lease has ended.
    pub async fn fail(&self, id: TaskId, lease: LeaseId, kind: &str, message: &str) -> Result<(), TasksError> {
        let failure = failure(kind, message, Vec::new());
        let held = self.settle(|shared| decide::fail(shared, Claim::Lease(id, lease), failure)).await?;
        if held { Ok(()) } else { Err(TasksError::NotHeld(id.to_string())) }
    }

    /// Takes back a task that its worker never got.
    pub(crate) fn give_back(&self, id: TaskId, lease: LeaseId) {
        self.shared().change(|state, now_ms| state.give_back(now_ms, Handout { id, lease }));
    }

    /// As a worker of the Faktory protocol says it. False: it does not hold the job (any more).
    pub(crate) async fn acknowledge_job(&self, owner: &Owner, jid: &str) -> Result<bool, TasksError> {
        self.settle(|shared| {
            shared.change_waited(|state, now_ms| {
                state.acknowledge(Moment { now_ms, wall_ms: wall_ms() }, Claim::Job { owner, jid })
            })
        })
        .await
    }

    pub(crate) async fn fail_job(
        &self,
        owner: &Owner,
        jid: &str,
        (kind, message): (&str, &str),
        backtrace: Vec<String>,
    ) -> Result<bool, TasksError> {
        let failure = failure(kind, message, backtrace);
        self.settle(|shared| decide::fail(shared, Claim::Job { owner, jid }, failure)).await
    }

    /// Changes something, and waits until it is safe where it was changed.
    async fn settle(&self, change: impl FnOnce(&Shared) -> Option<Ticket>) -> Result<bool, TasksError> {
        self.shared().check()?;
        match change(self.shared()) {
            Some(ticket) => self.shared().safe(ticket).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Up to `limit` tasks in the order in which they were accepted, without their jobs; and the task after which the list
    /// goes on, if it does. A page may be short and still have a next one.
    pub fn list(&self, filter: TaskFilter, limit: usize) -> (Vec<TaskView>, Option<TaskId>) {
        let TaskFilter { queue, state, after } = filter;
        let moment = self.shared().clock.moment();
        self.shared().read(|tasks| {
            let (found, next) = tasks.list(&Filter { queue, state, after, limit });
            (found.into_iter().filter_map(|task| TaskView::of(task, moment)).collect(), next)
        })
    }

    /// A task with its job.
    pub fn get(&self, id: TaskId) -> Result<TaskView, TasksError> {
        let moment = self.shared().clock.moment();
        let view = self.shared().read(|state| state.task(id).and_then(|task| TaskView::of(task, moment)));
        let view = view.ok_or(TasksError::NotFound(id))?;
        // Acknowledged between the two looks: then it is gone.
        let job = self.shared().job(id)?.ok_or(TasksError::NotFound(id))?;
        let failure = view.failure.map(|failure| self.shared().whole(id, failure));
        Ok(TaskView { failure, job: Some(serde_json::from_slice(&job).map_err(TasksError::disk)?), ..view })
    }

    /// Has a dead or delayed task run now; a dead one has all its attempts again.
    pub async fn retry(&self, id: TaskId) -> Result<(), TasksError> {
        self.shared().check()?;
        let ticket = self.shared().change(|state, now_ms| state.retry(now_ms, id))?;
        self.shared().safe(ticket).await
    }

    /// Forgets a task. A worker that holds it finds out when it acknowledges.
    pub async fn delete(&self, id: TaskId) -> Result<(), TasksError> {
        self.shared().check()?;
        let ticket = self.shared().change(|state, _| state.delete(id))?;
        self.shared().safe(ticket).await
    }

    /// Forgets every task, or every task of one queue.
    pub async fn clear(&self, queue: Option<&str>) -> Result<(), TasksError> {
        self.shared().check()?;
        let mut after = None;
        loop {
            let (next, ticket) = self.shared().change(|state, _| (state.clear(queue, after), state.last_ticket()));
            self.shared().safe(ticket).await?;
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Has a queue hand nothing out, or hand out again. It still takes tasks. One that is paused before its first task comes
    /// is made.
    pub async fn pause(&self, queue: &str, paused: bool) -> Result<(), TasksError> {
        self.shared().check()?;
        job::check_queue(queue)?;
        let ticket = self.shared().change(|state, now_ms| state.pause(now_ms, queue, paused))?;
        self.shared().safe(ticket).await
    }

    /// What the tasks are, and what they have done.
    pub fn figures(&self) -> TasksFigures {
        let (queues, totals, events_dropped, objectives) = self
            .shared()
            .read(|state| (state.queue_figures(), state.totals, state.events.dropped(), state.objectives.clone()));
        let mut figures = TasksFigures {
            queues: queues.into_iter().collect::<std::collections::BTreeMap<Arc<str>, QueueFigures>>(),
            pushed: totals.pushed,
            done: totals.done,
            failed: totals.failed,
            lost: totals.lost,
            discarded: totals.discarded,
            late: totals.late,
            dead_dropped: totals.buried_dropped,
            refused: totals.refused,
            events_dropped,
            objectives,
            storage_failed: self.shared().check().is_err(),
            ..TasksFigures::default()
        };
        self.shared().counters.fill(&mut figures);
        figures
    }
}

/// What a worker said, as much of it as is kept.
fn failure(kind: &str, message: &str, mut backtrace: Vec<String>) -> Failure {
    let named = |text: &str, bytes_max| match text.trim() {
        "" => "unknown".to_owned(),
        text => cut(text, bytes_max).to_owned(),
    };
    backtrace.truncate(BACKTRACE_LINES_MAX);
    for line in &mut backtrace {
        line.truncate(cut(line, BACKTRACE_LINE_BYTES_MAX).len());
    }
    Failure {
        failed_at_ms: wall_ms(),
        kind: named(kind, KIND_BYTES_MAX),
        message: named(message, MESSAGE_BYTES_MAX),
        backtrace,
    }
}
