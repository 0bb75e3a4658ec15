use std::collections::BTreeSet;

use switchyard_host::scheduling::QueueView;

use crate::{TaskId, place::Place};

/// What one queue holds and has done.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// All of its tasks, also those on their way in.
    pub(super) tasks: u64,
    /// What could run now: the lowest place first, then the one that was accepted first.
    pub(super) waiting: BTreeSet<(Place, TaskId)>,
    pub(super) delayed: u64,
    pub(super) leased: u64,
    pub(super) dead: u64,
    /// Where the strategy has put a task last.
    pub(super) given: Option<Place>,
    /// It hands nothing out.
    pub(super) paused: bool,
    pub(super) pushed: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) lost: u64,
    pub(super) discarded: u64,
}

impl Queue {
    /// As a strategy sees it.
    pub(super) fn view(&self) -> QueueView {
        QueueView { waiting: self.waiting.len() as u64, delayed: self.delayed, leased: self.leased }
    }
}
