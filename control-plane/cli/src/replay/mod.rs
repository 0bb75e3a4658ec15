mod find;
mod jobs;
mod route;
mod schedule;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{ArgGroup, Args};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde::Serialize;
use switchyard_cache::SHARDS_MAX;
use switchyard_replay::{Job, Outcome, Replay, Size};

use self::schedule::ScheduleArguments;
use crate::{arguments::Global, compile, output, table::table};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["trace", "swf", "requests"])))]
pub(crate) struct ReplayVerb {
    /// Caching: a recorded trace: *.u32le.zst, *.csv or *.csv.gz with the header time,obj_id,size, or text with one id a line
    #[arg(long, value_name = "FILE", requires = "size")]
    trace: Vec<PathBuf>,
    /// Scheduling: a log of jobs in the Standard Workload Format, *.swf or *.swf.gz
    #[arg(long, value_name = "FILE")]
    swf: Vec<PathBuf>,
    /// Routing: a table of requests with the columns TIMESTAMP,ContextTokens,GeneratedTokens, *.csv or *.csv.gz
    #[arg(long, value_name = "FILE")]
    requests: Vec<PathBuf>,
    /// A strategy: a component's file, its name in target/plugins here or above (or SWITCHYARD_PLUGINS); with --trace also
    /// `fallback`, the engine's own
    #[arg(long, value_name = "NAME|FILE", required = true)]
    strategy: Vec<String>,
    /// With --trace: the cache's size: 979 counts entries and ignores the objects' sizes, 128MiB counts bytes
    #[arg(long, requires = "trace")]
    size: Vec<Size>,
    /// With --trace: into how many shards the cache is split; one is exact, a node has as many as processors
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = shards)]
    shards: usize,
    #[command(flatten)]
    schedule: ScheduleArguments,
    /// With --requests: over how many seeds the figures are means, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// The strategies' configuration; default: each plugin's own
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
}

const TICK: Duration = Duration::from_millis(200);

pub(crate) fn run(verb: &ReplayVerb, global: &Global) -> Result<()> {
    let configuration = verb.config.as_deref().map(serde_json::from_str).transpose().context("--config is not JSON")?;
    let host = compile::host(None)?;
    if !verb.swf.is_empty() {
        return schedule::run(&host, verb, configuration.as_ref(), global);
    }
    if !verb.requests.is_empty() {
        return route::run(&host, verb, configuration.as_ref(), global);
    }
    let jobs = jobs::all(&host, verb, configuration.as_ref())?;
    let outcomes = replay(&Replay::new(host, verb.shards), &jobs)?;
    print(global, &outcomes, show)
}

/// One object for one outcome, a list for several.
fn print<T: Serialize>(global: &Global, outcomes: &[T], show: impl Fn(&[T]) -> String) -> Result<()> {
    match outcomes {
        [one] => output::print(global.output, one, |one| Ok(show(std::slice::from_ref(one)))),
        several => output::print(global.output, several, |several| Ok(show(several))),
    }
}

/// A bar for so many steps of something.
fn bar(steps: u64, what: &str) -> Result<ProgressBar> {
    let bar = ProgressBar::new(steps);
    let style = ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {what}, {{elapsed}}"));
    bar.set_style(style.context("the progress bar's template is valid")?);
    bar.enable_steady_tick(TICK);
    Ok(bar)
}

/// As many as a cache can have. The engine makes it a power of two, and outcomes say which.
fn shards(text: &str) -> Result<usize, String> {
    let valid = text.parse().ok().filter(|shards| (1..=SHARDS_MAX).contains(shards));
    valid.ok_or_else(|| format!("expected a number from 1 to {SHARDS_MAX}"))
}

fn replay(replay: &Replay, jobs: &[Job]) -> Result<Vec<Outcome>> {
    let bar = bar(jobs.len() as u64, "replays, {msg} requests")?;
    let requests: Vec<AtomicU64> = jobs.iter().map(|_| AtomicU64::new(0)).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let outcomes = replay.run_all(jobs, threads, |progress| {
        if let Some(count) = requests.get(progress.job) {
            count.store(progress.requests, Relaxed);
        }
        bar.set_message(HumanCount(requests.iter().map(|count| count.load(Relaxed)).sum()).to_string());
        if progress.done {
            bar.inc(1);
        }
    });
    bar.finish_and_clear();
    Ok(outcomes?)
}

fn show(outcomes: &[Outcome]) -> String {
    let row = |outcome: &Outcome| {
        vec![
            outcome.trace.clone(),
            outcome.strategy.clone(),
            outcome.size.to_string(),
            outcome.shards.to_string(),
            outcome.requests.to_string(),
            outcome.hits.to_string(),
            format!("{:.2} %", outcome.hit_ratio * 100.0),
        ]
    };
    let head = ["trace", "strategy", "size", "shards", "requests", "hits", "hit ratio"];
    table(&head, &["size", "shards", "requests", "hits", "hit ratio"], outcomes.iter().map(row))
}
