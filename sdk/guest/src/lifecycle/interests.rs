use crate::bindings::exports::switchyard::lifecycle::lifecycle;

/// What a strategy wants to be told. The host pays for nothing that nobody reads.
///
/// ```
/// use switchyard_sdk::lifecycle::Interests;
///
/// const INTERESTS: Interests = Interests::NONE.with_hits().with_tick_ms(1_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interests {
    hits: bool,
    misses: bool,
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
    pub const NONE: Self = Self { hits: false, misses: false, keys: false, batch: Self::BATCH_MAX, tick_ms: None };

    /// Also reads that found something.
    pub const fn with_hits(self) -> Self {
        Self { hits: true, ..self }
    }

    /// Also reads that found nothing.
    pub const fn with_misses(self) -> Self {
        Self { misses: true, ..self }
    }

    /// Also the key's bytes of an entry that asks to be kept.
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
        self.hits
    }

    /// Whether misses are told.
    pub const fn misses(&self) -> bool {
        self.misses
    }

    /// Whether keys are told.
    pub const fn keys(&self) -> bool {
        self.keys
    }

    /// Events in a batched call.
    pub const fn batch(&self) -> u32 {
        self.batch
    }

    /// Stops the build of a plugin that its host would refuse.
    pub(super) const fn check(&self) {
        assert!(self.batch >= 1 && self.batch <= Self::BATCH_MAX, "INTERESTS: batch must be 1 to 256");
        if let Some(tick_ms) = self.tick_ms {
            assert!(tick_ms >= Self::TICK_MS_MIN, "INTERESTS: tick_ms must be 10 or more");
        }
    }

    pub(super) fn describe(&self) -> lifecycle::Interests {
        let events = [("hit", self.hits), ("miss", self.misses)];
        lifecycle::Interests {
            events: events.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| (*name).to_owned()).collect(),
            batch: self.batch,
            tick_ms: self.tick_ms,
            measures: Vec::new(),
            keys: self.keys,
            dense_scores: false,
        }
    }
}
