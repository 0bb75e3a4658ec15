use std::{net::SocketAddr, path::PathBuf, thread};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{admin::Admin, demo::Options, paths, process::Process, workload::Workload};

/// The plugins that take turns.
pub(super) const PLUGINS: [&str; 2] = ["caching-lru", "caching-s3fifo"];

/// The cache holds one of so many of the workload's different keys.
const KEYS_PER_ENTRY: usize = 100;

/// Everything that the demo is played on: a running `dev` with its plugins published.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) process: Process,
    pub(super) admin: Admin,
    pub(super) address: SocketAddr,
    pub(super) entries: u64,
    pub(super) shards: usize,
    pub(super) published: Vec<Published>,
    folder: TempDir,
}

/// A plugin as the server keeps it.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) name: String,
    /// `name@version`.
    pub(super) reference: String,
    pub(super) digest: switchyard_types::Digest,
    pub(super) component: PathBuf,
}

impl Stage {
    pub(super) async fn set(_options: &Options, workload: &Workload) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("switchyard-demo-").tempdir()?;
        let shards = thread::available_parallelism().map_or(1, usize::from).next_power_of_two();
        let entries = budget(workload.unique, shards);
        let process = start(&folder, entries, shards)?;
        let address = process.ready().resp.parse().context("the RESP address")?;
        let admin = Admin::from_context(process.context())?;
        let mut published = Vec::new();
        for name in PLUGINS {
            published.push(publish(&admin, name).await?);
        }
        Ok(Self { process, admin, address, entries, shards, published, folder })
    }

    pub(super) fn plugin(&self, name: &str) -> Result<&Published> {
        self.published.iter().find(|plugin| plugin.name == name).with_context(|| format!("{name} is not published"))
    }

    /// Ends `dev`, or says where it goes on.
    pub(super) fn end(self, keep: bool) -> Result<()> {
        if !keep {
            self.process.terminate()?;
            return Ok(());
        }
        let (id, context, folder) = (self.process.id()?, self.process.context().to_owned(), self.folder.keep());
        let ready = self.process.release();
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

fn start(folder: &TempDir, entries: u64, shards: usize) -> Result<Process> {
    let data = folder.path().join("data");
    let (entries, shards) = (entries.to_string(), shards.to_string());
    let flags =
        ["--listen", "127.0.0.1:0", "--resp", "127.0.0.1:0", "--cache-budget", &entries, "--cache-shards", &shards];
    let mut arguments = vec!["dev".into(), "--data".into(), data.into_os_string()];
    arguments.extend(flags.map(Into::into));
    Process::start(folder.path(), &arguments)
}

async fn publish(admin: &Admin, name: &str) -> Result<Published> {
    let component = paths::plugin(name)?;
    let manifest = admin.push(std::fs::read(&component)?).await?.accepted()?;
    Ok(Published {
        name: name.to_owned(),
        reference: format!("{}@{}", manifest.name, manifest.version),
        digest: manifest.digest,
        component,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_one_in_a_hundred_keys() {
        assert_eq!([186_880, 1_409, 100, 3].map(|unique| budget(unique, 2)), [1_869, 14, 2, 2]);
    }
}
