use super::{Event, Load, Resident, Task};

/// What a slot reads from a queue: the queue is the truth, instances only mirror it.
///
/// Implementations take their own lock for a moment and never call back into the slot: a slot calls them with its shard's
/// instance locked.
pub trait QueueTable: Send + Sync + 'static {
    /// Milliseconds of the engine's monotonic clock.
    fn now_ms(&self) -> u64;

    /// Moves up to `max` buffered events into `into`, in the order in which they happened.
    fn drain(&self, shard: usize, max: usize, into: &mut Vec<Event>);

    /// Appends one slice of the tasks that wait, are delayed or leased, and says where the next begins; none: that was the
    /// last. A slice holds the queue's lock for at most 100 µs. A task that is there during the whole walk is seen at least
    /// once.
    fn residents(&self, shard: usize, cursor: Option<usize>, into: &mut Vec<Resident>) -> Option<usize>;

    /// Figures since the last call.
    fn load(&self, shard: usize) -> Load;

    /// Another instance decides from now on. Its ranks do not compare with those of the one before it: what that one has placed
    /// runs first, until it is ranked anew.
    fn took_over(&self, shard: usize);

    /// Appends up to `max` of the waiting tasks that the present instance has not placed, those that stand last first. Of
    /// those that are not ranked yet the first ones still run first.
    fn unranked(&self, shard: usize, max: usize, into: &mut Vec<Task>);

    /// Appends up to `max` of the waiting tasks, the next ones at every call, round and round; fewer at the end of a round.
    fn ranked(&self, shard: usize, max: usize, into: &mut Vec<Task>);

    /// New ranks for tasks, by the present instance; those that no longer wait are left alone.
    fn rerank(&self, shard: usize, tasks: &[Task], ranks: &[f64]);
}
