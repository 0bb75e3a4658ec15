use serde::{Deserialize, Serialize};
use switchyard_cache::CacheConfig;
use switchyard_host::caching::{Budget, Unit};

use super::{
    DataFolder,
    checked::{read_checked, write_checked},
};
use crate::{NodeError, config::CACHE_BUDGET};

/// How large the cache is, as far as anybody ever said: a node that is started again without a word about it must not
/// come up with another cache than the one that its strategies ran well in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CacheSize {
    budget: Option<Amount>,
    shards: Option<usize>,
}

/// A budget as it stands in the file: `{"entries":10000}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Amount {
    Entries(u64),
    Bytes(u64),
}

const CACHE: &str = "cache.json";

impl CacheSize {
    /// What was given.
    pub(crate) fn new(budget: Option<Budget>, shards: Option<usize>) -> Self {
        Self { budget: budget.map(Amount::from), shards }
    }

    /// What is not given is what was given last. A damaged file counts as absent, and is reported.
    pub(crate) fn or_remembered(self, folder: &DataFolder) -> Self {
        let path = folder.join(CACHE);
        let remembered = read_checked::<Self>(&path).unwrap_or_else(|error| {
            tracing::error!(
                file = %path.display(), %error,
                "the file is passed over: what is not given of the cache's budget and shards is the default"
            );
            None
        });
        let remembered = remembered.unwrap_or_default();
        Self { budget: self.budget.or(remembered.budget), shards: self.shards.or(remembered.shards) }
    }

    /// Remembers it. Defaults are not: those of the next version, or of another machine, may be others.
    pub(crate) fn remember(&self, folder: &DataFolder) -> Result<(), NodeError> {
        let path = folder.join(CACHE);
        // A start that says nothing new needs no room on the disk, and leaves a damaged file to be looked at.
        let is_known = read_checked(&path).is_ok_and(|known| known == Some(*self));
        if is_known || *self == Self::default() {
            return Ok(());
        }
        write_checked(&path, self).map_err(|source| NodeError::Folder { path, source })
    }

    /// What nobody ever said is the default.
    pub(crate) fn config(&self) -> CacheConfig {
        let config = CacheConfig::new(self.budget.map_or(CACHE_BUDGET, Budget::from));
        CacheConfig { shards: self.shards.unwrap_or(config.shards), ..config }
    }
}

impl From<Budget> for Amount {
    fn from(budget: Budget) -> Self {
        match budget.unit {
            Unit::Entries => Self::Entries(budget.capacity),
            Unit::Bytes => Self::Bytes(budget.capacity),
        }
    }
}

impl From<Amount> for Budget {
    fn from(amount: Amount) -> Self {
        match amount {
            Amount::Entries(capacity) => Self { unit: Unit::Entries, capacity },
            Amount::Bytes(capacity) => Self { unit: Unit::Bytes, capacity },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Starts with what is given, and says what the cache would have.
    fn start(folder: &DataFolder, budget: Option<Budget>, shards: Option<usize>) -> (Budget, usize) {
        let size = CacheSize::new(budget, shards).or_remembered(folder);
        size.remember(folder).unwrap();
        (size.config().budget, size.config().shards)
    }

    #[test]
    fn each_value_is_the_given_one_else_the_last_given_else_the_default() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(temporary.path()).unwrap();
        let processors = CacheConfig::new(CACHE_BUDGET).shards;
        let entries = |capacity| Budget { unit: Unit::Entries, capacity };
        let bytes = Budget { unit: Unit::Bytes, capacity: 1 << 30 };
        for (budget, shards, expected) in [
            (None, None, (CACHE_BUDGET, processors)),
            (Some(entries(10_000)), None, (entries(10_000), processors)),
            (None, None, (entries(10_000), processors)),
            (None, Some(64), (entries(10_000), 64)),
            (Some(bytes), None, (bytes, 64)),
            (None, Some(1), (bytes, 1)),
            (None, None, (bytes, 1)),
        ] {
            assert_eq!(start(&folder, budget, shards), expected, "{budget:?} {shards:?}");
        }
    }

    #[test]
    fn a_damaged_file_is_the_default_until_something_is_given_again() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(temporary.path()).unwrap();
        let budget = Budget { unit: Unit::Entries, capacity: 7 };
        start(&folder, Some(budget), Some(1));
        let bytes = fs::read(folder.join(CACHE)).unwrap();
        fs::write(folder.join(CACHE), &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(start(&folder, None, None).0, CACHE_BUDGET);
        assert_eq!(fs::read(folder.join(CACHE)).unwrap(), bytes[..bytes.len() / 2], "it is left to be looked at");
        assert_eq!(start(&folder, Some(budget), None).0, budget);
        assert_eq!(start(&folder, None, None).0, budget);
    }
}
