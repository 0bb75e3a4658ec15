//! The shapes of the API for its OpenAPI document. The types themselves are in `switchyard-types`, which knows nothing of
//! OpenAPI; a test holds each of them against its shape here, so the two cannot drift apart.

#![expect(dead_code, reason = "nobody makes these: they are read as shapes")]

mod fleet;
mod reports;
mod routes;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::fleet::FleetCounts;
pub(super) use self::{
    fleet::ListedNode,
    reports::{EventKind, FleetEvent, HookReport, ReportAnswer, ReportBatch},
    routes::RouteDocument,
};

/// Part of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Page)]
pub(super) struct PageOf<T: ToSchema> {
    /// In the order of names.
    items: Vec<T>,
    /// Where the next part begins; absent: this was the last.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    continue_token: Option<String>,
    /// At which it was read: a watch from here misses nothing. Absent: the list is not from the store.
    #[serde(rename = "resourceVersion", skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    resource_version: Option<u64>,
}

/// The one shape of an error.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorAnswer {
    /// For programs.
    code: ErrorCode,
    /// One sentence that says what to do.
    message: String,
    /// Where a plugin or strategy was refused.
    #[schema(required = false)]
    stage: Option<Stage>,
    /// One entry a finding, for example `configuration.ratio: 7 is greater than the maximum of 1`.
    #[schema(required = false)]
    details: Vec<String>,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ErrorCode {
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    Expired,
    TooLarge,
    UnsupportedMediaType,
    OutOfRange,
    Refused,
    Busy,
    Internal,
    Untrusted,
    Unavailable,
    StoreFull,
}

/// A step on the way from an upload to an active strategy.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    Upload,
    Schema,
    Fetch,
    Verify,
    Compile,
    Link,
    Describe,
    Configure,
    SelfTest,
    Import,
    Adopt,
    Flip,
    Drain,
}

/// What a strategy decides about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StrategyKind {
    Caching,
}

/// A published plugin.
#[derive(Serialize, ToSchema)]
pub(super) struct PluginManifest {
    name: String,
    version: String,
    /// `sha256:` and 64 hexadecimal digits.
    digest: String,
    size_bytes: u64,
    kinds: Vec<StrategyKind>,
    /// For example `switchyard:caching@0.1.0`.
    contracts: Vec<String>,
    /// JSON Schema, draft 2020-12.
    configuration_schema: Value,
    configuration_default: Value,
    #[schema(required = false)]
    state_format: Option<String>,
    interests: Interests,
    counters: Vec<String>,
    gauges: Vec<String>,
}

/// What a plugin wants to be told.
#[derive(Serialize, ToSchema)]
pub(super) struct Interests {
    events: Vec<String>,
    batch: u32,
    #[schema(required = false)]
    tick_ms: Option<u32>,
    keys: bool,
    dense_scores: bool,
}

/// A declared strategy.
#[derive(Serialize, ToSchema)]
pub(super) struct StrategyDocument {
    /// `Strategy`.
    kind: String,
    name: String,
    #[schema(required = false)]
    labels: BTreeMap<String, String>,
    /// The version of this document. A replacement that carries it is refused when the document has changed since.
    #[serde(rename = "resourceVersion")]
    #[schema(required = false)]
    resource_version: Option<u64>,
    spec: StrategySpec,
    /// What the server adds; ignored when it is sent.
    #[schema(required = false)]
    status: Option<StrategyStatus>,
}

/// What an operator declares.
#[derive(Serialize, ToSchema)]
pub(super) struct StrategySpec {
    kind: StrategyKind,
    /// `name@version`, or a digest.
    plugin: String,
    /// Which slot; empty for caching.
    #[schema(required = false)]
    target: String,
    /// Labels that a node must have, each with a value or a list of values; none: every node.
    #[schema(required = false)]
    selector: BTreeMap<String, LabelMatch>,
    /// Which part of these nodes; absent: all.
    #[schema(required = false)]
    cohort: Option<Cohort>,
    /// The higher wins a slot.
    #[schema(required = false)]
    priority: i32,
    #[schema(required = false)]
    limits: LimitsSpec,
    /// By the plugin's schema; absent: its default.
    #[schema(required = false)]
    configuration: Option<Value>,
}

/// What a label must be.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is there for its schema")]
pub(super) enum LabelMatch {
    Is(String),
    In(Vec<String>),
}

/// A part of the fleet, by a stable hash of the nodes' ids.
#[derive(Serialize, ToSchema)]
pub(super) struct Cohort {
    /// In percent, in steps of 0.01; 0 unless given.
    #[schema(required = false, minimum = 0, maximum = 100)]
    from_percent: f64,
    /// In percent, not part of it; 100 unless given.
    #[schema(required = false, minimum = 0, maximum = 100)]
    to_percent: f64,
    /// Mixes the places anew: cohorts of one salt can be laid beside each other.
    #[schema(required = false)]
    salt: String,
}

/// Limits other than the defaults.
#[derive(Serialize, ToSchema)]
pub(super) struct LimitsSpec {
    /// CPU time of one call while a caller waits.
    #[schema(required = false)]
    waited_call_us: Option<u64>,
    /// CPU time of one batched call.
    #[schema(required = false)]
    batched_call_us: Option<u64>,
    /// CPU time of one call of the life cycle.
    #[schema(required = false)]
    lifecycle_call_us: Option<u64>,
    /// Linear memory of one instance.
    #[schema(required = false)]
    memory_bytes: Option<u64>,
}

/// What the server adds to an accepted strategy.
#[derive(Serialize, ToSchema)]
pub(super) struct StrategyStatus {
    /// The desired state that this strategy, as it stands, first belonged to.
    generation: Generation,
    /// The bytes that `spec.plugin` stands for.
    digest: String,
    /// What instances are configured with.
    configuration: Value,
    /// Counted when it is asked for.
    #[schema(required = false)]
    fleet: Option<FleetCounts>,
    /// What looks like a mistake, when it is applied.
    #[schema(required = false)]
    warnings: Vec<String>,
}

/// A desired state of the fleet; compared epoch first.
#[derive(Serialize, ToSchema)]
pub(super) struct Generation {
    epoch: u32,
    counter: u64,
}

/// What a node reports of itself.
#[derive(Serialize, ToSchema)]
pub(super) struct NodeStatus {
    node: String,
    labels: BTreeMap<String, String>,
    /// The newest desired state that it follows.
    generation: Generation,
    /// Why it does not follow what the store holds now.
    #[schema(required = false)]
    not_followed: Option<String>,
    /// Addresses of its engines, by protocol.
    listeners: BTreeMap<String, String>,
    contracts: Vec<String>,
    slots: Vec<SlotStatus>,
    routes: Vec<NodeRoute>,
    live_generations: u64,
    live_instances: u64,
    live_bytes: u64,
    /// By name, for example `cache.hits`.
    figures: BTreeMap<String, f64>,
    resident_bytes: u64,
    at_unix_ms: u64,
}

/// One route of a node.
#[derive(Serialize, ToSchema)]
pub(super) struct NodeRoute {
    name: String,
    /// What the node was last told; absent: that there is no such route.
    received: Option<Generation>,
    /// What requests follow; absent: there is no such route yet.
    active: Option<Generation>,
    failure: Option<RouteFailure>,
}

/// Why a route is not as it was declared.
#[derive(Serialize, ToSchema)]
pub(super) struct RouteFailure {
    reason: String,
    at_unix_ms: u64,
}

/// One slot of a node.
#[derive(Serialize, ToSchema)]
pub(super) struct SlotStatus {
    slot: SlotId,
    received: Option<SlotVersion>,
    staged: Option<SlotVersion>,
    active: Option<SlotVersion>,
    last_healthy: Option<SlotVersion>,
    last_failure: Option<SlotFailure>,
    /// What is being staged now.
    staging: Option<SlotStaging>,
    /// The active plugin's name and version.
    plugin: Option<Vec<String>>,
    flip_ms: Option<f64>,
    staging_ms: BTreeMap<String, f64>,
    /// Of the last return to a version that was still compiled and proven.
    going_back_ms: Option<f64>,
    flips: u64,
    shards: ShardFigures,
    hooks: BTreeMap<String, HookFigures>,
}

/// A place where decisions of one kind are made.
#[derive(Serialize, ToSchema)]
pub(super) struct SlotId {
    kind: StrategyKind,
    target: String,
}

/// One version of one strategy.
#[derive(Serialize, ToSchema)]
pub(super) struct SlotVersion {
    strategy: String,
    generation: Generation,
    digest: String,
}

/// The last thing that went wrong in a slot.
#[derive(Serialize, ToSchema)]
pub(super) struct SlotFailure {
    version: SlotVersion,
    stage: Stage,
    reason: String,
    at_unix_ms: u64,
    took_ms: Option<f64>,
    attempts: u32,
    /// None: not before something changes.
    retry_at_unix_ms: Option<u64>,
}

/// A version that is on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct SlotStaging {
    version: SlotVersion,
    stage: Stage,
    since_unix_ms: u64,
}

/// The instances of a slot.
#[derive(Serialize, ToSchema)]
pub(super) struct ShardFigures {
    shards: u32,
    quarantined: u32,
    memory_bytes: u64,
    victims_unknown: u64,
    fallback_evictions: u64,
    corrected: u64,
    log_lines_dropped: u64,
    metrics_undeclared: u64,
    counters: BTreeMap<String, f64>,
}

/// What one hook has done since its version was activated.
#[derive(Serialize, ToSchema)]
pub(super) struct HookFigures {
    calls: u64,
    traps: u64,
    out_of_memory: u64,
    budget_exceeded: u64,
    starved: u64,
    invalid: u64,
    fallbacks: u64,
    busy: u64,
    latency_p50_ns: u64,
    latency_p99_ns: u64,
    cpu_mean_ns: u64,
}

#[cfg(test)]
mod tests;
