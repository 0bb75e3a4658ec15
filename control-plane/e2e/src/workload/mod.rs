//! What is asked of a cache: a recorded trace, or a generated one that says so.

mod generated;

use std::{collections::HashSet, path::Path};

use anyhow::{Result, ensure};
use switchyard_replay::TraceReader;

/// A workload is held in memory while it runs, 9 bytes a request.
const REQUESTS_MAX: usize = 100_000_000;

/// Ids in the order in which they are asked for.
#[derive(Debug, Clone)]
pub struct Workload {
    /// What to call it.
    pub name: String,
    /// One a request.
    pub ids: Vec<u64>,
    /// How many of them are different.
    pub unique: usize,
}

impl Workload {
    /// A trace; sizes are left aside.
    pub fn recorded(trace: &Path) -> Result<Self> {
        let mut ids = Vec::new();
        for request in TraceReader::open(trace)? {
            ensure!(ids.len() < REQUESTS_MAX, "{}: more than {REQUESTS_MAX} requests", trace.display());
            ids.push(request?.id);
        }
        Ok(Self::new(trace.display().to_string(), ids))
    }

    /// Made from a seed: the same seed gives the same requests.
    pub fn generated(seed: u64) -> Self {
        Self::new(format!("generated workload, seed {seed}"), generated::ids(seed))
    }

    fn new(name: String, ids: Vec<u64>) -> Self {
        let unique = ids.iter().collect::<HashSet<_>>().len();
        Self { name, ids, unique }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_workload() {
        let (one, same, other) = (Workload::generated(1), Workload::generated(1), Workload::generated(2));
        assert_eq!(one.ids, same.ids);
        assert_ne!(one.ids, other.ids);
        assert!(one.unique > 50_000 && one.unique < one.ids.len() / 2, "{}", one.unique);
    }
}
