use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;
use switchyard_host::Host;
use switchyard_replay::schedule::{self, PUBLISHED_LENGTH, PUBLISHED_STARTS, Schedule, ScheduleOutcome};
use switchyard_types::StrategyKind;

use super::{ReplayVerb, bar, jobs, print};
use crate::{arguments::Global, table::table};

/// What a log of jobs can be asked.
#[derive(Debug, Args)]
pub(super) struct ScheduleArguments {
    /// With --swf: while the first in the queue waits for processors, others may run that end before it could start
    #[arg(long, requires = "swf")]
    backfill: bool,
    /// With --swf: where each sequence begins, from 0; default: the ten of the published table
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "swf")]
    starts: Vec<usize>,
    /// With --swf: jobs of a sequence
    #[arg(long, value_name = "N", default_value_t = PUBLISHED_LENGTH)]
    length: usize,
}

/// Every log with every strategy.
pub(super) fn run(host: &Host, verb: &ReplayVerb, configuration: Option<&Value>, global: &Global) -> Result<()> {
    let ScheduleArguments { backfill, starts, length } = &verb.schedule;
    let starts = if starts.is_empty() { PUBLISHED_STARTS.to_vec() } else { starts.clone() };
    let steps = verb.swf.len() * verb.strategy.len() * starts.len();
    let plan = Schedule { starts, length: *length, backfill: *backfill };
    let bar = bar(steps as u64, "sequences")?;
    let mut outcomes = Vec::new();
    for path in &verb.swf {
        let log = schedule::read(path)?;
        for name in &verb.strategy {
            let strategy = jobs::strategy(host, name, StrategyKind::Scheduling, configuration)
                .with_context(|| format!("--strategy {name}"))?;
            outcomes.push(plan.run(host, &log, name, &strategy, |_| bar.inc(1))?);
        }
    }
    bar.finish_and_clear();
    print(global, &outcomes, show)
}

fn show(outcomes: &[ScheduleOutcome]) -> String {
    let row = |outcome: &ScheduleOutcome| {
        vec![
            outcome.trace.clone(),
            outcome.strategy.clone(),
            if outcome.backfill { "yes" } else { "no" }.to_owned(),
            outcome.sequences.len().to_string(),
            outcome.length.to_string(),
            format!("{:.2}", outcome.bounded_slowdown),
        ]
    };
    let head = ["trace", "strategy", "backfill", "sequences", "jobs each", "bounded slowdown"];
    table(&head, &["sequences", "jobs each", "bounded slowdown"], outcomes.iter().map(row))
}
