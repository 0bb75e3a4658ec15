use serde::{Deserialize, Serialize};

use crate::Size;

/// What one strategy did with one trace in a cache of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The trace's file as it was named.
    pub trace: String,
    /// The strategy as it was named.
    pub strategy: String,
    /// The cache's size as it was given.
    pub size: Size,
    /// Into how many shards it was split.
    pub shards: usize,
    /// Requests of the trace, all of them.
    pub requests: u64,
    /// Of these, the ones that found their object.
    pub hits: u64,
    /// Hits by requests, from 0 to 1.
    pub hit_ratio: f64,
}
