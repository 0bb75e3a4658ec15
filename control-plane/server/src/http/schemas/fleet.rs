use serde::Serialize;
use utoipa::ToSchema;

use super::NodeStatus;

/// What the known nodes make of a strategy. Each that should run it is in one of the other four.
#[derive(Serialize, ToSchema)]
pub(super) struct FleetCounts {
    /// Nodes that should run it.
    matched: usize,
    /// It decides there.
    active: usize,
    /// It is on its way there.
    staging: usize,
    /// It was refused there; what ran before goes on.
    failed: usize,
    /// The node has not been heard of lately.
    unknown: usize,
}

/// A node in a list.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ListedNode {
    status: NodeState,
    /// What it reports. Of a node that is unknown: who it is and what it ran last, and no figures.
    #[serde(flatten)]
    report: NodeStatus,
}

/// Whether a node is heard of.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NodeState {
    /// Its status is there.
    Reporting,
    /// Its lease has ended: it may be gone, or cut off and serving.
    Unknown,
}
