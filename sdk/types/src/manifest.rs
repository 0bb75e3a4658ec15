use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, PluginName, StrategyKind};

/// What a plugin wants to be told; see `interests` in `sdk/wit/lifecycle`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interests {
    /// Optional events, by name.
    pub events: Vec<String>,
    /// Events that a batched call should carry, 1 to 256.
    pub batch: u32,
    /// Period of `tick`, in milliseconds.
    pub tick_ms: Option<u32>,
    /// Whether the entity's key is wanted.
    pub keys: bool,
    /// Whether every entity is scored at every call.
    pub dense_scores: bool,
}

/// What the registry knows of a published plugin: its bytes' digest and what `describe` said. Immutable: a name and
/// version stand for one digest for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginManifest {
    /// The plugin's own name.
    pub name: PluginName,
    /// Its version.
    pub version: semver::Version,
    /// Identity of its bytes.
    pub digest: Digest,
    /// Size of its bytes.
    pub size_bytes: u64,
    /// What it can decide.
    pub kinds: Vec<StrategyKind>,
    /// The contracts it was built for, for example `switchyard:caching@0.1.0`.
    pub contracts: Vec<String>,
    /// JSON Schema of its configuration.
    pub configuration_schema: Value,
    /// Its default configuration.
    pub configuration_default: Value,
    /// Format of its exported state; none: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_format: Option<String>,
    /// What it wants to be told.
    pub interests: Interests,
    /// Names of its counters.
    #[serde(default)]
    pub counters: Vec<String>,
    /// Names of its gauges.
    #[serde(default)]
    pub gauges: Vec<String>,
}

/// Why bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON of a manifest.
    #[error("the plugin manifest is not valid")]
    Malformed(#[source] serde_json::Error),
    /// Too large to be one.
    #[error("the plugin manifest has {bytes} bytes: at most {limit} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
}

impl PluginManifest {
    /// A schema of a few hundred fields fits many times over; what is larger is not a manifest.
    pub const BYTES_MAX: usize = 1 << 20;

    /// Reads a manifest from JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(ManifestError::TooLarge { bytes: bytes.len(), limit: Self::BYTES_MAX });
        }
        serde_json::from_slice(bytes).map_err(ManifestError::Malformed)
    }
}
