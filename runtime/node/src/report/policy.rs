use std::sync::Arc;

use switchyard_types::{NodeRoute, NodeStatus};

/// The shortest time between two puts, in milliseconds, but for failures: a fleet that flips at once writes at most so
/// often.
const PUT_EVERY_MS: u64 = 500;
/// The shortest time between two puts of which the second tells of a failure, in milliseconds.
const FAILURE_EVERY_MS: u64 = 200;
/// How often figures alone are put, in milliseconds. They are for whoever looks at one node; those of the fleet are reported.
const FIGURES_EVERY_MS: u64 = 10_000;

/// The last status that the store has, and when it was put.
#[derive(Debug, Clone)]
pub(crate) struct LastPut {
    pub(crate) status: Arc<NodeStatus>,
    pub(crate) at_ms: u64,
}

/// When this status should be put: now, at a later time unless it changes again, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Now,
    At(u64),
    Never,
}

/// A failure goes after [`FAILURE_EVERY_MS`], another change after [`PUT_EVERY_MS`], figures alone after [`FIGURES_EVERY_MS`].
pub(crate) fn when(last: Option<&LastPut>, status: &NodeStatus, now_ms: u64) -> Put {
    let Some(last) = last else { return Put::Now };
    let wait_ms = match compare(&last.status, status) {
        Difference::Failure => FAILURE_EVERY_MS,
        Difference::Decision => PUT_EVERY_MS,
        Difference::Figures => FIGURES_EVERY_MS,
        Difference::None => return Put::Never,
    };
    let due_ms = last.at_ms.saturating_add(wait_ms);
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

    fn check(change: impl FnOnce(&mut NodeStatus), waits: Option<u64>) {
        let last = LastPut { status: Arc::new(status()), at_ms: 1_000 };
        let mut status = status();
        change(&mut status);
        for now_ms in [1_000, 1_199, 1_200, 1_499, 1_500, 10_999, 11_000] {
            let expected = match waits.map(|wait_ms| 1_000 + wait_ms) {
                None => Put::Never,
                Some(due_ms) if now_ms >= due_ms => Put::Now,
                Some(due_ms) => Put::At(due_ms),
            };
            assert_eq!(when(Some(&last), &status, now_ms), expected, "{status:?} at {now_ms}");
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
