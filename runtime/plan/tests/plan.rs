//! The planner against plain expected values, and its promises over generated documents.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by where it stops")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use switchyard_plan::{DesiredState, NodeView, conflicts};
use switchyard_types::{Digest, Generation, Limits, NodeId, RouteDocument, StrategyDocument};

const GENERATION: Generation = Generation { epoch: 1, counter: 9 };

/// The plan of a node with these labels.
fn plan(
    generation: Generation,
    strategies: &[StrategyDocument],
    routes: &[RouteDocument],
    labels: &BTreeMap<String, String>,
) -> DesiredState {
    let id = "node-1".parse().unwrap();
    switchyard_plan::plan(generation, strategies, routes, &NodeView { id: &id, labels })
}

/// Accepted documents by name and spec; the configuration tells them apart.
fn documents(specs: &[(&str, Value)]) -> Vec<StrategyDocument> {
    specs.iter().map(|(name, spec)| document(name, spec.clone())).collect()
}

fn document(name: &str, spec: Value) -> StrategyDocument {
    let mut full = json!({"kind": "caching", "plugin": "caching-lru@0.1.0"});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let declared = json!({"kind": "Strategy", "name": name, "spec": full});
    let mut document: StrategyDocument = serde_json::from_value(declared).unwrap();
    document.status = serde_json::from_value(json!({
        "generation": {"epoch": 1, "counter": 4},
        "digest": Digest::of(b"plugin"),
        "configuration": {"of": name},
    }))
    .unwrap();
    document
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn is_meant(document: &StrategyDocument, labels: &BTreeMap<String, String>) -> bool {
    let id = "node-1".parse().unwrap();
    NodeView { id: &id, labels }.is_meant(document.spec.selection())
}

/// Names of the winners as `target=strategy`, in order of precedence.
fn check(node: &[(&str, &str)], specs: &[(&str, Value)], expected: &[&str]) {
    let desired = plan(GENERATION, &documents(specs), &[], &labels(node));
    let slots: Vec<_> = desired.slots.iter().map(|slot| format!("{}={}", slot.slot.target, slot.strategy)).collect();
    assert_eq!(slots, expected, "node {node:?}, strategies {specs:?}");
    assert_eq!(desired.generation, GENERATION);
}

#[test]
fn the_whole_plan_of_one_strategy() {
    let specs = documents(&[("sessions", json!({"limits": {"waited_call_us": 500}}))]);
    let expected = json!({
        "generation": {"epoch": 1, "counter": 9},
        "slots": [{
            "slot": {"kind": "caching", "target": ""},
            "strategy": "sessions",
            "generation": {"epoch": 1, "counter": 4},
            "digest": Digest::of(b"plugin"),
            "configuration": {"of": "sessions"},
            "limits": {
                "waited_call_us": 500, "batched_call_us": 10_000, "lifecycle_call_us": 1_000_000,
                "memory_bytes": 64 << 20,
            },
        }],
    });
    let desired = plan(GENERATION, &specs, &[], &labels(&[]));
    assert_eq!(serde_json::to_value(&desired).unwrap(), expected);
    assert_eq!(serde_json::from_value::<DesiredState>(expected).unwrap(), desired);
}

#[test]
fn a_cohort_and_the_rest_of_the_fleet_share_a_slot_without_a_conflict() {
    let specs = documents(&[
        ("canary", json!({"cohort": {"to_percent": 25}})),
        ("rest", json!({"cohort": {"from_percent": 25}})),
    ]);
    assert_eq!(conflicts(&specs[0], &specs), None);
    let nodes: Vec<NodeId> = (0..1_000).map(|n| format!("node-{n}").parse().unwrap()).collect();
    let winner = |id: &NodeId| {
        let desired = switchyard_plan::plan(GENERATION, &specs, &[], &NodeView { id, labels: &BTreeMap::new() });
        assert_eq!(desired.slots.len(), 1);
        desired.slots[0].strategy.as_str() == "canary"
    };
    let canaries = nodes.iter().filter(|id| winner(id)).count();
    assert!((200..300).contains(&canaries), "{canaries} of 1,000");
    let whole = document("whole", json!({"cohort": {"to_percent": 25.01}}));
    assert_eq!(conflicts(&whole, &specs).unwrap().as_str(), "canary");
}

#[test]
fn the_higher_priority_wins_and_then_the_smaller_name() {
    check(&[], &[], &[]);
    check(&[], &[("a", json!({"priority": 1})), ("b", json!({"priority": 2}))], &["=b"]);
    check(&[], &[("b", json!({"priority": 2})), ("a", json!({"priority": -1}))], &["=b"]);
    check(&[], &[("b", json!({})), ("a", json!({}))], &["=a"]);
}

#[test]
fn slots_are_ordered_by_priority_and_then_the_longer_target() {
    check(&[], &[("a", json!({})), ("b", json!({"target": "web"}))], &["web=b", "=a"]);
    check(&[], &[("a", json!({"priority": 1})), ("b", json!({"target": "web"}))], &["=a", "web=b"]);
    check(&[], &[("a", json!({"target": "api"})), ("b", json!({"target": "web"}))], &["api=a", "web=b"]);
}

#[test]
fn labels_select_nodes() {
    let eu = json!({"selector": {"region": "eu"}, "priority": 1});
    let specs = [("everywhere", json!({})), ("europe", eu)];
    check(&[("region", "eu"), ("disk", "ssd")], &specs, &["=europe"]);
    check(&[("region", "us")], &specs, &["=everywhere"]);
    check(&[], &specs, &["=everywhere"]);
}

#[test]
fn a_document_that_was_never_accepted_is_passed_over() {
    let mut specs = documents(&[("a", json!({})), ("b", json!({}))]);
    specs[0].status = None;
    let desired = plan(GENERATION, &specs, &[], &labels(&[]));
    assert_eq!(desired.slots.len(), 1);
    assert_eq!(desired.slots[0].strategy.as_str(), "b");
}

#[test]
fn limits_over_the_ceiling_of_a_node_are_lowered_to_it() {
    let specs = documents(&[("a", json!({"limits": {"memory_bytes": u64::MAX, "batched_call_us": 0}}))]);
    let limits = plan(GENERATION, &specs, &[], &labels(&[])).slots[0].limits;
    assert_eq!(limits, Limits { memory_bytes: Limits::CEILING.memory_bytes, batched_call_us: 1, ..Limits::DEFAULT });
}

#[test]
fn an_older_plan_is_not_followed() {
    let desired = plan(GENERATION, &[], &[], &labels(&[]));
    for (epoch, counter, follow) in [(1, 8, true), (1, 9, true), (1, 10, false), (0, 99, true), (2, 0, false)] {
        assert_eq!(desired.supersedes(Generation { epoch, counter }), follow, "{epoch}.{counter}");
    }
}

#[test]
fn a_new_name_or_generation_is_the_same_content() {
    let desired = plan(GENERATION, &documents(&[("a", json!({}))]), &[], &labels(&[])).slots.remove(0);
    let renamed = switchyard_plan::DesiredSlot {
        strategy: "b".parse().unwrap(),
        generation: GENERATION.next(),
        ..desired.clone()
    };
    assert!(desired.same_content(&renamed));
    for other in [
        switchyard_plan::DesiredSlot { configuration: json!({}), ..desired.clone() },
        switchyard_plan::DesiredSlot { digest: Digest::of(b"other"), ..desired.clone() },
        switchyard_plan::DesiredSlot { limits: Limits::CEILING, ..desired.clone() },
    ] {
        assert!(!desired.same_content(&other), "{other:?}");
    }
}

#[test]
fn a_conflict_is_one_slot_one_priority_and_overlapping_nodes() {
    let conflict = |candidate: Value, other: Value| {
        conflicts(&document("new", candidate), &documents(&[("old", other)])).map(|name| name.to_string())
    };
    let (eu, us) = (json!({"selector": {"region": "eu"}}), json!({"selector": {"region": "us"}}));
    assert_eq!(conflict(json!({}), json!({})), Some("old".to_owned()));
    assert_eq!(conflict(json!({}), eu.clone()), Some("old".to_owned()));
    assert_eq!(conflict(us, eu), None);
    assert_eq!(conflict(json!({"priority": 1}), json!({})), None);
    assert_eq!(conflict(json!({"target": "web"}), json!({})), None);
}

#[test]
fn a_conflict_names_the_smallest_and_never_the_candidate_itself() {
    let others = documents(&[("new", json!({})), ("b", json!({})), ("a", json!({}))]);
    assert_eq!(conflicts(&document("new", json!({})), &others).unwrap().as_str(), "a");
    assert_eq!(conflicts(&document("new", json!({})), &others[..1]), None);
}

prop_compose! {
    fn any_document()(
        name in "[a-e]",
        priority in -1..2i32,
        target in prop::sample::select(vec!["", "web", "api"]),
        selector in prop::sample::select(vec![json!({}), json!({"r": "eu"}), json!({"r": ["us", "eu"]}), json!({"d": "ssd"})]),
        cohort in prop::sample::select(vec![json!({}), json!({"to_percent": 50}), json!({"from_percent": 50})]),
        accepted in prop::bool::weighted(0.9),
    ) -> StrategyDocument {
        let mut document = document(&name, json!({"priority": priority, "target": target, "selector": selector, "cohort": cohort}));
        document.status = document.status.filter(|_| accepted);
        document
    }
}

/// Documents as the store holds them: one a name.
fn any_documents() -> impl Strategy<Value = Vec<StrategyDocument>> {
    prop::collection::vec(any_document(), 0..6)
        .prop_map(|documents| {
            documents.into_iter().map(|document| (document.name.clone(), document)).collect::<BTreeMap<_, _>>()
        })
        .prop_map(|by_name| by_name.into_values().collect())
}

fn any_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::sample::select(vec![
        labels(&[]),
        labels(&[("r", "eu")]),
        labels(&[("r", "us"), ("d", "ssd")]),
        labels(&[("d", "hdd")]),
    ])
}

proptest! {
    #[test]
    fn the_order_of_documents_does_not_matter(
        (documents, shuffled) in any_documents().prop_flat_map(|d| (Just(d.clone()), Just(d).prop_shuffle())),
        labels in any_labels(),
    ) {
        prop_assert_eq!(plan(GENERATION, &documents, &[], &labels), plan(GENERATION, &shuffled, &[], &labels));
    }

    #[test]
    fn a_slot_is_won_by_a_matching_document_that_nothing_matching_beats(
        documents in any_documents(),
        labels in any_labels(),
    ) {
        let desired = plan(GENERATION, &documents, &[], &labels);
        let matching: Vec<_> =
            documents.iter().filter(|d| d.status.is_some() && is_meant(d, &labels)).collect();
        for slot in &desired.slots {
            let winner = matching.iter().find(|d| d.name == slot.strategy).unwrap();
            prop_assert_eq!(winner.spec.slot(), slot.slot.clone());
            for rival in matching.iter().filter(|d| d.spec.slot() == slot.slot) {
                prop_assert!(rival.spec.priority <= winner.spec.priority);
            }
        }
        for document in matching {
            prop_assert_eq!(desired.slots.iter().filter(|slot| slot.slot == document.spec.slot()).count(), 1);
        }
    }

    #[test]
    fn a_document_for_other_nodes_or_slots_changes_nothing_else(
        documents in any_documents(),
        labels in any_labels(),
        elsewhere in any::<bool>(),
    ) {
        let before = plan(GENERATION, &documents, &[], &labels);
        let spec = if elsewhere { json!({"selector": {"none": "such"}}) } else { json!({"target": "jobs"}) };
        let mut more = documents.clone();
        more.push(document("z", spec));
        let mut after = plan(GENERATION, &more, &[], &labels);
        after.slots.retain(|slot| slot.slot.target != "jobs");
        prop_assert_eq!(after, before);
    }

    #[test]
    fn what_the_server_accepts_one_by_one_is_never_ambiguous(documents in any_documents(), labels in any_labels()) {
        let mut accepted: Vec<StrategyDocument> = Vec::new();
        for document in documents {
            if conflicts(&document, &accepted).is_none() {
                accepted.push(document);
            }
        }
        for slot in plan(GENERATION, &accepted, &[], &labels).slots {
            let rivals = accepted.iter().filter(|d| d.spec.slot() == slot.slot && is_meant(d, &labels));
            let mut priorities: Vec<_> = rivals.map(|d| d.spec.priority).collect();
            let all = priorities.len();
            priorities.sort_unstable();
            priorities.dedup();
            prop_assert_eq!(priorities.len(), all);
        }
    }
}
