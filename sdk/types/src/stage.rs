use std::fmt;

use serde::{Deserialize, Serialize};

/// The steps on the way from an upload or a desired state to an active strategy, in their order. The same names stand in
/// the API, in a node's status, in logs and in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The server takes the bytes: size, and that they are a component.
    Upload,
    /// The configuration is held against the plugin's JSON Schema.
    Schema,
    /// The node gets the plugin's bytes.
    Fetch,
    /// The bytes have the digest that was asked for.
    Verify,
    /// WebAssembly becomes machine code, in a worker process with limits.
    Compile,
    /// Imports and exports are held against the contracts.
    Link,
    /// The plugin says what it is.
    Describe,
    /// The plugin takes its configuration.
    Configure,
    /// A throw-away instance goes through the fixed corpus of its kind.
    SelfTest,
    /// State of the previous instance is taken over, where formats match.
    Import,
    /// The new instances learn what the host's table holds.
    Adopt,
    /// Decisions pass to the new instances.
    Flip,
    /// The old instances finish and are dropped.
    Drain,
}

impl Stage {
    /// The name as it stands everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Schema => "schema",
            Self::Fetch => "fetch",
            Self::Verify => "verify",
            Self::Compile => "compile",
            Self::Link => "link",
            Self::Describe => "describe",
            Self::Configure => "configure",
            Self::SelfTest => "self-test",
            Self::Import => "import",
            Self::Adopt => "adopt",
            Self::Flip => "flip",
            Self::Drain => "drain",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where something was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("refused at {stage}: {reason}")]
pub struct StageFailure {
    /// The step that refused it.
    pub stage: Stage,
    /// One sentence for the person who can mend it.
    pub reason: String,
}

impl StageFailure {
    /// A failure of `stage`.
    pub fn new(stage: Stage, reason: impl fmt::Display) -> Self {
        Self { stage, reason: reason.to_string() }
    }
}
