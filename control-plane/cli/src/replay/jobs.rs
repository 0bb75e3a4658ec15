use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use switchyard_host::{Host, Strategy};
use switchyard_replay::{Candidate, Job, Replay};
use switchyard_types::StrategyKind;

use super::{ReplayVerb, find};

/// Every trace with every strategy in every size, in the order in which they were given.
pub(super) fn all(host: &Host, verb: &ReplayVerb, configuration: Option<&Value>) -> Result<Vec<Job>> {
    let mut candidates = Vec::with_capacity(verb.strategy.len());
    for name in &verb.strategy {
        candidates.push((name, candidate(host, name, configuration).with_context(|| format!("--strategy {name}"))?));
    }
    let mut jobs = Vec::new();
    for trace in &verb.trace {
        for (name, candidate) in &candidates {
            jobs.extend(verb.size.iter().map(|size| Job {
                trace: trace.clone(),
                strategy: (*name).clone(),
                candidate: candidate.clone(),
                size: size.clone(),
            }));
        }
    }
    Ok(jobs)
}

fn candidate(host: &Host, name: &str, configuration: Option<&Value>) -> Result<Candidate> {
    if name == find::FALLBACK {
        return Ok(Candidate::Fallback);
    }
    Ok(Candidate::Strategy(strategy(host, name, StrategyKind::Caching, configuration)?))
}

/// A plugin that decides about this kind, with this configuration or its own.
pub(super) fn strategy(host: &Host, name: &str, kind: StrategyKind, configuration: Option<&Value>) -> Result<Strategy> {
    let component = find::component(name)?;
    let plugin = host.load(&component).map_err(|error| anyhow!(error.failure()))?;
    let kinds = &plugin.manifest().kinds;
    if !kinds.contains(&kind) {
        let has: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
        bail!("the plugin decides about {}, and this replay is about {kind}", has.join(", "));
    }
    let configuration = configuration.unwrap_or(&plugin.manifest().configuration_default);
    plugin.strategy(configuration, Replay::LIMITS).map_err(|error| anyhow!(error.failure()))
}
