use super::{Load, Resident};

/// What a slot reads from the scores that an engine keeps: they are the truth, instances only mirror them.
///
/// Implementations take their own lock for a moment and never call back into the slot: a slot calls them with its shard's
/// instance locked.
pub trait ScoreTable: Send + Sync + 'static {
    /// Milliseconds of the engine's monotonic clock.
    fn now_ms(&self) -> u64;

    /// Appends the last scores.
    fn residents(&self, into: &mut Vec<Resident>);

    /// Figures since the last call.
    fn load(&self) -> Load;
}
