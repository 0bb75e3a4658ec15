use crate::bindings::lifecycle::exports::switchyard::lifecycle::lifecycle;

/// The optional events of all kinds, as the contract names them; the constants below are their places.
const EVENTS: [&str; 6] = ["hit", "miss", "outcome", "started", "done", "rank"];
const HIT: u8 = 0;
const MISS: u8 = 1;
const OUTCOME: u8 = 2;
const STARTED: u8 = 3;
const DONE: u8 = 4;
const RANK: u8 = 5;

/// What a strategy wants to be told. The host pays for nothing that nobody reads.
///
/// ```
/// use switchyard_sdk::lifecycle::Interests;
///
/// const INTERESTS: Interests = Interests::NONE.with_hits().with_tick_ms(1_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interests {
    /// A bit for each of [`EVENTS`].
    events: u8,
    keys: bool,
    batch: u32,
    tick_ms: Option<u32>,
}

impl Interests {
    /// Events that one call can carry.
    pub const BATCH_MAX: u32 = 256;
    /// A shorter period would be work for its own sake.
    pub const TICK_MS_MIN: u32 = 10;

    /// Only what is always told, in the largest batches.
    pub const NONE: Self = Self { events: 0, keys: false, batch: Self::BATCH_MAX, tick_ms: None };

    /// Caching: also reads that found something.
    pub const fn with_hits(self) -> Self {
        self.with(HIT)
    }

    /// Caching: also reads that found nothing.
    pub const fn with_misses(self) -> Self {
        self.with(MISS)
    }

    /// Routing: how tries have ended.
    pub const fn with_outcomes(self) -> Self {
        self.with(OUTCOME)
    }

    /// Scheduling: tasks that a worker has taken.
    pub const fn with_started(self) -> Self {
        self.with(STARTED)
    }

    /// Scheduling: tasks that were acknowledged.
    pub const fn with_done(self) -> Self {
        self.with(DONE)
    }

    /// Scheduling: waiting tasks are ranked anew after every tick.
    pub const fn with_ranks(self) -> Self {
        self.with(RANK)
    }

    const fn with(self, event: u8) -> Self {
        Self { events: self.events | 1 << event, ..self }
    }

    const fn has(&self, event: u8) -> bool {
        self.events & 1 << event != 0
    }

    /// Caching: also the key's bytes of an entry that asks to be kept. Routing: the request's path.
    pub const fn with_keys(self) -> Self {
        Self { keys: true, ..self }
    }

    /// How many events a batched call should carry, 1 to 256: fewer make the strategy's view younger and dearer.
    pub const fn with_batch(self, batch: u32) -> Self {
        Self { batch, ..self }
    }

    /// How often `tick` is wanted, 10 ms or more.
    pub const fn with_tick_ms(self, tick_ms: u32) -> Self {
        Self { tick_ms: Some(tick_ms), ..self }
    }

    /// Whether hits are told.
    pub const fn hits(&self) -> bool {
        self.has(HIT)
    }

    /// Whether misses are told.
    pub const fn misses(&self) -> bool {
        self.has(MISS)
    }

    /// Whether outcomes are told.
    pub const fn outcomes(&self) -> bool {
        self.has(OUTCOME)
    }

    /// Whether it is told that a task was taken.
    pub const fn started(&self) -> bool {
        self.has(STARTED)
    }

    /// Whether it is told that a task was acknowledged.
    pub const fn done(&self) -> bool {
        self.has(DONE)
    }

    /// Whether waiting tasks are ranked anew.
    pub const fn ranks(&self) -> bool {
        self.has(RANK)
    }

    /// Whether keys are told.
    pub const fn keys(&self) -> bool {
        self.keys
    }

    /// Events in a batched call.
    pub const fn batch(&self) -> u32 {
        self.batch
    }

    /// How often ticks are told; none: never.
    pub const fn tick_ms(&self) -> Option<u32> {
        self.tick_ms
    }

    /// Stops the build of a plugin that its host would refuse.
    pub(super) const fn check(&self) {
        assert!(self.batch >= 1 && self.batch <= Self::BATCH_MAX, "INTERESTS: batch must be 1 to 256");
        if let Some(tick_ms) = self.tick_ms {
            assert!(tick_ms >= Self::TICK_MS_MIN, "INTERESTS: tick_ms must be 10 or more");
        }
    }

    pub(super) fn describe(&self) -> lifecycle::Interests {
        let events = (0..).zip(EVENTS).filter(|(event, _)| self.has(*event));
        lifecycle::Interests {
            events: events.map(|(_, name)| name.to_owned()).collect(),
            batch: self.batch,
            tick_ms: self.tick_ms,
            keys: self.keys,
            dense_scores: false,
        }
    }
}
