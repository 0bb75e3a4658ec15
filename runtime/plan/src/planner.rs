use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map::Entry},
};

use switchyard_types::{
    Generation, Limits, LimitsSpec, NodeId, RouteDocument, Selection, SlotId, StrategyDocument, StrategyName,
};

use crate::{DesiredSlot, DesiredState, routes::desired_routes};

/// A node as far as plans look at it.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'a> {
    /// Who it is.
    pub id: &'a NodeId,
    /// What it is labelled with.
    pub labels: &'a BTreeMap<String, String>,
}

impl NodeView<'_> {
    /// Whether a document for these nodes is for this one.
    pub fn is_meant(&self, selection: Selection<'_>) -> bool {
        selection.matches(self.id, self.labels)
    }
}

/// What this node runs, given every declared strategy and route at `generation`.
///
/// Of the strategies that match the node and claim one slot the highest priority wins. Equal ones are refused when they
/// are applied; should two exist all the same, the smaller name wins, so that every node and the server agree. Slots are
/// ordered by priority, then by the longer target, then by name. A document without a status was never accepted, and is
/// passed over. Of the routes that match the node each is there once, ordered by name.
pub fn plan(
    generation: Generation,
    documents: &[StrategyDocument],
    routes: &[RouteDocument],
    node: &NodeView<'_>,
) -> DesiredState {
    let mut ordered: Vec<_> = winners(documents, node).into_values().collect();
    ordered.sort_by(|a, b| precedence(a).cmp(&precedence(b)));
    let slots = ordered.into_iter().filter_map(desired_slot).collect();
    DesiredState { generation, slots, routes: desired_routes(routes, node) }
}

/// By slot, the strategy that decides on this node: the part of [`plan`] that whoever counts nodes needs.
pub fn winners<'a>(documents: &'a [StrategyDocument], node: &NodeView<'_>) -> BTreeMap<SlotId, &'a StrategyDocument> {
    let mut winners: BTreeMap<SlotId, &StrategyDocument> = BTreeMap::new();
    for document in documents {
        if document.status.is_none() || !node.is_meant(document.spec.selection()) {
            continue;
        }
        match winners.entry(document.spec.slot()) {
            Entry::Vacant(free) => {
                free.insert(document);
            }
            Entry::Occupied(mut taken) if precedence(document) < precedence(taken.get()) => {
                taken.insert(document);
            }
            Entry::Occupied(_) => {}
        }
    }
    winners
}

/// Smaller decides first.
fn precedence(document: &StrategyDocument) -> (Reverse<i32>, Reverse<usize>, &StrategyName) {
    (Reverse(document.spec.priority), Reverse(document.spec.target.len()), &document.name)
}

fn desired_slot(document: &StrategyDocument) -> Option<DesiredSlot> {
    let status = document.status.as_ref()?;
    Some(DesiredSlot {
        slot: document.spec.slot(),
        strategy: document.name.clone(),
        generation: status.generation,
        digest: status.digest,
        configuration: status.configuration.clone(),
        limits: limits(document.spec.limits),
    })
}

/// The server refuses limits out of range. A node whose ceiling is lower than the server's lowers them to its own:
/// leaving the strategy out would take away a version that runs well.
fn limits(spec: LimitsSpec) -> Limits {
    let (default, ceiling) = (Limits::DEFAULT, Limits::CEILING);
    let pick = |wish: Option<u64>, default: u64, ceiling: u64| wish.unwrap_or(default).clamp(1, ceiling);
    Limits {
        waited_call_us: pick(spec.waited_call_us, default.waited_call_us, ceiling.waited_call_us),
        batched_call_us: pick(spec.batched_call_us, default.batched_call_us, ceiling.batched_call_us),
        lifecycle_call_us: pick(spec.lifecycle_call_us, default.lifecycle_call_us, ceiling.lifecycle_call_us),
        memory_bytes: pick(spec.memory_bytes, default.memory_bytes, ceiling.memory_bytes),
    }
}
