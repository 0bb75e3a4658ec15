use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StrategyKind;

/// A place on a node where decisions of one kind are made. The target says for what: for caching a namespace prefix,
/// empty for the whole cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotId {
    /// What is decided.
    pub kind: StrategyKind,
    /// For what.
    #[serde(default)]
    pub target: String,
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.target.is_empty() { write!(f, "{}", self.kind) } else { write!(f, "{}/{}", self.kind, self.target) }
    }
}
