use std::sync::Arc;

use switchyard_types::{NodeRoute, NodeStatus};

/// The shortest time between two puts, in milliseconds, but for failures: a fleet that flips at once writes at most so
/// often.
const PUT_EVERY_MS: u64 = 500;
/// The shortest time between two puts of which the second tells of a failure, in milliseconds.
const FAILURE_EVERY_MS: u64 = 200;
/// How often figures alone are put, in milliseconds. They are for whoever looks at one node; those of the fleet are reported.
const FIGURES_EVERY_MS: u64 = 10_000;
/// How long what was decided stands before it is put, in milliseconds: when a fleet is told something, doing it comes before
/// saying so, and what the store does with a thousand statuses would hold up who is told last.
const SETTLE_MS: u64 = 100;
/// Over how many milliseconds after that a fleet that has done the same at once spreads its puts.
pub(crate) const SPREAD_MS: u64 = 300;

/// The last status that the store has, and when it was put.
#[derive(Debug, Clone)]
pub(crate) struct LastPut {
    pub(crate) status: Arc<NodeStatus>,
    pub(crate) at_ms: u64,
    /// This node's own delay of the next put, up to [`SPREAD_MS`].
    pub(crate) spread_ms: u64,
    /// Since when something is decided that the store does not know.
    pub(crate) untold_since_ms: Option<u64>,
}

/// When this status should be put: now, at a later time unless it changes again, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Now,
    At(u64),
    Never,
}

/// After the last put a failure goes [`FAILURE_EVERY_MS`] later, another change [`PUT_EVERY_MS`], figures alone
/// [`FIGURES_EVERY_MS`]; and not before what was decided has settled.
pub(crate) fn when(last: Option<&mut LastPut>, status: &NodeStatus, now_ms: u64) -> Put {
    let Some(last) = last else { return Put::Now };
    let difference = compare(&last.status, status);
    let is_decided = matches!(difference, Difference::Failure | Difference::Decision);
    last.untold_since_ms = is_decided.then(|| last.untold_since_ms.unwrap_or(now_ms));
    let settled_ms = last.untold_since_ms.map_or(0, |since_ms| since_ms.saturating_add(SETTLE_MS + last.spread_ms));
    let wait_ms = match difference {
        Difference::Failure => FAILURE_EVERY_MS,
        Difference::Decision => PUT_EVERY_MS,
        Difference::Figures => FIGURES_EVERY_MS,
        Difference::None => return Put::Never,
    };
    let due_ms = last.at_ms.saturating_add(wait_ms).max(settled_ms);
    if now_ms >= due_ms { Put::Now } else { Put::At(due_ms) }
}

#[derive(Debug, PartialEq, Eq)]
enum Difference {
    None,
    Figures,
    Decision,
    Failure,
}

fn compare(old: &NodeStatus, new: &NodeStatus) -> Difference {
    let failed = |status: &NodeStatus| -> Vec<_> {
        status.slots.iter().filter_map(|slot| slot.last_failure.clone().map(|f| (slot.slot.clone(), f))).collect()
    };
    let routes = |status: &NodeStatus| -> Vec<_> {
        let reason = |route: &NodeRoute| Some((route.name.clone(), route.failure.clone()?.reason));
        status.routes.iter().filter_map(reason).collect()
    };
    let (before, routes_before) = (failed(old), routes(old));
    if routes(new).iter().any(|failure| !routes_before.contains(failure)) {
        return Difference::Failure;
    }
    if failed(new).iter().any(|failure| !before.contains(failure)) {
        return Difference::Failure;
    }
    if old.without_figures() != new.without_figures() {
        return Difference::Decision;
    }
    if figures(old) == figures(new) { Difference::None } else { Difference::Figures }
}

/// Without what changes by itself: the time, and the pages that the process happens to hold.
fn figures(status: &NodeStatus) -> NodeStatus {
    NodeStatus { at_unix_ms: 0, resident_bytes: 0, ..status.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use switchyard_types::{Digest, RouteFailure, ShardFigures, SlotFailure, Stage, StageFailure};

    fn status() -> NodeStatus {
        serde_json::from_value(json!({
            "node": "node-1", "generation": {"epoch": 0, "counter": 1}, "live_generations": 1, "live_instances": 2,
            "live_bytes": 3, "resident_bytes": 4, "at_unix_ms": 5,
            "slots": [{
                "slot": {"kind": "caching"}, "received": null, "staged": null, "active": null, "last_healthy": null,
                "last_failure": null, "plugin": null, "flip_ms": null, "flips": 0,
                "shards": ShardFigures::default(),
            }],
        }))
        .unwrap()
    }

    fn last() -> LastPut {
        LastPut { status: Arc::new(status()), at_ms: 1_000, spread_ms: 50, untold_since_ms: None }
    }

    fn check(change: impl FnOnce(&mut NodeStatus), waits: Option<u64>) {
        let mut last = last();
        let mut status = status();
        change(&mut status);
        for now_ms in [1_000, 1_199, 1_200, 1_499, 1_500, 10_999, 11_000] {
            let expected = match waits.map(|wait_ms| 1_000 + wait_ms) {
                None => Put::Never,
                Some(due_ms) if now_ms >= due_ms => Put::Now,
                Some(due_ms) => Put::At(due_ms),
            };
            assert_eq!(when(Some(&mut last), &status, now_ms), expected, "{status:?} at {now_ms}");
        }
    }

    #[test]
    fn the_first_status_goes_at_once() {
        assert_eq!(when(None, &status(), 0), Put::Now);
    }

    #[test]
    fn what_was_decided_goes_soon_and_what_was_counted_later() {
        check(|_| {}, None);
        check(|status| status.at_unix_ms += 1, None);
        check(|status| status.resident_bytes += 4096, None);
        check(|status| status.live_bytes += 1, Some(10_000));
        check(|status| status.figures = [("cache.hits".to_owned(), 1.0)].into(), Some(10_000));
        check(|status| status.slots[0].shards.fallback_evictions += 1, Some(10_000));
        check(|status| status.generation = status.generation.next(), Some(500));
        check(|status| status.slots[0].flips += 1, Some(500));
        check(|status| status.slots[0].shards.quarantined += 1, Some(500));
        check(|status| status.slots.clear(), Some(500));
    }

    #[test]
    fn what_was_decided_settles_first() {
        let mut last = last();
        let changed = NodeStatus { generation: status().generation.next(), ..status() };
        assert_eq!(when(Some(&mut last), &status(), 60_000), Put::Never);
        let figures = NodeStatus { live_bytes: 4, ..status() };
        assert_eq!(when(Some(&mut last), &figures, 60_000), Put::Now);
        assert_eq!(when(Some(&mut last), &changed, 70_000), Put::At(70_150));
        assert_eq!(when(Some(&mut last), &changed, 70_149), Put::At(70_150));
        assert_eq!(when(Some(&mut last), &changed, 70_150), Put::Now);
        // What was taken back before it was told says nothing of when the next was decided.
        assert_eq!(when(Some(&mut last), &status(), 70_160), Put::Never);
        assert_eq!(when(Some(&mut last), &changed, 90_000), Put::At(90_150));
    }

    #[test]
    fn a_failure_goes_first() {
        let failure = SlotFailure {
            version: serde_json::from_value(json!({
                "strategy": "a", "generation": {"epoch": 0, "counter": 1}, "digest": Digest::of(b"a"),
            }))
            .unwrap(),
            failure: StageFailure::new(Stage::Link, "no such import"),
            at_unix_ms: 7,
            took_ms: None,
            attempts: 1,
            retry_at_unix_ms: None,
        };
        check(|status| status.slots[0].last_failure = Some(failure), Some(200));
        let route = json!({"name": "shop", "received": null, "active": null, "failure": null});
        let route: NodeRoute = serde_json::from_value(route).unwrap();
        let failed = RouteFailure { reason: "r".to_owned(), at_unix_ms: 7 };
        check(|status| status.routes.push(NodeRoute { failure: Some(failed), ..route.clone() }), Some(200));
        check(|status| status.routes.push(route.clone()), Some(500));
    }
}
