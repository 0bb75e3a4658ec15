use std::collections::BTreeMap;

use switchyard_plan::{NodeView, winners};
use switchyard_types::{FleetCounts, NodeId, SlotStatus, SlotVersion, StrategyDocument, StrategyName};

use super::view::{KnownNode, KnownSlot};

/// How far one node is with one strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Active,
    Staging,
    Failed,
    Unknown,
}

/// What these nodes make of these strategies. Pure.
pub(super) fn counts(
    strategies: &[StrategyDocument],
    nodes: &BTreeMap<NodeId, KnownNode>,
) -> BTreeMap<StrategyName, FleetCounts> {
    let none = |strategy: &StrategyDocument| (strategy.name.clone(), FleetCounts::default());
    let mut counts: BTreeMap<_, _> = strategies.iter().map(none).collect();
    for (id, node) in nodes {
        for strategy in winners(strategies, &NodeView { id, labels: &node.labels }).into_values() {
            let Some(counts) = counts.get_mut(&strategy.name) else { continue };
            counts.matched += 1;
            *match stand(strategy, node) {
                Stand::Active => &mut counts.active,
                Stand::Staging => &mut counts.staging,
                Stand::Failed => &mut counts.failed,
                Stand::Unknown => &mut counts.unknown,
            } += 1;
        }
    }
    counts
}

fn stand(strategy: &StrategyDocument, node: &KnownNode) -> Stand {
    let Some(slots) = &node.slots else { return Stand::Unknown };
    let Some(status) = &strategy.status else { return Stand::Staging };
    let is_it = |version: &Option<SlotVersion>| {
        version.as_ref().is_some_and(|version| {
            version.strategy == strategy.name
                && version.generation == status.generation
                && version.digest == status.digest
        })
    };
    let wanted = strategy.spec.slot();
    match slots.iter().find(|slot| slot.slot == wanted) {
        Some(slot) if is_it(&slot.active) => Stand::Active,
        Some(slot) if is_it(&slot.failed) => Stand::Failed,
        _ => Stand::Staging,
    }
}

impl From<SlotStatus> for KnownSlot {
    fn from(status: SlotStatus) -> Self {
        let failed = status.last_failure.map(|failure| failure.version);
        Self { slot: status.slot, active: status.active, failed }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchyard_types::Digest;

    use super::*;

    fn strategy(name: &str, spec: Value, counter: u64) -> StrategyDocument {
        let mut whole = json!({"kind": "caching", "plugin": "caching-lru@0.1.0"});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let generation = json!({"epoch": 0, "counter": counter});
        let status = json!({"generation": generation, "digest": Digest::of(b"plugin"), "configuration": {}});
        serde_json::from_value(json!({"kind": "Strategy", "name": name, "spec": whole, "status": status})).unwrap()
    }

    fn version(name: &str, counter: u64) -> Option<SlotVersion> {
        let version = json!({"strategy": name, "generation": {"epoch": 0, "counter": counter},
                             "digest": Digest::of(b"plugin")});
        serde_json::from_value(version).unwrap()
    }

    fn node(region: &str, slots: Option<(Option<SlotVersion>, Option<SlotVersion>)>) -> KnownNode {
        let slot = |(active, failed)| {
            vec![KnownSlot { slot: serde_json::from_value(json!({"kind": "caching"})).unwrap(), active, failed }]
        };
        KnownNode { labels: [("region".to_owned(), region.to_owned())].into(), slots: slots.map(slot) }
    }

    #[test]
    fn every_node_that_should_run_it_is_counted_once() {
        let strategies =
            [strategy("all", json!({}), 3), strategy("eu", json!({"selector": {"region": "eu"}, "priority": 1}), 2)];
        let nodes = [
            ("n1", node("us", Some((version("all", 3), None)))),
            ("n2", node("us", Some((version("all", 2), None)))),
            ("n3", node("us", Some((version("all", 2), version("all", 3))))),
            ("n4", node("us", None)),
            ("n5", node("us", Some((version("all", 3), version("all", 3))))),
            ("n6", node("eu", Some((version("eu", 2), None)))),
            ("n7", node("eu", Some((version("all", 3), None)))),
            ("n8", KnownNode { labels: BTreeMap::new(), slots: Some(Vec::new()) }),
        ];
        let nodes = nodes.map(|(id, node)| (id.parse().unwrap(), node)).into();
        let counted = counts(&strategies, &nodes);
        let all = FleetCounts { matched: 6, active: 2, staging: 2, failed: 1, unknown: 1 };
        let eu = FleetCounts { matched: 2, active: 1, staging: 1, failed: 0, unknown: 0 };
        assert_eq!((counted[&strategies[0].name], counted[&strategies[1].name]), (all, eu));
        let nobody = counts(&strategies, &BTreeMap::new());
        assert_eq!(nobody[&strategies[0].name], FleetCounts::default());
    }
}
