use super::{Backend, Load, Outcome, Resident};

/// What a slot reads from a route: the route is the truth, instances only mirror it.
///
/// Implementations take their own lock for a moment and never call back into the slot: a slot calls them with its shard's
/// instance locked.
pub trait RouteTable: Send + Sync + 'static {
    /// Milliseconds of the engine's monotonic clock.
    fn now_ms(&self) -> u64;

    /// Appends the route's backends, at most [`CANDIDATES_MAX`](super::CANDIDATES_MAX).
    fn backends(&self, into: &mut Vec<Backend>);

    /// Moves up to `max` buffered outcomes into `into`, in the order in which they happened.
    fn drain(&self, shard: usize, max: usize, into: &mut Vec<Outcome>);

    /// Appends what is known of every backend.
    fn residents(&self, into: &mut Vec<Resident>);

    /// Figures since the last call.
    fn load(&self, shard: usize) -> Load;
}
