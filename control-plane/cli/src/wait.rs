use std::{str::FromStr, time::Duration};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use switchyard_types::{FleetCounts, Generation, ListedNode, NodeState, StrategyDocument, StrategyName};
use tokio::time::{Instant, sleep};

use crate::{
    arguments::Global,
    http::{Client, is_passing},
    output, progress,
    runtime::block_on,
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Nodes that are named when the wait was in vain.
const NAMED_MAX: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// What is waited for
    #[arg(value_enum)]
    what: What,
    /// Its name
    name: StrategyName,
    /// Until it is active on all nodes that should run it, or on a share of them: active, active=95%
    #[arg(long = "for", value_name = "CONDITION", default_value = "active")]
    condition: Condition,
    /// How long at most, for example 60s or 5m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Strategy,
}

/// Active on such a share of the nodes, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Condition(f64);

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected active, or active=95% for a share of the nodes".to_owned();
        let rest = text.strip_prefix("active").ok_or_else(wrong)?;
        if rest.is_empty() {
            return Ok(Self(100.0));
        }
        let percent = rest.strip_prefix('=').and_then(|rest| rest.strip_suffix('%')).ok_or_else(wrong)?;
        percent.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).map(Self).ok_or_else(wrong)
    }
}

impl Condition {
    /// A strategy that no node should run is active nowhere.
    fn holds(self, fleet: FleetCounts) -> bool {
        fleet.matched > 0 && fleet.active as f64 * 100.0 >= self.0 * fleet.matched as f64
    }
}

/// What it was in the end.
#[derive(Debug, Serialize)]
struct Waited {
    name: StrategyName,
    generation: Option<Generation>,
    fleet: FleetCounts,
}

pub(crate) fn run(verb: &Wait, global: &Global) -> Result<()> {
    let What::Strategy = verb.what;
    let client = Client::new(global)?;
    let spinner = progress::spinner(format!("waiting for {}", verb.name));
    let waited = block_on(wait(verb, &client));
    spinner.finish_and_clear();
    output::print(global.output, &waited?, |waited| {
        let generation = waited.generation.map(|generation| format!(" (generation {generation})")).unwrap_or_default();
        let FleetCounts { active, matched, .. } = waited.fleet;
        Ok(format!("strategy {} is active on {active} of {matched} nodes{generation}", waited.name))
    })
}

/// What a look has shown.
enum Look {
    Done(Waited),
    NotYet,
    /// The time is over; what keeps the condition from holding.
    Missed(String),
}

/// An error that passes is waited out: a server that is started again, or hands its office on, is no reason to give up.
async fn wait(verb: &Wait, client: &Client) -> Result<Waited> {
    let deadline = Instant::now() + verb.timeout;
    loop {
        match look(verb, client, deadline).await {
            Ok(Look::Done(waited)) => return Ok(waited),
            Ok(Look::Missed(why)) => bail!("{why}"),
            Ok(Look::NotYet) => {}
            Err(error) if !is_passing(&error) => return Err(error),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("it is not known whether {} is active", verb.name)));
            }
            Err(_) => {}
        }
        sleep(LOOK_EVERY.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

async fn look(verb: &Wait, client: &Client, deadline: Instant) -> Result<Look> {
    let strategy = client.strategy(&verb.name).await?;
    let fleet = strategy.status.as_ref().and_then(|status| status.fleet);
    if let Some(fleet) = fleet.filter(|fleet| verb.condition.holds(*fleet)) {
        let generation = strategy.status.map(|status| status.generation);
        return Ok(Look::Done(Waited { name: strategy.name, generation, fleet }));
    }
    if Instant::now() < deadline {
        return Ok(Look::NotYet);
    }
    let nodes = client.listed_nodes().await?;
    Ok(Look::Missed(missing(&strategy, fleet, verb.condition, &nodes)))
}

/// What keeps the condition from holding.
fn missing(
    strategy: &StrategyDocument,
    fleet: Option<FleetCounts>,
    condition: Condition,
    nodes: &[ListedNode],
) -> String {
    let name = &strategy.name;
    let Some(FleetCounts { matched, active, staging, failed, unknown }) = fleet else {
        return format!("the server does not know yet which nodes run {name}");
    };
    if matched == 0 {
        return format!("no node should run {name}: none matches it, or others come before it");
    }
    let mut text = format!(
        "{name} is active on {active} of {matched} nodes, and {}% are waited for: {staging} on their way, {failed} \
         failed, {unknown} not heard of",
        condition.0
    );
    let reasons: Vec<_> = nodes.iter().filter_map(|node| reason(strategy, node)).collect();
    for reason in reasons.iter().take(NAMED_MAX) {
        text.push('\n');
        text.push_str(reason);
    }
    if reasons.len() > NAMED_MAX {
        text.push_str(&format!("\nand {} more", reasons.len() - NAMED_MAX));
    }
    text
}

/// Why it is not active on this node; none: it is, or nothing is known against it.
fn reason(strategy: &StrategyDocument, node: &ListedNode) -> Option<String> {
    let report = &node.report;
    if !strategy.spec.selection().matches(&report.node, &report.labels) {
        return None;
    }
    if node.status == NodeState::Unknown {
        return Some(format!("{}: not heard of", report.node));
    }
    if let Some(reason) = &report.not_followed {
        return Some(format!("{}: {reason}", report.node));
    }
    let slot = report.slots.iter().find(|slot| slot.slot == strategy.spec.slot())?;
    let failure = slot.last_failure.as_ref().filter(|failure| failure.version.strategy == strategy.name)?;
    Some(format!("{}: {}", report.node, failure.failure))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fleet(matched: usize, active: usize) -> FleetCounts {
        FleetCounts { matched, active, failed: matched - active, ..FleetCounts::default() }
    }

    #[test]
    fn a_condition_is_a_share_of_the_nodes_that_should_run_it() {
        let check = |text: &str, matched, active, holds| {
            assert_eq!(
                text.parse::<Condition>().unwrap().holds(fleet(matched, active)),
                holds,
                "{text} {matched} {active}"
            );
        };
        check("active", 3, 3, true);
        check("active", 3, 2, false);
        check("active=95%", 20, 19, true);
        check("active=95%", 20, 18, false);
        check("active=66.6%", 3, 2, true);
        check("active=0%", 0, 0, false);
        for wrong in ["", "ready", "active=", "active=95", "active=101%", "active=-1%", "active=x%"] {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let version = json!({"strategy": "sessions", "generation": {"epoch": 0, "counter": 1},
                             "digest": format!("sha256:{}", "0".repeat(64))});
        let strategy: StrategyDocument = serde_json::from_value(json!({
            "kind": "Strategy", "name": "sessions", "spec": {"kind": "caching", "plugin": "caching-lru@0.1.0"},
        }))
        .unwrap();
        let node = |name: &str, status: &str| -> ListedNode {
            let slot = json!({"slot": {"kind": "caching"}, "received": version, "staged": null, "active": null,
                              "last_healthy": null, "plugin": null, "flip_ms": null, "flips": 0,
                              "last_failure": {"version": version, "stage": "link", "reason": "no import", "at_unix_ms": 1},
                              "shards": {"shards": 1, "quarantined": 0, "memory_bytes": 0, "victims_unknown": 0,
                                         "fallback_evictions": 0}});
            serde_json::from_value(json!({"status": status, "node": name, "slots": [slot], "live_generations": 1,
                "generation": {"epoch": 0, "counter": 1}, "live_instances": 1, "live_bytes": 1, "resident_bytes": 1,
                "at_unix_ms": 1}))
            .unwrap()
        };
        let nodes = [node("a", "reporting"), node("b", "unknown")];
        let text = missing(&strategy, Some(fleet(4, 2)), Condition(95.0), &nodes);
        assert!(
            text.starts_with("sessions is active on 2 of 4 nodes, and 95% are waited for: 0 on their way, 2 failed")
        );
        assert!(text.ends_with("\na: refused at link: no import\nb: not heard of"), "{text}");
        assert!(missing(&strategy, Some(fleet(0, 0)), Condition(95.0), &[]).starts_with("no node should run sessions"));
        let many: Vec<_> = (0..15).map(|n| node(&format!("n{n}"), "unknown")).collect();
        assert!(missing(&strategy, Some(fleet(15, 0)), Condition(1.0), &many).ends_with("and 5 more"));
    }
}
