//! The self-test of alerting: a fixed corpus, seeded and the same everywhere, on throw-away instances.

use super::{Alert, Alerting, Columns, Load, Phase, Severity, Verdict};
use crate::{
    HostError, Strategy,
    corpus::{Random, State, call, nondeterministic},
    description::BATCH_MAX,
    instance::Instance,
    kind::Kind,
};

type Plugin = Instance<<Alerting as Kind>::Calls>;

/// Evaluations of the main part.
const EVALUATIONS: u64 = 200;
/// Evaluations after an import, decided by two instances alike.
const EVALUATIONS_AFTER_IMPORT: u64 = 50;
/// Rows of each.
const ROWS: u64 = 50;
/// Rows of the longest one: as many as a node sends in a call. The contract allows more, and a budget is for what is asked.
const ROWS_LONGEST: u64 = 256;
/// Milliseconds between two.
const PERIOD_MS: u64 = 15_000;

/// Puts a strategy through the corpus.
pub(crate) fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
    boundaries(&mut fresh(strategy, seed)?)?;
    let mut twins = [fresh(strategy, seed)?, fresh(strategy, seed)?];
    let mut random = Random::new();
    let mut alerts = Vec::new();
    for evaluation in 0..EVALUATIONS {
        alerts = evaluate(&mut twins, evaluation * PERIOD_MS, &mut random)?;
    }
    take_over(strategy, seed, &mut twins[0], &alerts, random)
}

fn fresh(strategy: &Strategy, seed: u64) -> Result<Plugin, HostError> {
    let mut instance = strategy.instance::<Alerting>(seed)?;
    call("adopt", instance.adopt(0, &[], true))?;
    Ok(instance)
}

/// Values at the ends of their ranges, no rows, and as many as a node sends.
fn boundaries(instance: &mut Plugin) -> Result<(), HostError> {
    call("evaluate", instance.evaluate(0, &Columns::default(), true))?;
    call("notify", instance.notify(0, &[]))?;
    let extremes = [0.0, -0.0, 1.0, -1.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE];
    for now_ms in [0, 1, u64::MAX] {
        let columns = columns(extremes.len() as u64, |row| extremes.get(row as usize).copied().unwrap_or_default());
        call("evaluate", instance.evaluate(now_ms, &columns, true))?;
    }
    let longest = columns(ROWS_LONGEST, |row| row as f64);
    call("evaluate", instance.evaluate(u64::MAX, &longest, false))?;
    call("evaluate", instance.evaluate(u64::MAX, &longest, true))?;
    for phase in [Phase::Pending, Phase::Firing, Phase::Resolved] {
        let alert = Alert { phase, series: u64::MAX, name: String::new(), ..alert("\u{fffd}", 0, u64::MAX) };
        call("notify", instance.notify(u64::MAX, std::slice::from_ref(&alert)))?;
        call("adopt", instance.adopt(0, &[alert], true))?;
    }
    call("tick", instance.tick(u64::MAX, Load::default()))
}

/// The metrics that a node has, each with a label, and how far its values reach where shares reach to 1: the default rules of
/// a strategy have something to say.
const METRICS: [(&str, &str, f64); 6] = [
    ("system.cpu.utilization", "", 1.0),
    ("system.memory.utilization", "system.memory.state=\"used\"", 1.0),
    ("system.memory.utilization", "system.memory.state=\"free\"", 1.0),
    ("http.server.error.ratio", "http.route=\"/a,b\"", 1.0),
    ("http.server.request.duration", "http.route=\"/a,b\"", 20.0),
    ("x", "", 1.0),
];

/// Rows of these metrics.
fn columns(rows: u64, value: impl Fn(u64) -> f64) -> Columns {
    let mut columns = Columns::default();
    let names = METRICS.map(|(name, ..)| columns.texts.push(name).unwrap_or_default());
    for (row, ((_, label, reach), name)) in (0..rows).zip(METRICS.iter().zip(names).cycle()) {
        let comma = if label.is_empty() { "" } else { "," };
        let Some(labels) = columns.texts.push(&format!("{label}{comma}z.instance=\"{row}\"")) else { break };
        columns.series.push(row);
        columns.name.push(name);
        columns.labels.push(labels);
        columns.value.push((value(row) * reach).clamp(f64::MIN, f64::MAX));
    }
    columns
}

/// The same calls in the same order must give the same decisions. Returns what would be firing.
fn evaluate(twins: &mut [Plugin; 2], now_ms: u64, random: &mut Random) -> Result<Vec<Alert>, HostError> {
    let base = random.draw();
    let columns = columns(ROWS, |row| (base >> (row % 32) & 0xffff) as f64 / 65_536.0);
    let [one, other] = twins.each_mut().map(|twin| twin.evaluate(now_ms, &columns, true));
    let verdicts = call("evaluate", one)?;
    if verdicts != call("evaluate", other)? {
        return Err(nondeterministic());
    }
    let alerts: Vec<_> = verdicts.iter().take(BATCH_MAX as usize).map(|verdict| firing(verdict, now_ms)).collect();
    let [one, other] = twins.each_mut().map(|twin| twin.notify(now_ms, &alerts));
    match call("notify", one)? == call("notify", other)? {
        true => Ok(alerts),
        false => Err(nondeterministic()),
    }
}

fn firing(verdict: &Verdict, now_ms: u64) -> Alert {
    Alert { severity: verdict.severity, value: verdict.value, ..alert(&verdict.rule, verdict.series, now_ms) }
}

fn alert(rule: &str, series: u64, since_ms: u64) -> Alert {
    Alert {
        rule: rule.to_owned(),
        series,
        name: "x".to_owned(),
        labels: String::new(),
        severity: Severity::Critical,
        phase: Phase::Firing,
        value: 1.0,
        reason: String::new(),
        since_ms,
    }
}

/// Two successors that take over the same state and the same alerts go on alike.
fn take_over(
    strategy: &Strategy,
    seed: u64,
    old: &mut Plugin,
    alerts: &[Alert],
    mut random: Random,
) -> Result<(), HostError> {
    let state = State::exported(strategy, old)?;
    let successor = || -> Result<Plugin, HostError> {
        let mut instance = strategy.instance::<Alerting>(seed)?;
        state.import(&mut instance)?;
        call("adopt", instance.adopt(EVALUATIONS * PERIOD_MS, alerts, true))?;
        Ok(instance)
    };
    let mut twins = [successor()?, successor()?];
    for evaluation in 0..EVALUATIONS_AFTER_IMPORT {
        evaluate(&mut twins, (EVALUATIONS + evaluation) * PERIOD_MS, &mut random)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Compiler, Host, HostConfig};

    #[test]
    fn the_default_rules_of_a_strategy_have_something_to_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins/alerting-threshold.wasm");
        let component = std::fs::read(path).expect("run cargo xtask plugins");
        let host = Host::new(HostConfig::new(Compiler::InProcess)).expect("it starts");
        let plugin = host.load(&component).expect("it is a plugin");
        let strategy =
            plugin.strategy(&serde_json::json!({}), switchyard_types::Limits::DEFAULT).expect("the defaults");
        let mut twins = [(); 2].map(|()| fresh(&strategy, 1).expect("it starts"));
        let mut random = Random::new();
        let mut named = BTreeSet::new();
        for evaluation in 0..EVALUATIONS {
            let alerts = evaluate(&mut twins, evaluation * PERIOD_MS, &mut random).expect("it answers");
            named.extend(alerts.into_iter().map(|alert| alert.rule));
        }
        let expected = ["CpuHigh", "ErrorRateHigh", "MemoryHigh", "ResponseSlow"].map(str::to_owned);
        assert_eq!(named, BTreeSet::from(expected));
    }
}
