use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;
use switchyard_types::Figure;

use crate::disk::Damage;

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

/// Tasks by what they wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Tasks that could run now.
    pub waiting: u64,
    /// Tasks that wait for their time.
    pub delayed: u64,
    /// Tasks that workers hold.
    pub leased: u64,
    /// Dead letters.
    pub dead: u64,
}

/// What the tasks are, and what they have done since the start.
#[derive(Debug, Clone, Default)]
pub struct TasksFigures {
    /// By name of the queue.
    pub queues: BTreeMap<Arc<str>, QueueFigures>,
    /// Tasks accepted; this and what follows also of queues that are gone.
    pub pushed: u64,
    /// Tasks acknowledged.
    pub done: u64,
    /// Failures, lost leases included.
    pub failed: u64,
    /// Leases that ended without a word.
    pub lost: u64,
    /// Failed tasks that wanted to be forgotten.
    pub discarded: u64,
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
    /// Batches of changes that were in the log and could not be read when the file was opened.
    pub damaged_batches: u64,
    /// Tasks of which later batches spoke and whose jobs were lost with those.
    pub damaged_tasks: u64,
    /// The files cannot be written, and nothing is taken or given until they can.
    pub storage_failed: bool,
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
    /// What all queues together hold.
    pub fn held(&self) -> Held {
        self.queues.values().fold(Held::default(), |held, queue| Held {
            waiting: held.waiting + queue.waiting,
            delayed: held.delayed + queue.delayed,
            leased: held.leased + queue.leased,
            dead: held.dead + queue.dead,
        })
    }

    /// Each by its name in the node's status and metrics, all queues together: `tasks.waiting` and so on.
    pub fn list(&self) -> Vec<Figure> {
        let held = self.held();
        let counters = [
            ("tasks.pushed", "{task}", "Tasks accepted", self.pushed),
            ("tasks.done", "{task}", "Tasks acknowledged", self.done),
            ("tasks.failed", "{failure}", "Failures, lost leases included", self.failed),
            ("tasks.lost", "{failure}", "Leases that ended without a word", self.lost),
            ("tasks.discarded", "{task}", "Failed tasks that wanted to be forgotten", self.discarded),
            ("tasks.late", "{task}", "Answers of workers that no longer held the task", self.late),
            ("tasks.dead_dropped", "{task}", "Dead letters that were too many or too old", self.dead_dropped),
            ("tasks.refused", "{task}", "Tasks that the strategy did not take", self.refused),
            ("tasks.events_dropped", "{event}", "Events that a slow strategy was not told", self.events_dropped),
            ("tasks.commits", "{write}", "Writes, each of many changes", self.commits),
            ("tasks.damaged_batches", "{batch}", "Batches of the log that could not be read", self.damaged_batches),
            ("tasks.damaged_tasks", "{task}", "Tasks whose jobs were lost with them", self.damaged_tasks),
            ("tasks.connections_refused", "{connection}", "Clients over the bound", self.connections_refused),
            ("tasks.connections_cut", "{connection}", "Clients cut off for what they did", self.connections_cut),
            ("tasks.commands", "{command}", "Commands carried out", self.commands),
        ];
        let gauges = [
            ("tasks.waiting", "{task}", "Tasks that could run now", held.waiting),
            ("tasks.delayed", "{task}", "Tasks that wait for their time", held.delayed),
            ("tasks.leased", "{task}", "Tasks that workers hold", held.leased),
            ("tasks.dead", "{task}", "Dead letters", held.dead),
            ("tasks.connections", "{connection}", "Clients", self.connections),
            (
                "tasks.storage_failed",
                "{failure}",
                "1: the files cannot be written or opened",
                u64::from(self.storage_failed),
            ),
        ];
        let counter = |(name, unit, text, count)| Figure::counter(name, unit, text, count as f64);
        let gauge = |(name, unit, text, count)| Figure::gauge(name, unit, text, count as f64);
        counters.map(counter).into_iter().chain(gauges.map(gauge)).collect()
    }
}

/// What the listener and the writer count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) damaged_batches: AtomicU64,
    pub(crate) damaged_tasks: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) commands: AtomicU64,
}

impl Counters {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_damage(&self, damage: Damage) {
        self.damaged_batches.fetch_add(damage.batches, Ordering::Relaxed);
        self.damaged_tasks.fetch_add(damage.tasks, Ordering::Relaxed);
    }

    pub(crate) fn fill(&self, figures: &mut TasksFigures) {
        figures.commits = self.commits.load(Ordering::Relaxed);
        figures.damaged_batches = self.damaged_batches.load(Ordering::Relaxed);
        figures.damaged_tasks = self.damaged_tasks.load(Ordering::Relaxed);
        figures.connections = self.connections.load(Ordering::Relaxed);
        figures.connections_refused = self.refused.load(Ordering::Relaxed);
        figures.connections_cut = self.cut.load(Ordering::Relaxed);
        figures.commands = self.commands.load(Ordering::Relaxed);
    }
}
