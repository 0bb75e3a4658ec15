use std::collections::BTreeMap;

use switchyard_plan::{DesiredRoute, DesiredSlot, DesiredState};
use switchyard_types::{Generation, SlotId};

/// What a node tries when it starts, before it has heard of anybody.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Boot {
    /// The newest generation that the node remembers: an older plan is not followed.
    pub(crate) seen: Generation,
    /// What is known to run well.
    pub(crate) healthy: Vec<DesiredSlot>,
    /// By slot what to try, the best first.
    pub(crate) candidates: BTreeMap<SlotId, Vec<DesiredSlot>>,
    /// The gateway's.
    pub(crate) routes: BootRoutes,
}

/// Which routes a node tries when it starts.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct BootRoutes {
    /// What a gateway is known to have taken.
    pub(crate) healthy: Vec<DesiredRoute>,
    /// What to try, the best first.
    pub(crate) candidates: Vec<Vec<DesiredRoute>>,
}

/// What is healthy goes first, and what was received is tried where that does not come to life. Without a record of what
/// is healthy, what was received is all there is. A slot that a readable healthy record does not name ran the built-in
/// fallback, and does so again.
pub(crate) fn boot(received: Option<DesiredState>, healthy: Option<DesiredState>) -> Boot {
    let generation = |state: &Option<DesiredState>| state.as_ref().map_or(Generation::default(), |s| s.generation);
    let seen = generation(&received).max(generation(&healthy));
    let routes = boot_routes(&received, &healthy);
    let received = received.map(|state| state.slots).unwrap_or_default();
    let Some(healthy) = healthy.map(|state| state.slots) else {
        let candidates = received.into_iter().map(|slot| (slot.slot.clone(), vec![slot])).collect();
        return Boot { seen, healthy: Vec::new(), candidates, routes };
    };
    let candidates = healthy
        .iter()
        .map(|good| {
            let newer = received.iter().filter(|new| new.slot == good.slot && !new.same_content(good));
            (good.slot.clone(), std::iter::once(good).chain(newer).cloned().collect())
        })
        .collect();
    Boot { seen, healthy, candidates, routes }
}

fn boot_routes(received: &Option<DesiredState>, healthy: &Option<DesiredState>) -> BootRoutes {
    let of = |state: &Option<DesiredState>| state.as_ref().map(|state| state.routes.clone());
    let (healthy, received) = (of(healthy), of(received));
    let mut candidates: Vec<_> = healthy.iter().chain(&received).cloned().collect();
    candidates.dedup();
    BootRoutes { healthy: healthy.unwrap_or_default(), candidates }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use switchyard_types::{Digest, Limits, StrategyKind};

    fn slot(target: &str, content: &str) -> DesiredSlot {
        DesiredSlot {
            slot: SlotId { kind: StrategyKind::Caching, target: target.to_owned() },
            strategy: "sessions".parse().unwrap(),
            generation: Generation::default(),
            digest: Digest::of(content.as_bytes()),
            configuration: json!({}),
            limits: Limits::DEFAULT,
        }
    }

    fn state(counter: u64, slots: &[&DesiredSlot]) -> Option<DesiredState> {
        let slots = slots.iter().map(|slot| (*slot).clone()).collect();
        Some(DesiredState { generation: Generation { epoch: 0, counter }, slots, ..DesiredState::default() })
    }

    /// What is tried for each slot, in order.
    fn check(healthy: Option<DesiredState>, received: Option<DesiredState>, seen: u64, expected: &[&[&DesiredSlot]]) {
        let good = healthy.as_ref().map(|state| state.slots.clone()).unwrap_or_default();
        let boot = boot(received, healthy);
        assert_eq!(
            boot.candidates.values().map(|slots| slots.iter().collect::<Vec<_>>()).collect::<Vec<_>>(),
            expected
        );
        assert_eq!((boot.seen.counter, boot.healthy), (seen, good));
    }

    #[test]
    fn the_healthy_version_goes_before_the_received_one() {
        let (a, b) = (&slot("", "a"), &slot("", "b"));
        check(None, None, 0, &[]);
        check(state(1, &[a]), None, 1, &[&[a]]);
        check(None, state(2, &[b]), 2, &[&[b]]);
        check(state(1, &[a]), state(2, &[b]), 2, &[&[a, b]]);
        check(state(1, &[a]), state(2, &[a]), 2, &[&[a]]);
        check(state(2, &[a]), state(3, &[]), 3, &[&[a]]);
        check(state(2, &[]), state(3, &[a]), 3, &[]);
    }

    #[test]
    fn the_routes_that_a_gateway_has_had_go_before_those_that_it_was_told() {
        let routes = |port: u16| {
            let spec = json!({"backends": [{"name": "a", "address": format!("127.0.0.1:{port}")}]});
            let spec = serde_json::from_value(spec).unwrap();
            vec![DesiredRoute { name: "shop".parse().unwrap(), generation: Generation::default(), spec }]
        };
        let with = |routes| Some(DesiredState { routes, ..DesiredState::default() });
        let check = |healthy, received, expected: &[Vec<DesiredRoute>]| {
            assert_eq!(boot(received, healthy).routes.candidates, expected);
        };
        check(None, None, &[]);
        check(with(routes(1)), None, &[routes(1)]);
        check(None, with(routes(1)), &[routes(1)]);
        check(with(routes(1)), with(routes(2)), &[routes(1), routes(2)]);
        check(with(routes(1)), with(routes(1)), &[routes(1)]);
    }
}
