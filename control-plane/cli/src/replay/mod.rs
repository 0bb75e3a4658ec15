mod find;
mod jobs;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use switchyard_cache::SHARDS_MAX;
use switchyard_replay::{Job, Outcome, Replay, Size};

use crate::{arguments::Global, compile, output, table::table};

#[derive(Debug, Args)]
pub(crate) struct ReplayVerb {
    /// A recorded trace: *.u32le.zst, *.csv or *.csv.gz with the header time,obj_id,size, or text with one id a line
    #[arg(long, value_name = "FILE", required = true)]
    trace: Vec<PathBuf>,
    /// A strategy: a component's file, its name in target/plugins here or above (or SWITCHYARD_PLUGINS), or `fallback`, the engine's own
    #[arg(long, value_name = "NAME|FILE", required = true)]
    strategy: Vec<String>,
    /// The cache's size: 979 counts entries and ignores the objects' sizes, 128MiB counts bytes
    #[arg(long, required = true)]
    size: Vec<Size>,
    /// Into how many shards the cache is split; one is exact, a node has as many as processors
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = shards)]
    shards: usize,
    /// The strategies' configuration; default: each plugin's own
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
}

const TICK: Duration = Duration::from_millis(200);

pub(crate) fn run(verb: &ReplayVerb, global: &Global) -> Result<()> {
    let configuration = verb.config.as_deref().map(serde_json::from_str).transpose().context("--config is not JSON")?;
    let host = compile::host(None)?;
    let jobs = jobs::all(&host, verb, configuration.as_ref())?;
    let outcomes = replay(&Replay::new(host, verb.shards), &jobs)?;
    match outcomes.as_slice() {
        [one] => output::print(global.output, one, |one| Ok(show(std::slice::from_ref(one)))),
        several => output::print(global.output, several, |several| Ok(show(several))),
    }
}

/// As many as a cache can have. The engine makes it a power of two, and outcomes say which.
fn shards(text: &str) -> Result<usize, String> {
    let valid = text.parse().ok().filter(|shards| (1..=SHARDS_MAX).contains(shards));
    valid.ok_or_else(|| format!("expected a number from 1 to {SHARDS_MAX}"))
}

fn replay(replay: &Replay, jobs: &[Job]) -> Result<Vec<Outcome>> {
    let bar = ProgressBar::new(jobs.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} replays, {msg} requests, {elapsed}");
    bar.set_style(style.context("the progress bar's template is valid")?);
    bar.enable_steady_tick(TICK);
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
