use std::collections::{BTreeMap, BTreeSet};

use switchyard_plan::{NodeView, winners};
use switchyard_types::{FleetCounts, Generation, NodeId, SlotStatus, SlotVersion, StrategyDocument, StrategyName};

use super::view::{Known, KnownNode, KnownSlot};

/// How far one node is with one strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Active,
    Staging,
    Failed,
    Unknown,
}

/// What was counted last, and of what.
#[derive(Default)]
pub(super) struct Counted {
    /// Of everything that was known.
    version: u64,
    counts: BTreeMap<StrategyName, (Generation, FleetCounts)>,
}

impl Counted {
    /// The counts of these strategies, if they were made of just this.
    pub(super) fn find(&self, version: u64, of: &[StrategyDocument]) -> Option<BTreeMap<StrategyName, FleetCounts>> {
        if self.version != version {
            return None;
        }
        let found = |document: &StrategyDocument| {
            let (of, counts) = self.counts.get(&document.name)?;
            let generation = document.status.as_ref()?.generation;
            (*of == generation).then(|| (document.name.clone(), *counts))
        };
        of.iter().map(found).collect()
    }

    pub(super) fn keep(&mut self, version: u64, of: &[StrategyDocument], counts: &BTreeMap<StrategyName, FleetCounts>) {
        if self.version != version {
            *self = Self { version, counts: BTreeMap::new() };
        }
        for document in of {
            if let (Some(status), Some(counts)) = (&document.status, counts.get(&document.name)) {
                self.counts.insert(document.name.clone(), (status.generation, *counts));
            }
        }
    }
}

/// What the known nodes make of these strategies, which may be newer than what is known of them: only those are held against each
/// other that claim the same slots.
pub(super) fn counts_of(known: &Known, of: Vec<StrategyDocument>) -> BTreeMap<StrategyName, FleetCounts> {
    let slots: BTreeSet<_> = of.iter().map(|document| document.spec.slot()).collect();
    let names: BTreeSet<_> = of.iter().map(|document| document.name.clone()).collect();
    let rivals = known.strategies.values();
    let rivals = rivals.filter(|rival| !names.contains(&rival.name) && slots.contains(&rival.spec.slot())).cloned();
    let mut counts = counts(&rivals.chain(of).collect::<Vec<_>>(), &known.nodes);
    counts.retain(|name, _| names.contains(name));
    counts
}

/// What these nodes make of these strategies. Pure.
fn counts(strategies: &[StrategyDocument], nodes: &BTreeMap<NodeId, KnownNode>) -> BTreeMap<StrategyName, FleetCounts> {
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

        // Whoever asks may have a newer one than the view: it is that one which counts, against the others as they are known.
        let declared = strategies.map(|strategy| (strategy.name.clone(), strategy));
        let [all, eu] = declared.clone().map(|(name, _)| name);
        let known =
            Known { version: 1, nodes: std::sync::Arc::new(nodes), strategies: std::sync::Arc::new(declared.into()) };
        let newer = counts_of(&known, vec![strategy("all", json!({}), 4)]);
        let staging = FleetCounts { matched: 6, active: 0, staging: 5, failed: 0, unknown: 1 };
        assert_eq!(newer, [(all.clone(), staging)].into());
        let elsewhere = counts_of(&known, vec![strategy("b", json!({"target": "other"}), 5)]);
        assert!(elsewhere.len() == 1 && !elsewhere.contains_key(&eu), "{elsewhere:?}");
    }

    #[test]
    fn what_was_counted_counts_for_that_alone() {
        let [one, newer] = [3, 4].map(|counter| strategy("all", json!({}), counter));
        let counts = BTreeMap::from([(one.name.clone(), FleetCounts { matched: 2, ..FleetCounts::default() })]);
        let mut counted = Counted::default();
        counted.keep(7, std::slice::from_ref(&one), &counts);
        assert_eq!(counted.find(7, std::slice::from_ref(&one)), Some(counts));
        assert_eq!(counted.find(8, std::slice::from_ref(&one)), None, "something is known meanwhile");
        assert_eq!(counted.find(7, &[newer]), None, "of another generation");
    }
}
