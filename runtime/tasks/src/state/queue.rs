use std::collections::BTreeSet;

use crate::{TaskId, rank::Rank};

/// What one queue holds and has done.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// All of its tasks, also those on their way in.
    pub(super) tasks: u64,
    /// What could run now: the lowest rank first, then the one that was accepted first.
    pub(super) waiting: BTreeSet<(Rank, TaskId)>,
    pub(super) delayed: u64,
    pub(super) leased: u64,
    pub(super) dead: u64,
    /// It hands nothing out.
    pub(super) paused: bool,
    pub(super) pushed: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) lost: u64,
    pub(super) discarded: u64,
}
