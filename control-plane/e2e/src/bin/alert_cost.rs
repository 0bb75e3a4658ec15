//! What an evaluation of `alerting-threshold` costs: CPU time of the calling thread through the host, for 1,000 rules and
//! 1,000 series.
//!
//! `cargo run --release --workspace --bin alert_cost`; the plugin is built by `cargo xtask plugins`.

use std::{
    io::Write,
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use switchyard_e2e::{machine, paths};
use switchyard_host::{
    Compiler, Host, HostConfig, Upkeep,
    alerting::{Alert, AlertTable, AlertingSlot, Columns, Load},
};
use switchyard_types::Limits;

/// What can be asked for.
#[derive(Debug, Parser)]
struct Options {
    /// Rules.
    #[arg(long, default_value_t = 1_000)]
    rules: u64,
    /// Series; a call holds 4,096.
    #[arg(long, default_value_t = 1_000)]
    series: u64,
    /// Evaluations; the lowest cost counts: what a busy machine adds is never negative.
    #[arg(long, default_value_t = 100)]
    evaluations: u64,
}

/// Keeps nothing.
struct NoAlerts;

impl AlertTable for NoAlerts {
    fn now_ms(&self) -> u64 {
        0
    }

    fn residents(&self, _: usize, _: &mut Vec<Alert>) {}

    fn load(&self, _: usize) -> Load {
        Load::default()
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let host = Host::new(HostConfig::new(Compiler::InProcess))?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}\n{} rules, {} series, CPU ms per evaluation:",
        machine::describe(),
        options.rules,
        options.series
    )?;
    for (what, metrics) in [("a metric for each rule", options.rules), ("all rules on one metric", 1)] {
        match cost(&host, &options, metrics)? {
            Some(cpu) => writeln!(out, "{what}: {:.3}", cpu.as_secs_f64() * 1e3)?,
            None => writeln!(out, "{what}: more than the ceiling of {} ms", Limits::CEILING.batched_call_us / 1_000)?,
        }
    }
    Ok(())
}

/// The lowest CPU time of one evaluation; none: it does not end within the highest budget that a strategy may have.
fn cost(host: &Host, options: &Options, metrics: u64) -> Result<Option<Duration>> {
    let plugin = host.load(&std::fs::read(paths::plugin("alerting-threshold")?)?)?;
    let strategy = plugin.strategy(&configuration(options.rules, metrics), Limits::CEILING)?;
    let table: Arc<dyn AlertTable> = Arc::new(NoAlerts);
    let weak: Weak<dyn AlertTable> = Arc::downgrade(&table);
    let slot = AlertingSlot::new(host, weak, 1, Upkeep::Caller);
    slot.swap(&strategy, 1)?;
    let columns = columns(options.series, metrics).context("the series do not fit one call")?;
    let mut lowest = Duration::MAX;
    for now_ms in 0..options.evaluations {
        let before = thread_time()?;
        if !slot.evaluate(0, now_ms, &columns, true, |verdicts| verdicts.is_some()) {
            return Ok(None);
        }
        lowest = lowest.min(thread_time()?.saturating_sub(before));
    }
    Ok(Some(lowest))
}

/// One rule in ten can be broken.
fn configuration(rules: u64, metrics: u64) -> Value {
    let rule = |n: u64| {
        let critical = if n.is_multiple_of(10) { 90.0 } else { 1e6 };
        json!({"name": format!("rule-{n}"), "metric": format!("metric.{:04}", n % metrics), "normal": critical / 2.0,
            "warning": critical * 0.9, "critical": critical})
    };
    json!({ "rules": (0..rules).map(rule).collect::<Vec<_>>() })
}

/// One series in a hundred is as high as those rules do not like.
fn columns(series: u64, metrics: u64) -> Option<Columns> {
    let mut columns = Columns::default();
    for n in 0..series {
        columns.series.push(n);
        columns.name.push(columns.texts.push(&format!("metric.{:04}", n % metrics))?);
        columns.labels.push(columns.texts.push(&format!("instance=\"{n}\",job=\"shop\""))?);
        columns.value.push(if n.is_multiple_of(100) { 95.0 } else { (n % 40) as f64 });
    }
    Some(columns)
}

fn thread_time() -> Result<Duration> {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}
