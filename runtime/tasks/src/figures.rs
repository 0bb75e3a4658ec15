use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

/// What a queue holds, and what it has done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct QueueFigures {
    /// Tasks that could run now.
    pub waiting: u64,
    /// Tasks that wait for their time.
    pub delayed: u64,
    /// Tasks that workers hold.
    pub leased: u64,
    /// Dead letters.
    pub dead: u64,
    /// Whether it hands nothing out.
    pub paused: bool,
    /// Tasks accepted.
    pub pushed: u64,
    /// Tasks acknowledged.
    pub done: u64,
    /// Failures, lost leases included.
    pub failed: u64,
    /// Leases that ran out.
    pub lost: u64,
    /// Failed tasks that wanted to be forgotten.
    pub discarded: u64,
}

/// What the tasks are, and what they have done since the start.
#[derive(Debug, Clone, Default)]
pub struct TasksFigures {
    /// By name of the queue.
    pub queues: BTreeMap<Arc<str>, QueueFigures>,
    /// Tasks acknowledged, also of queues that are gone.
    pub done: u64,
    /// Failures, also of queues that are gone.
    pub failed: u64,
    /// Acknowledgements and failures of tasks that their workers no longer held.
    pub late: u64,
    /// Dead letters dropped because there were too many or they were too old.
    pub dead_dropped: u64,
    /// Tasks that the strategy did not take.
    pub refused: u64,
    /// Events that a strategy was not told, because it was too slow.
    pub events_dropped: u64,
    /// Writes to the file: each made many changes safe at once.
    pub commits: u64,
    /// Clients now.
    pub connections: u64,
    /// Clients refused because there were too many.
    pub connections_refused: u64,
    /// Clients cut off because they broke the protocol or its limits, or did not read.
    pub connections_cut: u64,
    /// Commands carried out.
    pub commands: u64,
}

impl TasksFigures {
    /// All queues together.
    pub fn total(&self) -> QueueFigures {
        self.queues.values().fold(QueueFigures::default(), |mut total, queue| {
            total.waiting += queue.waiting;
            total.delayed += queue.delayed;
            total.leased += queue.leased;
            total.dead += queue.dead;
            total.pushed += queue.pushed;
            total.lost += queue.lost;
            total.discarded += queue.discarded;
            total
        })
    }

    /// Every figure by its name, as it stands in a node's status: `tasks.waiting` and so on.
    pub fn named(&self) -> BTreeMap<String, f64> {
        let total = self.total();
        let whole = [
            ("waiting", total.waiting),
            ("delayed", total.delayed),
            ("leased", total.leased),
            ("dead", total.dead),
            ("pushed", total.pushed),
            ("done", self.done),
            ("failed", self.failed),
            ("lost", total.lost),
            ("discarded", total.discarded),
            ("late", self.late),
            ("dead_dropped", self.dead_dropped),
            ("refused", self.refused),
            ("events_dropped", self.events_dropped),
            ("commits", self.commits),
            ("connections", self.connections),
            ("connections_refused", self.connections_refused),
            ("connections_cut", self.connections_cut),
            ("commands", self.commands),
        ];
        whole.into_iter().map(|(name, value)| (format!("tasks.{name}"), value as f64)).collect()
    }
}

/// What the listener and the writer count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) commands: AtomicU64,
}

impl Counters {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fill(&self, figures: &mut TasksFigures) {
        figures.commits = self.commits.load(Ordering::Relaxed);
        figures.connections = self.connections.load(Ordering::Relaxed);
        figures.connections_refused = self.refused.load(Ordering::Relaxed);
        figures.connections_cut = self.cut.load(Ordering::Relaxed);
        figures.commands = self.commands.load(Ordering::Relaxed);
    }
}
