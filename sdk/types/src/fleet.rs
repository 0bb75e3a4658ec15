//! What is known of the fleet as a whole, and how changes of it are told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{NodeRecord, NodeStatus};

/// What the known nodes make of one strategy. Each node that should run it is in one of the other four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FleetCounts {
    /// Nodes that should run it: it is for them, and no other strategy comes before it in its slot.
    pub matched: usize,
    /// It decides there.
    pub active: usize,
    /// It is on its way there.
    pub staging: usize,
    /// It was refused there; what ran before goes on.
    pub failed: usize,
    /// The node has not been heard of lately.
    pub unknown: usize,
}

/// Whether a node is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Its status is there.
    Reporting,
    /// Its lease has ended: it may be gone, or cut off and serving.
    Unknown,
}

/// A node in a list: its status, or what was last known of it in the same shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedNode {
    /// Which of both.
    #[serde(default = "reporting")]
    pub status: NodeState,
    /// What it reports. Of a node that is unknown: who it is and what it ran last, and no figures.
    #[serde(flatten)]
    pub report: NodeStatus,
}

fn reporting() -> NodeState {
    NodeState::Reporting
}

impl ListedNode {
    /// One that reports.
    pub fn reporting(report: NodeStatus) -> Self {
        Self { status: NodeState::Reporting, report }
    }

    /// One of which only the durable record is there.
    pub fn unknown(record: NodeRecord) -> Self {
        Self { status: NodeState::Unknown, report: record.into_status() }
    }
}

/// One line of a watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchLine {
    /// What is told.
    #[serde(rename = "type")]
    pub kind: WatchKind,
    /// The object, as a list would show it. Of one that is gone: its name. Of a bookmark: the version to go on from. Of an
    /// error: the error.
    pub object: Value,
}

/// What a line of a watch tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WatchKind {
    /// The object is there, and this watch has not told of it before.
    Added,
    /// The object is another now.
    Modified,
    /// The object is gone.
    Deleted,
    /// Everything up to a version has been told.
    Bookmark,
    /// The watch ends, and why.
    Error,
}
