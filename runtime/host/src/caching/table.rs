use super::{Budget, Event, Load, Resident};

/// What a slot reads from the engine's table: the table is the truth, instances only mirror it.
///
/// Implementations take their own shard lock for a moment and never call back into the slot: a slot calls them with its
/// shard's instance locked.
pub trait CacheTable: Send + Sync + 'static {
    /// Milliseconds of the engine's monotonic clock.
    fn now_ms(&self) -> u64;

    /// What the shard may hold.
    fn budget(&self, shard: usize) -> Budget;

    /// Moves up to `max` buffered events into `into`, in the order in which they happened.
    fn drain(&self, shard: usize, max: usize, into: &mut Vec<Event>);

    /// Appends one slice of the shard's residents and says where the next begins; none: that was the last. A slice holds
    /// the shard's lock for at most 100 µs. An entry that is there during the whole walk is seen at least once.
    fn residents(&self, shard: usize, cursor: Option<usize>, into: &mut Vec<Resident>) -> Option<usize>;

    /// Figures since the last call.
    fn load(&self, shard: usize) -> Load;
}
