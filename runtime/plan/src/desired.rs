use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchyard_types::{
    Digest, Generation, Limits, RouteName, SlotId, SlotVersion, StrategyName,
    route::{DeclaredRoute, RouteSpec},
};

/// Everything that one node should run, at one generation. Immutable: a change is a new plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredState {
    /// The desired state of the fleet that this was planned from.
    pub generation: Generation,
    /// At most one entry a slot, in order of precedence: where two slots cover one entity, the first decides. A slot
    /// that is not named here runs the built-in fallback.
    pub slots: Vec<DesiredSlot>,
    /// The routes of the gateway, by name. Absent in what older versions wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<DesiredRoute>,
}

/// One route that the node's gateway should have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredRoute {
    /// Its name.
    pub name: RouteName,
    /// The desired state that this route, as it stands, first belonged to.
    pub generation: Generation,
    /// What it says.
    pub spec: RouteSpec,
}

impl DesiredRoute {
    /// As a gateway takes it.
    pub fn declared(&self) -> DeclaredRoute {
        DeclaredRoute { name: self.name.clone(), spec: self.spec.clone() }
    }
}

/// What one slot should run: all that is needed to bring it to life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredSlot {
    /// Where.
    pub slot: SlotId,
    /// The strategy that won the slot.
    pub strategy: StrategyName,
    /// The desired state that this strategy, as it stands, first belonged to.
    pub generation: Generation,
    /// The plugin's bytes.
    pub digest: Digest,
    /// What instances are configured with.
    pub configuration: Value,
    /// What instances may take.
    pub limits: Limits,
}

impl DesiredState {
    /// Whether a node that follows `seen` may follow this instead. The same generation is followed again, because a
    /// node's labels may have changed since; an older one is not, because it was read from a store that has lost or not
    /// yet seen what the node remembers.
    pub fn supersedes(&self, seen: Generation) -> bool {
        self.generation >= seen
    }

    /// What the slot should run; none: the built-in fallback.
    pub fn slot(&self, slot: &SlotId) -> Option<&DesiredSlot> {
        self.slots.iter().find(|desired| desired.slot == *slot)
    }
}

impl DesiredSlot {
    /// Whether instances of the two would be the same: plugin, configuration and limits are. Name and generation say
    /// who asked and when, and a new one of either is no reason to touch a running instance.
    pub fn same_content(&self, other: &Self) -> bool {
        self.digest == other.digest && self.configuration == other.configuration && self.limits == other.limits
    }

    /// As a status names it.
    pub fn version(&self) -> SlotVersion {
        SlotVersion { strategy: self.strategy.clone(), generation: self.generation, digest: self.digest }
    }
}
