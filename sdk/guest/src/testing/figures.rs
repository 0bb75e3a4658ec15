/// What a [`super::CacheDriver`] has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Reads.
    pub requests: u64,
    /// Reads that found something.
    pub hits: u64,
    /// Entries that the strategy refused.
    pub refused: u64,
    /// Victims that were not resident: the strategy's view of the table is wrong.
    pub unknown_victims: u64,
    /// Evictions that the driver had to do itself because the strategy named too few victims.
    pub fallback_evictions: u64,
    /// Admitted entries for which room was lacking although fewer victims than `Victims::MAX` had been named.
    pub missing_victims: u64,
}

impl Figures {
    /// Hits among requests, 0 to 1.
    pub fn hit_ratio(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.hits as f64 / self.requests as f64 }
    }
}
