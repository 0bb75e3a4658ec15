use serde::{Deserialize, Serialize};

use crate::{Digest, Generation, NodeId, RouteName, SessionId, SlotId, Stage, StrategyName};

/// Something that happened on a node once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When the node noticed, in milliseconds since 1970 by its clock: for display only.
    pub at_unix_ms: u64,
    /// What.
    pub kind: EventKind,
    /// In which slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotId>,
    /// To which route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteName>,
    /// Of which strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyName>,
    /// Of which desired state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// Of which plugin's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// At which stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// One sentence for a person.
    #[serde(default)]
    pub message: String,
}

impl Event {
    /// Characters of a message: what a plugin says of its own failure may be long.
    pub const MESSAGE_CHARS_MAX: usize = 1_024;

    /// One that is about the whole node.
    pub fn new(kind: EventKind, at_unix_ms: u64, message: impl AsRef<str>) -> Self {
        let message = message.as_ref().chars().take(Self::MESSAGE_CHARS_MAX).collect();
        let (slot, route, strategy, generation, digest, stage) = Default::default();
        Self { at_unix_ms, kind, slot, route, strategy, generation, digest, stage, message }
    }
}

/// What may happen on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The node has started.
    Started,
    /// The node stops.
    Stopping,
    /// Another version decides, or the built-in fallback does.
    Flipped,
    /// A version was refused, at the stage that is named.
    Refused,
    /// A refusal counts no longer.
    Cleared,
    /// The fallback decides because a version failed too often.
    Quarantined,
    /// A version that was quarantined decides again.
    Resumed,
    /// A version has shown that it runs well.
    Healthy,
    /// What the store holds is not followed.
    NotFollowed,
    /// What the store holds is followed again.
    Followed,
    /// The state of an earlier version was not taken over.
    StateRejected,
    /// A route is not as it was declared.
    RouteRefused,
    /// A route that was refused is as it was declared.
    RouteTaken,
    /// The node could not keep all that it had to tell, and has told of that alone.
    ReportsDropped,
    /// What only a newer version knows.
    #[serde(other)]
    Other,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Started,
        Self::Stopping,
        Self::Flipped,
        Self::Refused,
        Self::Cleared,
        Self::Quarantined,
        Self::Resumed,
        Self::Healthy,
        Self::NotFollowed,
        Self::Followed,
        Self::StateRejected,
        Self::RouteRefused,
        Self::RouteTaken,
        Self::ReportsDropped,
        Self::Other,
    ];

    /// The name as it stands everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Flipped => "flipped",
            Self::Refused => "refused",
            Self::Cleared => "cleared",
            Self::Quarantined => "quarantined",
            Self::Resumed => "resumed",
            Self::Healthy => "healthy",
            Self::NotFollowed => "not-followed",
            Self::Followed => "followed",
            Self::StateRejected => "state-rejected",
            Self::RouteRefused => "route-refused",
            Self::RouteTaken => "route-taken",
            Self::ReportsDropped => "reports-dropped",
            Self::Other => "other",
        }
    }
}

/// An event as a server gives it. Node, session and sequence name it for ever, whichever server is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetEvent {
    /// Which node.
    pub node: NodeId,
    /// Which process of that node.
    pub session: SessionId,
    /// Its number in that process's reports.
    pub sequence: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_one_name_and_a_new_one_is_other() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(serde_json::from_value::<EventKind>(kind.as_str().into()).unwrap(), kind);
        }
        assert_eq!(serde_json::from_str::<EventKind>("\"teleported\"").unwrap(), EventKind::Other);
    }

    #[test]
    fn a_message_has_a_bound() {
        assert_eq!(Event::new(EventKind::Started, 1, "é".repeat(5_000)).message.chars().count(), 1_024);
    }
}
