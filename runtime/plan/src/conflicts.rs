use switchyard_types::{StrategyDocument, StrategyName};

/// The strategy that keeps `candidate` from being accepted: on some node both would claim one slot with one priority, so
/// that nobody could say which decides. Of several the smallest name is given. A document of the candidate's own name is
/// what it replaces, and no conflict.
pub fn conflicts<'a>(
    candidate: &StrategyDocument,
    others: impl IntoIterator<Item = &'a StrategyDocument>,
) -> Option<StrategyName> {
    others.into_iter().filter(|other| collide(candidate, other)).map(|other| &other.name).min().cloned()
}

fn collide(candidate: &StrategyDocument, other: &StrategyDocument) -> bool {
    candidate.name != other.name
        && candidate.spec.slot() == other.spec.slot()
        && candidate.spec.priority == other.spec.priority
        && candidate.spec.selection().overlaps(&other.spec.selection())
}
