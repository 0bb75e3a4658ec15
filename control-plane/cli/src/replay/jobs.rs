use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use switchyard_host::Host;
use switchyard_replay::{Candidate, Job, Replay};

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
    let component = find::component(name)?;
    let plugin = host.load(&component).map_err(|error| anyhow!(error.failure()))?;
    let configuration = configuration.unwrap_or(&plugin.manifest().configuration_default);
    let strategy = plugin.strategy(configuration, Replay::LIMITS).map_err(|error| anyhow!(error.failure()))?;
    Ok(Candidate::Strategy(strategy))
}
