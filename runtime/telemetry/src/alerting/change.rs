use serde::{Deserialize, Serialize};

use super::Alert;

/// What happened to an alert that somebody may want to know. In JSON by its name: `fired`, `severity`, `resolved`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It fires.
    Fired,
    /// It goes on firing with another severity.
    Severity,
    /// It fired and is over.
    Resolved,
}

/// A change and the alert after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The alert as it is now.
    pub alert: Alert,
}
