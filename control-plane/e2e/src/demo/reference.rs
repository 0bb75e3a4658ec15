use anyhow::{Context, Result};
use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_replay::{Candidate, Replay, Size};

use super::stage::Stage;
use crate::workload::Workload;

/// Which requests `caching-lru` alone answers, by request: the same component in a cache of the same size and shards, in
/// this process, with nobody else deciding before it.
pub(super) fn lru(stage: &Stage, workload: &Workload) -> Result<Vec<bool>> {
    let host = Host::new(HostConfig::new(Compiler::InProcess))?;
    let plugin = host.load(&std::fs::read(&stage.plugin("caching-lru")?.component)?)?;
    let strategy = plugin.strategy(&plugin.manifest().configuration_default, Replay::LIMITS)?;
    let replay = Replay::new(host, stage.shards);
    let cache = replay
        .cache("caching-lru", &Candidate::Strategy(strategy), &Size::Entries(stage.entries))
        .context("the reference cannot run")?;
    let access = |(at, id): (usize, &u64)| cache.access(at as u64, *id, 1);
    let hits = workload.ids.iter().enumerate().map(access).collect();
    Replay::check("caching-lru", &cache)?;
    Ok(hits)
}
