use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// The small queue's share of the budget. More of it helps workloads in which an entry's reads come late after its
    /// first write; less of it resists scans better.
    #[schemars(range(min = 1, max = 90))]
    pub small_percent: u8,
    /// Length of the ghost queue, as a share of the main queue. A longer one remembers entries that come back later and
    /// takes more of the instance's memory.
    #[schemars(range(min = 0, max = 400))]
    pub ghost_percent: u16,
    /// Hits in the small queue that take an entry to the main queue. One is for workloads with few repeated reads.
    #[schemars(range(min = 1, max = 3))]
    pub promotion_hits: u8,
    /// Whether an empty cache fills the main queue too, until the first eviction. Off: everything goes through the
    /// small queue from the start, which judges the first entries more strictly.
    pub fill_main: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { small_percent: 10, ghost_percent: 100, promotion_hits: 2, fill_main: true }
    }
}

impl Configuration {
    /// Holds each value against its range.
    pub(crate) fn check(&self) -> Result<(), String> {
        let within = |key: &str, value: u16, range: std::ops::RangeInclusive<u16>| {
            if range.contains(&value) {
                return Ok(());
            }
            Err(format!(
                "configuration key {key:?} has the value {value}: expected {} to {}",
                range.start(),
                range.end()
            ))
        };
        within("small_percent", self.small_percent.into(), 1..=90)?;
        within("ghost_percent", self.ghost_percent, 0..=400)?;
        within("promotion_hits", self.promotion_hits.into(), 1..=3)
    }
}
