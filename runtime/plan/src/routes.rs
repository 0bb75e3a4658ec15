use std::collections::BTreeSet;

use switchyard_types::{RouteDocument, RouteName, route::RouteClaim};

use crate::{DesiredRoute, NodeView};

/// A route that takes what another takes already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConflict {
    /// The other route.
    pub with: RouteName,
    /// What both take.
    pub claim: RouteClaim,
}

/// What keeps `candidate` from being accepted: on some node another route would take the same requests, so that nobody could
/// say where they go. Of several the smallest name is given, and of its claims the first. A document of the candidate's own
/// name is what it replaces, and no conflict.
pub fn route_conflict<'a>(
    candidate: &RouteDocument,
    others: impl IntoIterator<Item = &'a RouteDocument>,
) -> Option<RouteConflict> {
    let claims: BTreeSet<RouteClaim> = candidate.spec.claims().collect();
    let common = |other: &RouteDocument| other.spec.claims().filter(|claim| claims.contains(claim)).min();
    others
        .into_iter()
        .filter(|other| other.name != candidate.name && other.spec.selection().overlaps(&candidate.spec.selection()))
        .filter_map(|other| Some((&other.name, common(other)?)))
        .min()
        .map(|(with, claim)| RouteConflict { with: with.clone(), claim })
}

/// The routes that a node has. What was never accepted is passed over. Two that take the same requests are
/// refused when they are applied; should they exist all the same, the smaller name stays, so that every node and the server
/// agree and the other routes go on.
pub(crate) fn desired_routes(documents: &[RouteDocument], node: &NodeView<'_>) -> Vec<DesiredRoute> {
    let mut matching: Vec<_> = documents.iter().filter(|document| node.is_meant(document.spec.selection())).collect();
    matching.sort_by_key(|document| &document.name);
    matching.dedup_by_key(|document| &document.name);
    let mut taken = BTreeSet::new();
    let mut desired = Vec::with_capacity(matching.len());
    for document in matching {
        let Some(status) = &document.status else { continue };
        let claims: Vec<_> = document.spec.claims().collect();
        if claims.iter().any(|claim| taken.contains(claim)) {
            continue;
        }
        taken.extend(claims);
        let (name, spec) = (document.name.clone(), document.spec.clone());
        desired.push(DesiredRoute { name, generation: status.generation, spec });
    }
    desired
}
