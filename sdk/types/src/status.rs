use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Generation, NodeId, PluginName, RouteName, SlotId, Stage, StageFailure, StrategyName};

/// One version of one strategy, as a slot names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotVersion {
    /// The strategy.
    pub strategy: StrategyName,
    /// The desired state it comes from.
    pub generation: Generation,
    /// The plugin's bytes.
    pub digest: Digest,
}

/// The last thing that went wrong in a slot. It stays until something newer is staged with success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotFailure {
    /// What could not be activated.
    pub version: SlotVersion,
    /// Where, and why.
    #[serde(flatten)]
    pub failure: StageFailure,
    /// When, in milliseconds since 1970: for display only.
    pub at_unix_ms: u64,
    /// How long that stage had run when it failed, in milliseconds; none: it did not begin.
    #[serde(default)]
    pub took_ms: Option<f64>,
    /// Tries in a row that have failed.
    #[serde(default)]
    pub attempts: u32,
    /// When it is tried again, in milliseconds since 1970: for display only. None: not before something changes, because the
    /// same would fail again.
    #[serde(default)]
    pub retry_at_unix_ms: Option<u64>,
}

impl SlotFailure {
    /// What becomes of it, for a person who reads it at this time.
    pub fn outlook(&self, now_unix_ms: u64) -> String {
        match self.retry_at_unix_ms {
            None => {
                "not tried again until plugin, configuration or limits change or the node is started again".to_owned()
            }
            Some(at_ms) => format!("tried again in {} s", at_ms.saturating_sub(now_unix_ms).div_ceil(1_000)),
        }
    }
}

/// A version that is on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotStaging {
    /// Which.
    pub version: SlotVersion,
    /// Where it is now.
    pub stage: Stage,
    /// Since when it is there, in milliseconds since 1970: for display only.
    pub since_unix_ms: u64,
}

/// What one hook of the active version has done since it was activated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HookFigures {
    /// Calls made.
    pub calls: u64,
    /// Calls that trapped.
    pub traps: u64,
    /// Calls that could not go on within the memory limit.
    #[serde(default)]
    pub out_of_memory: u64,
    /// Calls stopped at their CPU budget.
    pub budget_exceeded: u64,
    /// Calls stopped at the wall cap because the machine gave them no CPU: not the plugin's fault.
    pub starved: u64,
    /// Answers that were not valid.
    pub invalid: u64,
    /// Callers that the fallback answered, for whatever reason.
    pub fallbacks: u64,
    /// Of these, because the shard was busy.
    pub busy: u64,
    /// Latency of sampled calls in nanoseconds: median and 99th percentile.
    pub latency_p50_ns: u64,
    /// See `latency_p50_ns`.
    pub latency_p99_ns: u64,
    /// Mean CPU time of sampled calls, in nanoseconds.
    pub cpu_mean_ns: u64,
}

/// The instances of a slot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ShardFigures {
    /// Instances that decide.
    pub shards: u32,
    /// Shards on the fallback because their plugin failed too often.
    pub quarantined: u32,
    /// Linear memory of the instances, in bytes.
    pub memory_bytes: u64,
    /// Victims that were not resident.
    pub victims_unknown: u64,
    /// Entries evicted by the fallback although a strategy was there.
    pub fallback_evictions: u64,
    /// Answers that named something unknown and were corrected.
    #[serde(default)]
    pub corrected: u64,
    /// Lines that the plugins' logs did not take: over the rate.
    #[serde(default)]
    pub log_lines_dropped: u64,
    /// Calls that counted on an index that was not declared.
    #[serde(default)]
    pub metrics_undeclared: u64,
    /// Own counters and gauges of the plugin, summed over shards.
    #[serde(default)]
    pub counters: BTreeMap<String, f64>,
}

/// One slot of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// Which slot.
    pub slot: SlotId,
    /// What the node was last told to run here; none: the built-in fallback.
    pub received: Option<SlotVersion>,
    /// What passed every stage up to the flip.
    pub staged: Option<SlotVersion>,
    /// What is being staged now; none: nothing is.
    #[serde(default)]
    pub staging: Option<SlotStaging>,
    /// What decides.
    pub active: Option<SlotVersion>,
    /// The last version that was active and not quarantined.
    pub last_healthy: Option<SlotVersion>,
    /// The last failure.
    pub last_failure: Option<SlotFailure>,
    /// The active plugin's name and version, for people.
    pub plugin: Option<(PluginName, semver::Version)>,
    /// How long decisions stood still at the last flip, in milliseconds.
    pub flip_ms: Option<f64>,
    /// How long the last staging took, by stage, in milliseconds.
    #[serde(default)]
    pub staging_ms: BTreeMap<String, f64>,
    /// How long the last return to a version took that was still compiled and proven, in milliseconds, from its wish to its
    /// first decision.
    #[serde(default)]
    pub going_back_ms: Option<f64>,
    /// Flips since the node started.
    pub flips: u64,
    /// Instances and their faults.
    pub shards: ShardFigures,
    /// By hook.
    #[serde(default)]
    pub hooks: BTreeMap<String, HookFigures>,
}

/// One route of a node. All of a node's routes change at once: while one fails, every one stays as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRoute {
    /// Which route.
    pub name: RouteName,
    /// What the node was last told; none: that there is no such route.
    pub received: Option<Generation>,
    /// What requests follow; none: there is no such route yet.
    pub active: Option<Generation>,
    /// Why what was received is not active.
    pub failure: Option<RouteFailure>,
}

/// Why a route is not as it was declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteFailure {
    /// One sentence for the person who can mend it.
    pub reason: String,
    /// When it was last tried, in milliseconds since 1970: for display only.
    pub at_unix_ms: u64,
}

/// What a node reports of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Which node.
    pub node: NodeId,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The newest desired state that it follows.
    pub generation: Generation,
    /// Why it does not follow what the store holds now, as one sentence; none: it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_followed: Option<String>,
    /// Addresses of its engines, by protocol (`resp`).
    #[serde(default)]
    pub listeners: BTreeMap<String, String>,
    /// Contracts that its host can run.
    #[serde(default)]
    pub contracts: Vec<String>,
    /// Its slots.
    pub slots: Vec<SlotStatus>,
    /// Its routes, by name.
    #[serde(default)]
    pub routes: Vec<NodeRoute>,
    /// Strategy generations, instances and linear memory that the host holds: after a drain, no more than are active.
    pub live_generations: u64,
    /// See `live_generations`.
    pub live_instances: u64,
    /// See `live_generations`.
    pub live_bytes: u64,
    /// Engine figures by name, for example `cache.hits`.
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
    /// Resident memory of the process, in bytes.
    pub resident_bytes: u64,
    /// When it was written, in milliseconds since 1970: for display only.
    pub at_unix_ms: u64,
}

/// What the store knows of a node besides its status: who it is, and what it was when it last said so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Which node.
    pub node: NodeId,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Contracts that its host can run.
    #[serde(default)]
    pub contracts: Vec<String>,
    /// What it ran when it last said so, without what it counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Box<NodeStatus>>,
    /// Since when nobody has heard of it, in milliseconds since 1970; none: it is there. The leading server notes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_at_unix_ms: Option<u64>,
}

impl NodeRecord {
    /// Of a node that is there.
    pub fn new(node: NodeId, labels: BTreeMap<String, String>) -> Self {
        Self { node, labels, contracts: Vec::new(), summary: None, lost_at_unix_ms: None }
    }

    /// What is to be kept of a status.
    pub fn of(status: &NodeStatus) -> Self {
        let summary = NodeStatus { at_unix_ms: status.at_unix_ms, ..status.without_figures() };
        let contracts = status.contracts.clone();
        Self { contracts, summary: Some(Box::new(summary)), ..Self::new(status.node.clone(), status.labels.clone()) }
    }

    /// What is known of the node, in the shape of a status.
    pub fn into_status(self) -> NodeStatus {
        let Self { node, labels, contracts, summary, .. } = self;
        match summary {
            Some(summary) => NodeStatus { node, labels, contracts, ..*summary },
            None => NodeStatus { labels, contracts, ..NodeStatus::blank(node) },
        }
    }
}

impl NodeStatus {
    /// Of a node that has nothing to say yet.
    pub fn blank(node: NodeId) -> Self {
        Self {
            node,
            labels: BTreeMap::new(),
            generation: Generation::default(),
            not_followed: None,
            listeners: BTreeMap::new(),
            contracts: Vec::new(),
            slots: Vec::new(),
            routes: Vec::new(),
            live_generations: 0,
            live_instances: 0,
            live_bytes: 0,
            figures: BTreeMap::new(),
            resident_bytes: 0,
            at_unix_ms: 0,
        }
    }

    /// A status without what only the node can have counted, and without what changes by itself.
    #[must_use]
    pub fn without_figures(&self) -> Self {
        let slot = |slot: &SlotStatus| {
            let ShardFigures { shards, quarantined, .. } = slot.shards;
            let shards = ShardFigures { shards, quarantined, ..ShardFigures::default() };
            SlotStatus { shards, hooks: BTreeMap::new(), ..slot.clone() }
        };
        let slots = self.slots.iter().map(slot).collect();
        Self {
            labels: self.labels.clone(),
            generation: self.generation,
            not_followed: self.not_followed.clone(),
            listeners: self.listeners.clone(),
            contracts: self.contracts.clone(),
            slots,
            routes: self.routes.clone(),
            ..Self::blank(self.node.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_whether_it_is_tried_again() {
        let version = SlotVersion {
            strategy: "sessions".parse().unwrap(),
            generation: Generation::default(),
            digest: Digest::of(b"plugin"),
        };
        let failure = StageFailure::new(Stage::Compile, "no component");
        let failed = |retry_at_unix_ms| SlotFailure {
            version: version.clone(),
            failure: failure.clone(),
            at_unix_ms: 1_000,
            took_ms: Some(0.5),
            attempts: 1,
            retry_at_unix_ms,
        };
        assert!(failed(None).outlook(2_000).starts_with("not tried again until"));
        assert_eq!(failed(Some(4_500)).outlook(2_000), "tried again in 3 s");
        assert_eq!(failed(Some(1_500)).outlook(2_000), "tried again in 0 s");
    }
}
