use anyhow::{Context, Result};
use serde_json::Value;
use switchyard_host::Host;
use switchyard_replay::route::{self, RouteOutcome};
use switchyard_types::StrategyKind;

use super::{ReplayVerb, bar, jobs, print};
use crate::{arguments::Global, table::table};

/// Every trace of requests with every strategy.
pub(super) fn run(host: &Host, verb: &ReplayVerb, configuration: Option<&Value>, global: &Global) -> Result<()> {
    let bar = bar((verb.requests.len() * verb.strategy.len()) as u64 * verb.seeds, "replays")?;
    let mut outcomes = Vec::new();
    for path in &verb.requests {
        let requests = route::read(path)?;
        for name in &verb.strategy {
            let strategy = jobs::strategy(host, name, StrategyKind::Routing, configuration)
                .with_context(|| format!("--strategy {name}"))?;
            outcomes.push(route::run(host, &requests, name, &strategy, verb.seeds, |_| bar.inc(1))?);
        }
    }
    bar.finish_and_clear();
    print(global, &outcomes, show)
}

fn show(outcomes: &[RouteOutcome]) -> String {
    let row = |outcome: &RouteOutcome| {
        let route::Response { mean, p95, p99 } = outcome.response;
        let figures = [mean, p95, p99].map(|figure| format!("{figure:.2}"));
        let names = [outcome.trace.clone(), outcome.strategy.clone()];
        let counts = [outcome.requests.to_string(), outcome.seeds.to_string()];
        names.into_iter().chain(counts).chain(figures).collect()
    };
    let head = ["trace", "strategy", "requests", "seeds", "mean response", "p95", "p99"];
    table(&head, &["requests", "seeds", "mean response", "p95", "p99"], outcomes.iter().map(row))
}
