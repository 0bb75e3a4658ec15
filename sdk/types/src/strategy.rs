use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Cohort, Digest, FleetCounts, Generation, LimitsSpec, NodeSelector, PluginName, Selection, SlotId};

/// What a strategy decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKind {
    /// What is worth waking somebody for.
    Alerting,
    /// What a cache keeps.
    Caching,
    /// Which backend gets a request.
    Routing,
    /// Which task runs next.
    Scheduling,
    /// How healthy something is.
    Scoring,
}

impl StrategyKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Alerting, Self::Caching, Self::Routing, Self::Scheduling, Self::Scoring];

    /// The name as it stands everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerting => "alerting",
            Self::Caching => "caching",
            Self::Routing => "routing",
            Self::Scheduling => "scheduling",
            Self::Scoring => "scoring",
        }
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StrategyKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            format!("{text:?} is not a kind of strategy: expected {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

/// A published plugin: `name@version` or a digest. There is no `latest`: what runs is what was named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PluginRef {
    /// By name and version.
    Version(PluginName, semver::Version),
    /// By the digest of its bytes.
    Digest(Digest),
}

/// Why a text does not name a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin {0:?} is not valid: expected name@version, for example caching-lru@0.1.0, or sha256: and 64 digits")]
pub struct PluginRefError(String);

impl FromStr for PluginRef {
    type Err = PluginRefError;

    fn from_str(text: &str) -> Result<Self, PluginRefError> {
        let wrong = || PluginRefError(text.chars().take(100).collect());
        if text.starts_with("sha256:") {
            return text.parse().map(Self::Digest).map_err(|_| wrong());
        }
        let (name, version) = text.split_once('@').ok_or_else(wrong)?;
        Ok(Self::Version(name.parse().map_err(|_| wrong())?, version.parse().map_err(|_| wrong())?))
    }
}

impl TryFrom<String> for PluginRef {
    type Error = PluginRefError;

    fn try_from(text: String) -> Result<Self, PluginRefError> {
        text.parse()
    }
}

impl From<PluginRef> for String {
    fn from(plugin: PluginRef) -> Self {
        plugin.to_string()
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(name, version) => write!(f, "{name}@{version}"),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// What an operator declares: a plugin, its configuration, and where it decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategySpec {
    /// What it decides about.
    pub kind: StrategyKind,
    /// The plugin, published before.
    pub plugin: PluginRef,
    /// Which slot; see [`SlotId::target`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Which nodes, by their labels.
    #[serde(default)]
    pub selector: NodeSelector,
    /// Which part of these.
    #[serde(default, skip_serializing_if = "Cohort::is_whole")]
    pub cohort: Cohort,
    /// Where two strategies match one slot, the higher wins; two equal ones are refused.
    #[serde(default)]
    pub priority: i32,
    /// Limits other than the defaults.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// The plugin's configuration; none: its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Value>,
}

impl StrategySpec {
    /// The slot that it claims on a node.
    pub fn slot(&self) -> SlotId {
        SlotId { kind: self.kind, target: self.target.clone() }
    }

    /// The nodes that it is for.
    pub fn selection(&self) -> Selection<'_> {
        Selection { selector: &self.selector, cohort: &self.cohort }
    }
}

/// What the server adds to an accepted strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrategyStatus {
    /// The desired state that this strategy, as it stands, first belonged to.
    pub generation: Generation,
    /// The bytes that `spec.plugin` stands for.
    pub digest: Digest,
    /// The configuration that instances get: what was declared, or the plugin's default.
    pub configuration: Value,
    /// What the known nodes make of it. Counted when it is asked for; none: the server does not know its nodes yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetCounts>,
    /// What looks like a mistake and is none by itself, one sentence each: told to whoever applies it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl StrategyStatus {
    /// Of a strategy that was just accepted.
    pub fn new(generation: Generation, digest: Digest, configuration: Value) -> Self {
        Self { generation, digest, configuration, fleet: None, warnings: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_by_version_or_digest() {
        let digest = Digest::of(b"x").to_string();
        for good in ["caching-lru@0.1.0", "a@1.2.3-rc.1", &digest] {
            assert_eq!(good.parse::<PluginRef>().map(|r| r.to_string()), Ok(good.to_owned()));
        }
        for bad in ["caching-lru", "caching-lru@latest", "@1.0.0", "A@1.0.0", "sha256:12"] {
            assert!(bad.parse::<PluginRef>().is_err(), "{bad}");
        }
    }
}
