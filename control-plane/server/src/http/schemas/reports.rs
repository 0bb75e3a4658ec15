use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Generation, SlotId, SlotVersion, Stage};

/// Part of what a node has to tell.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ReportBatch {
    node: String,
    /// One process of the node: 16 hexadecimal digits.
    session: String,
    /// The leader that was told last; another one takes nothing and says who it is.
    #[schema(required = false)]
    term: Option<u64>,
    /// At most 256, in the order of their `sequence`. Each has an `item`: `window`, `event`, or what only a newer version knows.
    items: Vec<Value>,
    #[schema(required = false)]
    dropped: Dropped,
}

/// How much was never told.
#[derive(Serialize, ToSchema)]
pub(super) struct Dropped {
    windows: u64,
    events: u64,
}

/// What a server answers to a batch.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ReportAnswer {
    /// Everything of this session up to this number need not be told again; absent: nothing was taken.
    acknowledged: Option<u64>,
    /// Names the leader and what it has heard.
    term: u64,
}

/// Something that happened on a node once.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct FleetEvent {
    node: String,
    session: String,
    /// Node, session and sequence name it.
    sequence: u64,
    /// By the node's clock.
    at_unix_ms: u64,
    kind: EventKind,
    #[schema(required = false)]
    slot: Option<SlotId>,
    #[schema(required = false)]
    route: Option<String>,
    #[schema(required = false)]
    strategy: Option<String>,
    #[schema(required = false)]
    generation: Option<Generation>,
    #[schema(required = false)]
    digest: Option<String>,
    #[schema(required = false)]
    stage: Option<Stage>,
    message: String,
}

/// What may happen on a node.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http) enum EventKind {
    Started,
    Stopping,
    Flipped,
    Refused,
    Cleared,
    Quarantined,
    Resumed,
    Healthy,
    NotFollowed,
    Followed,
    StateRejected,
    RouteRefused,
    RouteTaken,
    ReportsDropped,
    Other,
}

/// What one hook of one slot has done lately under one version.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct HookReport {
    slot: SlotId,
    /// Absent: nothing but the built-in fallback decided.
    version: Option<SlotVersion>,
    hook: String,
    last_1m: SpanFigures,
    last_10m: SpanFigures,
}

/// Figures over a span that ends now.
#[derive(Serialize, ToSchema)]
pub(super) struct SpanFigures {
    /// Nodes that told something.
    nodes: usize,
    calls: u64,
    /// Calls a second.
    rate: f64,
    failures: FailureCounts,
    /// Callers that the fallback answered.
    fallbacks: u64,
    /// Of these, because the shard was busy.
    busy: u64,
    latency_p50_ns: u64,
    latency_p99_ns: u64,
    cpu_mean_ns: u64,
}

/// Calls that gave no answer, by why.
#[derive(Serialize, ToSchema)]
pub(super) struct FailureCounts {
    trap: u64,
    memory: u64,
    budget: u64,
    starved: u64,
    invalid: u64,
}
