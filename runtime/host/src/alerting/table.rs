use super::{Alert, Load};

/// What a slot reads from the alerts of a group of rules: they are the truth, instances only mirror them.
///
/// Implementations take their own lock for a moment and never call back into the slot: a slot calls them with its shard's
/// instance locked.
pub trait AlertTable: Send + Sync + 'static {
    /// Milliseconds of the engine's monotonic clock.
    fn now_ms(&self) -> u64;

    /// Appends the alerts of a shard that are pending or firing.
    fn residents(&self, shard: usize, into: &mut Vec<Alert>);

    /// Figures since the last call.
    fn load(&self, shard: usize) -> Load;
}
