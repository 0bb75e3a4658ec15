use wasmtime::component::{ComponentType, Lift, Lower};

/// A task may wait at most so long before it runs, in milliseconds: a year.
pub const DELAY_MS_MAX: u64 = 365 * 24 * 3_600 * 1_000;
/// Tasks that are ranked anew after one tick.
pub const RANKED_MAX: usize = 1_024;
/// Bytes of the sentence with which a task is refused.
pub const REASON_BYTES_MAX: usize = 200;

/// A task as a strategy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Task {
    /// The queue's own number of it; a later task has a higher one.
    pub id: u64,
    /// 1 to 9, 9 being the most urgent.
    pub priority: u8,
    /// A number for who asked; 0: nobody in particular.
    pub tenant: u32,
    /// Workers that it takes at once.
    pub width: u32,
    /// How long it is expected to run, in milliseconds.
    #[component(name = "estimate-ms")]
    pub estimate_ms: Option<u64>,
    /// When it should be done, by the engine's clock, in milliseconds.
    #[component(name = "deadline-ms")]
    pub deadline_ms: Option<u64>,
    /// How often it has failed.
    pub attempt: u32,
    /// When it was accepted, by the engine's clock, in milliseconds.
    #[component(name = "accepted-ms")]
    pub accepted_ms: u64,
}

/// The queue beside a task that is offered to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(record)]
pub struct QueueView {
    /// Tasks that could run now.
    pub waiting: u64,
    /// Tasks that wait for their time.
    pub delayed: u64,
    /// Tasks that workers hold.
    pub leased: u64,
}

/// Where an accepted task stands.
#[derive(Debug, Clone, Copy, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Placement {
    /// The lowest runs first, of equal ones the one that was accepted first. Finite.
    pub rank: f64,
    /// How long it waits before it may run, in milliseconds, at most [`DELAY_MS_MAX`].
    #[component(name = "delay-ms")]
    pub delay_ms: u64,
}

/// Whether a task is taken.
#[derive(Debug, Clone, PartialEq, ComponentType, Lift)]
#[component(variant)]
pub enum Verdict {
    /// It is, and stands here.
    #[component(name = "accept")]
    Accept(Placement),
    /// It is not; the sentence is for whoever pushed it.
    #[component(name = "refuse")]
    Refuse(String),
}

/// Why a task came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum Failure {
    /// The worker said so.
    #[component(name = "failed")]
    Failed,
    /// The lease ran out.
    #[component(name = "lost")]
    Lost,
}

/// What becomes of a task that has failed.
#[derive(Debug, Clone, Copy, PartialEq, ComponentType, Lift)]
#[component(variant)]
pub enum Retry {
    /// Again, with this placement.
    #[component(name = "again")]
    Again(Placement),
    /// It goes to the dead letters.
    #[component(name = "give-up")]
    GiveUp,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum EventKind {
    /// A worker has taken a task.
    #[component(name = "started")]
    Started,
    /// A task was acknowledged.
    #[component(name = "done")]
    Done,
    /// A task is gone without having been run.
    #[component(name = "removed")]
    Removed,
    /// A task stands in the queue of which the instance was not asked.
    #[component(name = "placed")]
    Placed,
}

/// One thing that happened in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Event {
    /// Of the task.
    pub id: u64,
    /// Of the task.
    pub tenant: u32,
    /// Of the task.
    pub width: u32,
    /// What happened to it.
    pub kind: EventKind,
    /// `Started`: how long it had waited; `Done`: how long it ran. In milliseconds.
    #[component(name = "took-ms")]
    pub took_ms: u64,
}

/// A task that the queue holds, for an instance that takes over.
#[derive(Debug, Clone, Copy, PartialEq, ComponentType, Lower)]
#[component(record)]
pub struct Resident {
    /// The task.
    pub task: Task,
    /// Where it stands.
    pub rank: f64,
    /// When it may run, by the engine's clock, in milliseconds.
    #[component(name = "due-ms")]
    pub due_ms: u64,
    /// A worker holds it.
    pub leased: bool,
}

/// A queue since the last tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(record)]
pub struct Load {
    /// Now.
    pub waiting: u64,
    /// Now.
    pub delayed: u64,
    /// Now.
    pub leased: u64,
    /// Since the last tick.
    pub accepted: u64,
    /// Since the last tick.
    pub done: u64,
    /// Since the last tick.
    pub failed: u64,
}

/// What the active strategy wants to be told: the engine buffers nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// Events of tasks that a worker has taken.
    pub started: bool,
    /// Events of tasks that were acknowledged.
    pub done: bool,
    /// How many events make a batch; 0: no strategy is active and nothing is buffered.
    pub batch: usize,
}
