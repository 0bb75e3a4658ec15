use std::thread;

use anyhow::{Context, Result};

use crate::{
    dev::{Dev, Published},
    workload::Workload,
};

/// The plugins that take turns.
const PLUGINS: [&str; 2] = ["caching-lru", "caching-s3fifo"];

/// The cache holds one of so many of the workload's different keys.
const KEYS_PER_ENTRY: usize = 100;

/// Everything that the demo is played on: a running `dev` with its plugins published.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) dev: Dev,
    pub(super) entries: u64,
    pub(super) shards: usize,
    published: Vec<Published>,
}

impl Stage {
    pub(super) async fn set(workload: &Workload) -> Result<Self> {
        let shards = thread::available_parallelism().map_or(1, usize::from).next_power_of_two();
        let entries = budget(workload.unique, shards);
        let dev = Dev::start(&entries.to_string(), shards)?;
        let mut published = Vec::new();
        for name in PLUGINS {
            published.push(dev.publish(name).await?);
        }
        Ok(Self { dev, entries, shards, published })
    }

    pub(super) fn plugin(&self, name: &str) -> Result<&Published> {
        self.published.iter().find(|plugin| plugin.name == name).with_context(|| format!("{name} is not published"))
    }

    /// Ends `dev`, or says where it goes on.
    pub(super) fn end(self, keep: bool) -> Result<()> {
        if !keep {
            return self.dev.end();
        }
        let context = self.dev.process().context().to_owned();
        let (id, ready, folder) = self.dev.keep()?;
        eprintln!("\nStill running as process {id}; `kill {id}` ends it.");
        eprintln!("  admin API  {}", ready.server.unwrap_or_default());
        eprintln!("  RESP       {}", ready.resp);
        eprintln!("  context    SWITCHYARD_CONTEXT={}", context.display());
        eprintln!("  data       {}", folder.display());
        Ok(())
    }
}

/// At least one entry a shard.
fn budget(unique: usize, shards: usize) -> u64 {
    ((unique + KEYS_PER_ENTRY / 2) / KEYS_PER_ENTRY).max(shards) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_one_in_a_hundred_keys() {
        assert_eq!([186_880, 1_409, 100, 3].map(|unique| budget(unique, 2)), [1_869, 14, 2, 2]);
    }
}
