use switchyard_types::{FleetCounts, HookReport, ListedNode, NodeState, SlotStaging, SlotStatus, StrategyDocument};

use super::tables::{self, Rows, now_unix_ms, strategy_row, version};
use crate::table::age;

/// A strategy with what its nodes make of it and what its hooks did over the last minute, one row a hook.
pub(super) fn strategies(figures: Vec<HookReport>) -> Rows<StrategyDocument> {
    let head = &[
        "name",
        "slot",
        "plugin",
        "nodes",
        "priority",
        "generation",
        "active",
        "configuration",
        "staging",
        "failed",
        "unknown",
        "hook",
        "calls/s",
        "failures",
        "fallbacks",
        "p50",
        "p99",
    ];
    let right =
        &["priority", "active", "staging", "failed", "unknown", "calls/s", "failures", "fallbacks", "p50", "p99"];
    let rows = move |strategy: &StrategyDocument| {
        let status = strategy.status.as_ref();
        let fleet = status.and_then(|status| status.fleet);
        // What nobody has counted is not nought.
        let counts =
            [|fleet: FleetCounts| fleet.staging, |fleet: FleetCounts| fleet.failed, |fleet: FleetCounts| fleet.unknown];
        let counts = counts.map(|count| fleet.map(|fleet| count(fleet).to_string()).unwrap_or_default()).to_vec();
        let head = [strategy_row(strategy), counts].concat();
        let is_its = |report: &&HookReport| {
            report.version.as_ref().is_some_and(|version| {
                version.strategy == strategy.name
                    && status.is_some_and(|status| status.generation == version.generation)
            })
        };
        let mut hooks: Vec<_> = figures.iter().filter(is_its).map(hook).collect();
        if hooks.is_empty() {
            hooks.push(std::array::from_fn::<_, 6, _>(|_| String::new()).to_vec());
        }
        hooks.into_iter().map(|hook| [head.clone(), hook].concat()).collect()
    };
    Rows { head, right, of: Box::new(rows) }
}

fn hook(report: &HookReport) -> Vec<String> {
    let span = &report.last_1m;
    vec![
        report.hook.clone(),
        format!("{:.1}", span.rate),
        span.failures.total().to_string(),
        span.fallbacks.to_string(),
        duration(span.latency_p50_ns),
        duration(span.latency_p99_ns),
    ]
}

fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        _ => format!("{:.1} ms", ns as f64 / 1e6),
    }
}

/// A node with what only somebody who looks for a fault needs, one row a slot and one a route.
pub(super) fn nodes() -> Rows<ListedNode> {
    let narrow = tables::nodes();
    let head = &[
        "node",
        "generation",
        "slot",
        "received",
        "active",
        "healthy",
        "last failure",
        "status",
        "labels",
        "staged",
        "flips",
        "flip",
        "stages",
        "not followed",
    ];
    let rows = move |node: &ListedNode| {
        let report = &node.report;
        let state = if node.status == NodeState::Unknown { "unknown" } else { "reporting" };
        let labels: Vec<_> = report.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let whole = vec![state.to_owned(), labels.join(",")];
        let told = vec![report.not_followed.clone().unwrap_or_default()];
        let slots = report.slots.iter().map(slot);
        let others = std::iter::repeat_with(|| std::array::from_fn::<_, 4, _>(|_| String::new()).to_vec());
        let rows = (narrow.of)(node).into_iter().zip(slots.chain(others));
        rows.map(|(row, slot)| [row, whole.clone(), slot, told.clone()].concat()).collect()
    };
    Rows { head, right: &["flips", "flip"], of: Box::new(rows) }
}

fn slot(slot: &SlotStatus) -> Vec<String> {
    let flip = slot.flip_ms.map(|ms| format!("{ms:.3} ms")).unwrap_or_default();
    vec![version(&slot.staged), slot.flips.to_string(), flip, stages(slot, now_unix_ms())]
}

/// What is being staged now, each stage of the last staging with its duration, the longest first, and where the last failure was and
/// after how long.
fn stages(slot: &SlotStatus, now_unix_ms: u64) -> String {
    let mut stages: Vec<_> = slot.staging_ms.iter().collect();
    stages.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let now = slot.staging.as_ref().map(|SlotStaging { version: of, stage, since_unix_ms }| {
        format!("{stage} of {} for {}", version(&Some(of.clone())), age(now_unix_ms.saturating_sub(*since_unix_ms)))
    });
    let mut shown: Vec<_> = now.into_iter().collect();
    shown.extend(stages.iter().map(|(stage, ms)| format!("{stage} {ms:.1} ms")));
    if let Some(failure) = &slot.last_failure {
        let took = failure.took_ms.map(|ms| format!(" after {ms:.1} ms")).unwrap_or_default();
        shown.push(format!("{} refused {}{took}", failure.failure.stage, version(&Some(failure.version.clone()))));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wide_rows_have_a_cell_for_every_column() {
        let version = json!({"strategy": "sessions", "generation": {"epoch": 0, "counter": 1},
                             "digest": format!("sha256:{}", "0".repeat(64))});
        let slot = json!({"slot": {"kind": "caching"}, "received": version, "staged": version, "active": version,
                          "last_healthy": null, "plugin": null, "flip_ms": 0.25, "flips": 2,
                          "last_failure": {"version": version, "stage": "link", "reason": "r\u{1b}[31m", "at_unix_ms": 1,
                                           "took_ms": 7.25},
                          "staging": {"version": version, "stage": "compile", "since_unix_ms": u64::MAX},
                          "staging_ms": {"fetch": 1.0, "compile": 50.0}, "shards": {"shards": 1, "quarantined": 0,
                          "memory_bytes": 0, "victims_unknown": 0, "fallback_evictions": 0}});
        let route = json!({"name": "shop", "received": null, "active": null, "failure": null});
        let node: ListedNode = serde_json::from_value(json!({
            "status": "unknown", "node": "node-1", "labels": {"region": "eu"}, "slots": [slot], "routes": [route],
            "generation": {"epoch": 0, "counter": 1}, "live_generations": 1, "live_instances": 1, "live_bytes": 1,
            "resident_bytes": 1, "at_unix_ms": 1,
        }))
        .unwrap();
        let nodes = nodes();
        let rows = (nodes.of)(&node);
        assert!(rows.len() == 2 && rows.iter().all(|row| row.len() == nodes.head.len()), "{rows:?}");
        assert!(rows[0].contains(&"compile of sessions@0.1 for 0s, compile 50.0 ms, fetch 1.0 ms, link refused sessions@0.1 after 7.2 ms".to_owned()), "{rows:?}");
        assert!(rows[0][0].ends_with("(unknown)"));

        let strategy: StrategyDocument = serde_json::from_value(json!({
            "kind": "Strategy", "name": "sessions", "spec": {"kind": "caching", "plugin": "caching-lru@0.1.0"},
            "status": {"generation": {"epoch": 0, "counter": 1}, "digest": version["digest"], "configuration": {},
                       "fleet": {"matched": 3, "active": 2, "failed": 1}},
        }))
        .unwrap();
        let report = json!({"slot": {"kind": "caching"}, "version": version, "hook": "store",
                            "last_1m": {"rate": 2.5, "latency_p50_ns": 900, "latency_p99_ns": 1_500}, "last_10m": {}});
        for figures in [vec![], vec![serde_json::from_value(report).unwrap()]] {
            let strategies = strategies(figures);
            let rows = (strategies.of)(&strategy);
            assert!(rows.len() == 1 && rows[0].len() == strategies.head.len(), "{rows:?}");
            assert_eq!((rows[0][6].as_str(), &rows[0][8..11]), ("2/3", &["0", "1", "0"].map(str::to_owned)[..]));
            let mut uncounted = strategy.clone();
            uncounted.status.as_mut().unwrap().fleet = None;
            assert_eq!((strategies.of)(&uncounted)[0][8..11], ["", "", ""], "nobody has counted");
        }
        assert_eq!([999, 1_500, 2_500_000].map(duration), ["999 ns", "1.5 µs", "2.5 ms"]);
    }
}
